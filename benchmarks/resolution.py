"""Which of two programs is the faster one: how often the clock tells, for short calls that differ by a fifth.

    python benchmarks/resolution.py [--pairs 100] [--busy]

Each program runs a loop over its input, calibrated to take the wanted time net by our clock, and then writes three
outputs (calibrated.py). Two programs take turns, each time in a new process and a block of its own, as in evaluations;
two neighbours in time are a pair, and it is ranked right when the ratios to the reference say so. --busy: beside a busy
loop.
"""

import argparse
import datetime
import itertools
import tempfile
from contextlib import closing
from pathlib import Path

import numpy as np
from agreement import NEIGHBOURS, neighbour
from calibrated import fresh_block, net_ms, rounds_for, text

from eplb_evolve import config, machine
from eplb_evolve.evaluation.bench import Bench, open_bench
from eplb_evolve.evaluation.block import Block
from eplb_evolve.evaluation.task import Task, build_task
from eplb_evolve.evaluation.timed import Timed
from eplb_evolve.paths import project

TIMES_MS = (0.15, 0.20, 0.30)
"""Three new outputs of a plan's size alone take 0.1 ms here, and what fills them a little more."""

SLOWER = 1.2


class Programs:
    """Programs in workers of one bench, by the rounds of their loop."""

    def __init__(self, task: Task, bench: Bench, folder: Path) -> None:
        self._task, self._bench, self._folder = task, bench, folder
        self._rng = np.random.default_rng()
        self._known: dict[int, float] = {}

    def block(self, rounds: int) -> Block:
        """A block of calls in a new process."""
        file = self._folder / f"{rounds}.py"
        file.write_text(text(rounds))
        return fresh_block(file, self._task, self._bench, self._rng)

    def rounds_for(self, wanted_ms: float) -> int:
        """How many rounds take that long, net."""
        return rounds_for(wanted_ms, self._measured_ms)

    def _measured_ms(self, rounds: int) -> float:
        if rounds not in self._known:
            self._known[rounds] = float(np.median([net_ms(self.block(rounds), self._task) for _ in range(9)]))
        return self._known[rounds]


def main() -> None:
    """Calibrate, measure, print a row for each time."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=100)
    parser.add_argument("--busy", action="store_true")
    given = parser.parse_args()
    words = "beside a busy loop" if given.busy else "quiet"
    section = config.read_eplb(project().config)
    task = build_task(project().workloads, section.workload, [], section.settings())
    print(f"{machine.describe()}; {datetime.date.today()}; {words}")
    print(f"{given.pairs} pairs on {task.name}; the second program of each takes {SLOWER:g} x the first's time")
    print("wanted ms   found ms           ratio, SD   right    null call us, SD   bound us   floor ms")
    with closing(open_bench(task.settings)) as bench, tempfile.TemporaryDirectory() as folder:
        programs = Programs(task, bench, Path(folder))
        rounds = {wanted: (programs.rounds_for(wanted), programs.rounds_for(wanted * SLOWER)) for wanted in TIMES_MS}
        with neighbour(NEIGHBOURS[words]):
            for wanted, both in rounds.items():
                turns = itertools.islice(itertools.cycle(both), given.pairs + 1)
                print(row(wanted, [programs.block(each) for each in turns], task), flush=True)


def row(wanted_ms: float, blocks: list[Block], task: Task) -> str:
    """One line of the table; every other block is of the slower program."""
    estimates = [Timed.of(block, task).estimate for block in blocks]
    ratios = np.array([each.ratio for each in estimates])
    found = [np.median([each.time_ms for each in estimates[which::2]]) for which in (0, 1)]
    slower_first = np.arange(len(blocks) - 1) % 2 == 1
    right = int(((ratios[:-1] > ratios[1:]) == slower_first).sum())
    null = [np.median([getattr(block.null, name) for block in blocks]) * 1e6 for name in ("seconds", "spread", "bound")]
    return (
        f"{wanted_ms:9.2f}   {found[0]:.3f} / {found[1]:.3f}   {ratios[::2].std() / ratios[::2].mean():12.1%}   "
        f"{right:3d}/{len(blocks) - 1}   {null[0]:8.0f}, {null[1]:5.1f}   {null[2]:8.0f}   "
        f"{np.median([block.mark_ms('filled') for block in blocks]):8.3f}"
    )


if __name__ == "__main__":
    main()
