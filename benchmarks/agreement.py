"""How well evaluations of one program agree with each other, and how long one takes.

    python benchmarks/agreement.py PROGRAM [--repeats 10] [--busy 2]

Prints ratio_to_reference and the wall time beyond import and first call of each repeat, then their spread: the
standard deviation as a share of the mean, for the ratio, and for the absolute median time as its peer. --busy starts
that many endless loops beside it.
"""

import argparse
import contextlib
import datetime
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from eplb_evolve import config, machine
from eplb_evolve.evaluation.bench import open_bench
from eplb_evolve.evaluation.pipeline import evaluate
from eplb_evolve.evaluation.task import build_task
from eplb_evolve.paths import project


@contextlib.contextmanager
def busy_loops(count: int) -> Iterator[None]:
    """Keep `count` processors busy."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def main() -> None:
    """Evaluate, print, summarise."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", type=Path)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--busy", type=int, default=0)
    arguments = parser.parse_args()
    section = config.read_eplb(project().config)
    task = build_task(project().workloads, section.workload, section.checks, section.settings())
    print(f"{arguments.program} on {task.workload.name}, {arguments.busy} busy loops beside it")
    print(f"{machine.describe()}; {datetime.date.today()}")
    print(f"{'':4s}{'ms':>8s}{'x ref':>8s}{'pairs':>7s}{'quiet':>7s}{'wall s beyond first call':>26s}")
    runs = []
    with closing(open_bench(task.settings)) as bench, busy_loops(arguments.busy):
        for repeat in range(arguments.repeats):
            run = evaluate(arguments.program, task, bench)
            if not run.feasible:
                raise SystemExit(f"{arguments.program}: {run.reason}")
            beyond = run.wall_beyond_compilers_s
            print(
                f"{repeat:<4d}{run.time_ms:8.3f}{run.ratio_to_reference:8.4f}{run.samples:7d}{run.undisturbed:7d}{beyond:26.2f}"
            )
            runs.append(run)
    walls = [run.wall_beyond_compilers_s for run in runs]
    print(f"median wall beyond import and first call: {statistics.median(walls):.2f} s, longest {max(walls):.2f} s")
    print(f"SD of ratio_to_reference: {spread([run.ratio_to_reference for run in runs]):.1%} of its mean")
    print(f"SD of the absolute median time: {spread([run.time_ms for run in runs]):.1%} of its mean")


def spread(values: list[float]) -> float:
    """Standard deviation as a share of the mean."""
    return statistics.stdev(values) / statistics.mean(values)


if __name__ == "__main__":
    main()
