"""What two public evaluators would say of balancers, and of balancers made worse, beside our own verdict.

    python benchmarks/published.py [--programs NAME...]

A name is that of a file in seeds/, or of those below: seeds with one change each, and a program that names every slot
for every expert. The workload is the default evaluation's, on its holdout windows.
"""

import argparse
import os
import statistics
import sys
import tempfile
import textwrap
import time
from contextlib import closing
from pathlib import Path

from eplb_evolve.cli.console import SafeConsole
from eplb_evolve.cli.published import show_published
from eplb_evolve.evaluation.bench import open_bench
from eplb_evolve.evaluation.pipeline import evaluate
from eplb_evolve.evaluation.published.formulas import SPEED_S, skydiscover_score
from eplb_evolve.evaluation.published.judging import Published, published
from eplb_evolve.paths import project
from eplb_evolve.tasks import tasks

SEEDS = (
    "deepseek",
    "vllm_batched",
    "adrs_snake",
    "cpp_simd",
    "cpp_rounds",
    "global_snake",
    "incremental",
    "random_placement",
    "never",
)

SIGNATURE = "def rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus):\n"
PLAN = "phy2log, log2phy, logcnt = kept(weight, num_replicas, num_groups, num_nodes, num_gpus)\n"
IDLE = "import time\nends = time.perf_counter() + {seconds}\nwhile time.perf_counter() < ends: pass\n"
RETURN = "return phy2log, log2phy, logcnt\n"

CHANGED = {
    "idles_300_us": ("cpp_simd", IDLE.format(seconds=0.0003) + PLAN + RETURN),
    "idles_9_ms": ("cpp_simd", IDLE.format(seconds=0.009) + PLAN + RETURN),
    "cpp_no_groups": ("cpp_simd", "return kept(weight, num_replicas, 1, 1, num_gpus)\n"),
    "snake_no_groups": ("adrs_snake", "return kept(weight, num_replicas, 1, 1, num_gpus)\n"),
    "slots_reversed": (
        "cpp_simd",
        PLAN + "return phy2log, torch.where(log2phy >= 0, num_replicas - 1 - log2phy, -1), logcnt\n",
    ),
}
"""Name, seed, and the body of another rebalance_experts around the seed's, which is `kept` there."""

EVERYWHERE = '''
"""Every expert in every slot: a fourth dimension of log2phy names them all, and the counts stay what they must be."""

import torch


def rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus):
    """The loads are not looked at."""
    layers, experts = weight.shape
    phy2log = (torch.arange(num_replicas) % experts).repeat(layers, 1)
    logcnt = torch.bincount(phy2log[0]).repeat(layers, 1)
    return phy2log, torch.arange(num_replicas).expand(layers, experts, 1, num_replicas), logcnt
'''


def main() -> None:
    """One table, and what SkyDiscover's score can reach."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--programs", nargs="*", default=[*SEEDS, *CHANGED, "everywhere"])
    names = parser.parse_args().programs
    seeds = {file.stem for file in (project().root / "seeds").glob("*.py")}
    if unknown := [name for name in names if name not in {"deepseek", "everywhere", *CHANGED, *seeds}]:
        parser.error(
            f"no program {unknown[0]}; there are deepseek, everywhere, {', '.join([*CHANGED, *sorted(seeds)])}"
        )
    os.environ.setdefault("COLUMNS", "80")
    (task,) = tasks(None, None, "holdout")
    results, theirs = [], []
    with tempfile.TemporaryDirectory() as folder, closing(open_bench(task.settings)) as bench:
        for program in [written(name, Path(folder)) for name in names]:
            results.append(evaluate(program, task, bench))
            theirs.append(published(program, task, bench))
    print(time.strftime("%Y-%m-%d", time.gmtime()))
    show_published(results, theirs, SafeConsole(sys.stdout))
    print("\n" + limit(theirs))


def written(name: str, folder: Path) -> Path:
    """The program of that name, in a file of that name."""
    seeds = project().root / "seeds"
    if name == "everywhere":
        text = EVERYWHERE.lstrip()
    elif name in CHANGED:
        seed, body = CHANGED[name]
        kept = (seeds / f"{seed}.py").read_text(encoding="utf-8")
        text = f"{kept}\n\nkept = rebalance_experts\n\n\n{SIGNATURE}{textwrap.indent(body, '    ')}"
    else:
        text = (seeds / f"{name}.py").read_text(encoding="utf-8")
    program = folder / f"{name}.py"
    program.write_text(text, encoding="utf-8")
    return program


def limit(theirs: list[Published]) -> str:
    """What a call that takes no time at all would get from SkyDiscover, for what the simulation took here."""
    seen = [(each.figures, each.log2phy_right and each.groups_kept) for each in theirs if each.figures is not None]
    best = max(figures.expert_balancedness for figures, right in seen if right)
    simulation_s = statistics.median(figures.simulation_ms for figures, _ in seen) / 1e3
    return (
        f"A call that takes no time gets {skydiscover_score(best, simulation_s):.4f} from SkyDiscover with the best "
        f"expert bal. of a plan\nthat keeps every rule, {best:.4f}, and a simulation of {1e3 * simulation_s:.0f} ms "
        f"(the median here): {best / 2:.4f} for balance,\n{0.5 * SPEED_S / simulation_s:.4f} for speed."
    )


if __name__ == "__main__":
    main()
