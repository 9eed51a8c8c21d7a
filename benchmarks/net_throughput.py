"""Net throughput of programs beside that of another one, on the same calls of the holdout windows.

    python benchmarks/net_throughput.py PROGRAM... [--against seeds/cpp_simd.py] [--config configs/net_throughput.yaml]

Both are called on the same inputs, in turn, each from its own last placement; the intervals are bootstrapped over
calls, of the difference from pairs. The fastest plan that is in the repository is what a program is held against.
"""

import argparse
import time
from contextlib import closing
from pathlib import Path

import numpy as np

from eplb_evolve import config, machine
from eplb_evolve.evaluation.bench import Bench, open_bench
from eplb_evolve.evaluation.block import Block, run_block
from eplb_evolve.evaluation.calls import Caller, warm
from eplb_evolve.evaluation.objective import difference as paired
from eplb_evolve.evaluation.served import ratio_of_sums, served_intervals
from eplb_evolve.evaluation.task import Task, build_task
from eplb_evolve.evaluation.timing import bootstrap_interval
from eplb_evolve.paths import project_root
from eplb_evolve.placement import Floats
from eplb_evolve.serving.cost import Interval, seconds

ROUNDS = 24
"""Through the pairs of holdout windows; the first does not count."""


def main() -> None:
    """Print one line for each program and for what it is held against."""
    root = project_root()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("programs", type=Path, nargs="+")
    parser.add_argument("--against", type=Path, default=root / "seeds" / "cpp_simd.py")
    parser.add_argument("--config", type=Path, default=root / "configs" / "net_throughput.yaml")
    arguments = parser.parse_args()
    section = config.read_eplb(arguments.config)
    task = build_task(root / "workloads", section.workload, [], section.settings(), "holdout", section.topology)
    print(f"{machine.describe()}; {time.strftime('%Y-%m-%d', time.gmtime())}")
    print(f"{task.workload.name}, holdout windows; {section.serving}; {ROUNDS} rounds\n")
    print(f"{'program':24s}{'plan ms':>9s}{'bal.':>7s}{'received':>9s}{'net':>8s}   difference, 95 % interval")
    for program in arguments.programs:
        with closing(open_bench(task.settings)) as bench:
            block = called(program, arguments.against, task, bench)
        mine, other = served_intervals(block, task), served_intervals(block.of_rival(task.workload.topology.gpus), task)
        print(f"{row(name(program), mine, task)}   {difference(mine, other, task)}")
        print(row(f"  beside {name(arguments.against)}", other, task), flush=True)


def name(program: Path) -> str:
    """A record's folder, else the file's stem."""
    return program.parent.name if program.stem == "program" else program.stem


def called(program: Path, against: Path, task: Task, bench: Bench) -> Block:
    """Both programs and the reference on the same inputs."""
    rng, workload = np.random.default_rng(), task.workload
    with (
        closing(bench.zygote.spawn(program, task.settings.limits)) as mine,
        closing(bench.zygote.spawn(against, task.settings.limits)) as other,
    ):
        for worker in (mine, other):
            warm(worker, workload.windows.shape[1:], workload.topology, rng)
        callers = [Caller(worker, workload.topology, workload.name, rng) for worker in (mine, other)]
        calls = ROUNDS * len(workload.pairs(task.split))
        return run_block(callers[0], task, bench, rng, lambda block: len(block.candidate) >= calls, callers[1])


def row(title: str, intervals: list[Interval], task: Task) -> str:
    """Median plan, mean balancedness and received slots, net throughput."""
    plan_ms = 1e3 * np.median([each.plan_s for each in intervals])
    balance = np.mean([each.balancedness for each in intervals])
    received = np.mean([each.received_slots for each in intervals])
    never, spent = course(intervals, task)
    return f"{title:24s}{plan_ms:9.3g}{balance:7.4f}{received:9.2f}{ratio_of_sums(never, spent):8.4f}"


def difference(mine: list[Interval], other: list[Interval], task: Task) -> str:
    """Of the net throughputs, with its interval."""
    data = (*course(mine, task), *course(other, task))
    low, high = bootstrap_interval(paired, data)
    return f"{float(paired(*data)):+.4f}, {low:+.4f} to {high:+.4f}"


def course(intervals: list[Interval], task: Task) -> tuple[Floats, Floats]:
    """What each interval takes a server that never rebalances, and what it takes this one; seconds."""
    serving = task.settings.serving
    spent, never = seconds(serving.deployment, intervals, serving.interval, serving.mode)
    return never, spent


if __name__ == "__main__":
    main()
