"""Do the seeds that stand for engines do what the released engines do?  make engines

Every window of every workload is planned by the seed and by the module in the engine's wheel (tests/engines has both
sides). Equal: the same load on every GPU, GPUs sorted in each layer, and as many replicas of each expert. Slots may
differ, as equal loads may be ordered either way. kept: of the slots whose expert stays on its GPU, the percentage where
it stays in its slot, by the seed and by the module. ms: the shortest call of each, called in turn; other work on the
machine lengthens single calls.

SGLang hands deepseek_vec a history of steps, which a program here does not get. Below the table: how its own module
balances with the steps of a window, and with their sum, as the seed has it.
"""

import datetime
import sys
from itertools import pairwise

import numpy as np
import torch

from eplb_evolve import machine
from eplb_evolve.paths import project
from eplb_evolve.placement import balancedness_of
from eplb_evolve.workload import catalog

sys.path.insert(0, str(project().root / "tests"))
from engines import modules
from engines.comparison import COUNTERPARTS, Compared, Counterpart, cases, compare, sglang_plan
from engines.fetch import is_fetched, versions

WORKLOADS = project().root / "workloads"
WIDTHS = (31, 15, 22, 7, 18, 9, 12)
HEAD = ("module", "seed", "workload", "windows", "loads and replicas", "kept, %", "ms")


def main() -> None:
    """Print the table, and write it."""
    if not is_fetched():
        sys.exit("the engines' files are not there: python tests/engines/fetch.py gets them")
    torch.set_num_threads(1)
    lines = [f"{machine.describe()}, 1 thread; {datetime.date.today()}"]
    lines += [", ".join(f"{engine} {version}" for engine, version in versions().items()), "", line(HEAD)]
    for where, (windows, topology) in cases().items():
        lines += [row(each, where, compare(each, windows, topology)) for each in COUNTERPARTS]
    lines += ["", "sglang deepseek_vec, balancedness on the window that it sees / on the next, given"]
    lines += [history(name) for name in catalog.names(WORKLOADS)]
    (project().root / "results" / "benchmarks" / "engines.txt").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


def row(counterpart: Counterpart, where: str, found: Compared) -> str:
    """A line of the table; shares of kept slots where both keep them, seed before module."""
    engine, name = counterpart.module.split(".")[0], counterpart.module.split(".")[-1]
    kept = f"{100 * found.kept:.0f} / {100 * found.kept_there:.0f}"
    return line(
        (
            f"{engine} {versions()[engine]} {name}",
            counterpart.seed,
            where,
            str(found.windows),
            "equal" if found.is_equal else f"{found.load_gap:.2%}, {found.count_gap} experts",
            kept if counterpart.engine == "vllm" else "-",
            f"{found.ms:.1f} / {found.ms_there:.1f}",
        )
    )


def history(name: str) -> str:
    """Balancedness on this window and the next, means over the workload's windows, with steps and with their sum."""
    workload = catalog.load(name, WORKLOADS)
    topology, interval = workload.topology, workload.card.interval_steps
    found = []
    with modules.sglang_algorithms(topology) as algorithms:
        for now, (load, following) in enumerate(pairwise(workload.windows)):
            steps = workload.recorded[now * interval : (now + 1) * interval]
            if workload.placed is not None:
                steps = steps.reshape(interval, -1)[:, workload.placed.ravel()].reshape(interval, *load.shape)
            plans = [sglang_plan(algorithms, "deepseek_vec", each, topology) for each in (steps, load[None])]
            found.append([[balancedness_of(each, plan, topology.gpus) for each in (load, following)] for plan in plans])
    (same, later), (same_sum, later_sum) = np.mean(found, axis=0)
    return f"  {name:18}{interval} steps {same:.4f} / {later:.4f}   their sum {same_sum:.4f} / {later_sum:.4f}"


def line(cells: tuple[str, ...]) -> str:
    """Columns of fixed widths."""
    return " ".join(cell.ljust(width) for cell, width in zip(cells, WIDTHS, strict=True)).rstrip()


if __name__ == "__main__":
    main()
