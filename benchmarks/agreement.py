"""How well evaluations of the same program agree, minutes apart: quiet, beside a busy loop, beside a memory hog.

    python benchmarks/agreement.py [--minutes 10]

Three programs take turns: one of 0.3 ms net (see calibrated.py), cpp_simd and torch_rounds. Each time is a new process
and a block of calls, as in an evaluation. Printed are the standard deviation of the ratio to the reference as a share
of its mean, that of the absolute time as its peer, and how often the interval of one evaluation covers the figure of
another.
"""

import argparse
import contextlib
import datetime
import itertools
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
from calibrated import fresh_block, net_ms, rounds_for, text

from eplb_evolve import config, machine
from eplb_evolve.evaluation.bench import Bench, open_bench
from eplb_evolve.evaluation.task import Task, build_task
from eplb_evolve.evaluation.timed import Timed
from eplb_evolve.evaluation.timing import Estimate
from eplb_evolve.paths import project

SHORT_MS = 0.3
NEIGHBOURS = {
    "quiet": "",
    "beside a busy loop": "pass",
    "beside a memory hog": "b = bytes(a)",
}
AS_LONG_AS_WE_LIVE = "import os\na, parent = bytearray(1 << 29), os.getppid()\nwhile os.getppid() == parent: "


@contextlib.contextmanager
def neighbour(code: str) -> Iterator[None]:
    """A process that runs this code meanwhile; none for no code."""
    if not code:
        yield
        return
    process = subprocess.Popen([sys.executable, "-c", AS_LONG_AS_WE_LIVE + code])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def evaluations(programs: dict[str, Path], task: Task, bench: Bench, minutes: float) -> dict[str, list[Estimate]]:
    """In turn, for so long."""
    found: dict[str, list[Estimate]] = {name: [] for name in programs}
    ends, rng = time.monotonic() + 60 * minutes, np.random.default_rng()
    while time.monotonic() < ends:
        for name, program in programs.items():
            found[name].append(Timed.of(fresh_block(program, task, bench, rng), task).estimate)
    return found


def row(name: str, found: list[Estimate]) -> str:
    """One line of the table."""
    ratios, times = np.array([each.ratio for each in found]), np.array([each.time_ms for each in found])
    covered = [one.ratio_low <= other.ratio <= one.ratio_high for one, other in itertools.permutations(found, 2)]
    return (
        f"  {name:14s}{len(found):5d}{np.median(times):9.3f}{np.mean(ratios):9.4f}{spread(ratios):10.1%}"
        f"{spread(times):10.1%}{np.mean(covered):11.1%}"
    )


def spread(values: np.ndarray) -> float:
    """Standard deviation as a share of the mean."""
    return float(values.std(ddof=1) / values.mean())


def main() -> None:
    """Calibrate, measure, print a table for each neighbour."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0, help="beside each neighbour")
    minutes = parser.parse_args().minutes
    place = project()
    section = config.read_eplb(place.config)
    task = build_task(place.workloads, section.workload, [], section.settings())
    print(f"{machine.describe()}; {datetime.date.today()}; {task.name}, {minutes:g} minutes beside each neighbour")
    print(f"  {'program':14s}{'n':>5s}{'ms':>9s}{'x ref':>9s}{'SD ratio':>10s}{'SD time':>10s}{'covered':>11s}")
    with closing(open_bench(task.settings)) as bench, tempfile.TemporaryDirectory() as folder:
        short = Path(folder) / "short.py"

        def measured_ms(rounds: int) -> float:
            short.write_text(text(rounds))
            return float(np.median([net_ms(fresh_block(short, task, bench, np.random.default_rng()), task)] * 3))

        short.write_text(text(rounds_for(SHORT_MS, measured_ms)))
        seeds = place.seed_files()
        programs = {f"{SHORT_MS:g} ms": short} | {name: seeds[name] for name in ("cpp_simd", "torch_rounds")}
        for words, code in NEIGHBOURS.items():
            with neighbour(code):
                found = evaluations(programs, task, bench, minutes)
            print(words)
            for name, each in found.items():
                print(row(name, each), flush=True)


if __name__ == "__main__":
    main()
