"""A block of timed calls: programs and the reference, side by side on the same inputs, in random order."""

import itertools
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from eplb_evolve.errors import CandidateFailure
from eplb_evolve.evaluation import disturbance
from eplb_evolve.evaluation.bench import Bench, Mark
from eplb_evolve.evaluation.calls import Call, Caller
from eplb_evolve.evaluation.constraint import Verdict, judge
from eplb_evolve.evaluation.inputs import CallInputs
from eplb_evolve.evaluation.processors import Processors
from eplb_evolve.evaluation.task import Task
from eplb_evolve.evaluation.timing import NullCall
from eplb_evolve.placement import Floats

CANDIDATE, RIVAL, REFERENCE = "candidate", "rival", "reference"

QUICK_S, FURTHER = 1.4e-3, 3
"""A program of whose calls one took less, overhead included, gets so many further calls a row."""

WAIT_FLOOR_S, WAIT_SHARE = 2e-4, 0.05
"""A call that waited longer for a processor than this, and than this share of its time, was disturbed."""


@dataclass
class Block:
    """Timed calls in rows, one after the other; entry i of each list is of row i, and had the same input.

    Attributes:
        calls: by program; `reference` takes part in every row
        robbed: of each row, whether a quota or a hypervisor took processor time from the reference
        further: by program, seconds of further calls in each row, each with an input of its own
        marks: seconds of calls that plan nothing, by their names, from all rows
    """

    calls: dict[str, list[Call]] = field(default_factory=dict)
    robbed: list[bool] = field(default_factory=list)
    further: dict[str, list[list[float]]] = field(default_factory=dict)
    marks: dict[str, list[float]] = field(default_factory=dict)

    def rows(self, who: str = CANDIDATE) -> int:
        """In how many rows the program took part."""
        return len(self.calls.get(who, ()))

    def seconds(self, who: str) -> Floats:
        """Wall-clock seconds of a program, [rows]: the median of its calls in a row."""
        own = [call.seconds for call in self.calls.get(who, ())]
        rows = self.further.get(who) or [[]] * len(own)
        return np.array([statistics.median([first, *more]) for first, more in zip(own, rows, strict=True)])

    @property
    def spent_s(self) -> float:
        """Timed seconds so far, further calls left out."""
        return sum(call.seconds for calls in self.calls.values() for call in calls)

    @property
    def null(self) -> NullCall:
        """The clock's overhead, in the state in which the others were called."""
        return NullCall.measured(np.array(self.marks["null"]))

    def mark_ms(self, name: Mark) -> float:
        """Median net milliseconds of a mark."""
        return 1e3 * float(np.median(self.null.net(np.array(self.marks[name]))))

    def quiet(self) -> NDArray[np.bool_]:
        """Which rows had a processor whenever the reference wanted one, and lost none to a quota or a hypervisor.

        Only its waiting counts, which no candidate has in hand: one whose own threads wait for each other on chosen
        inputs would choose the pairs that count.
        """
        waited = np.array([call.waited for call in self.calls.get(REFERENCE, ())])
        kept = ~np.array(self.robbed, dtype=bool)
        rows: NDArray[np.bool_] = kept & (waited <= np.maximum(WAIT_FLOOR_S, WAIT_SHARE * self.seconds(REFERENCE)))
        return rows

    def judge(self, task: Task, who: str = CANDIDATE) -> Verdict:
        """The hard constraint on a program's calls."""
        own, reference = ([call.balance for call in self.calls[name]] for name in (who, REFERENCE))
        return judge(own, reference[: len(own)], task.settings.thresholds)


class RivalFailed(Exception):
    """Another program of a block failed, not the candidate."""


def run_block(
    callers: Mapping[str, Caller], task: Task, bench: Bench, rng: np.random.Generator, done: Callable[[Block], bool]
) -> Block:
    """Call until `done` says so, windows in trace order, one timed block at a time on this machine.

    Each row calls all of them in random order. Whoever is quick is called several times in a row, on other windows.
    Raises CandidateFailure for the candidate's failure, RivalFailed for another program's.
    """
    with bench.timing_lock():
        rows = Rows(callers, task, bench, rng)
        while not done(rows.block):
            failures = rows.add()
            if CANDIDATE in failures:
                raise failures[CANDIDATE]
            for failure in failures.values():
                raise RivalFailed(str(failure)) from failure
    return rows.block


class Rows:
    """Adds row after row to a block."""

    def __init__(self, callers: Mapping[str, Caller], task: Task, bench: Bench, rng: np.random.Generator) -> None:
        self.block = Block({who: [] for who in (*callers, REFERENCE)}, further={who: [] for who in callers})
        self._callers, self._task, self._bench, self._rng = dict(callers), task, bench, rng
        self._reference = bench.reference_caller(task.workload.topology, rng)
        self._first = next(iter(callers.values()))
        self._pairs = task.workload.pairs(task.split)
        self._processors = Processors(rng)
        self._others = {who: _Further(caller, task) for who, caller in callers.items()}

    def leave(self, who: str) -> None:
        """The program takes part in no further row."""
        self._callers.pop(who, None)

    def add(self) -> dict[str, CandidateFailure]:
        """A row. Programs that failed, and why; of those the block holds no calls any more."""
        block, task = self.block, self._task
        cpus = self._processors.choose(task.settings.limits.threads)
        pair = self._pairs[block.rows(REFERENCE) % len(self._pairs)]
        inputs = self._first.draw(task.workload, pair)
        failures: dict[str, CandidateFailure] = {}
        turns: list[Callable[[], object]] = []
        for who, caller in self._callers.items():
            seconds: list[float] = []
            quick = min((call.seconds for call in block.calls[who]), default=QUICK_S) < QUICK_S
            own = [partial(self._call, who, caller, inputs, cpus)]
            own += [partial(self._others[who].call, seconds, cpus)] * (FURTHER if quick else 0)
            block.further[who].append(seconds)
            turns += [partial(_unless_failed, who, turn, failures) for turn in own]
        turns.append(partial(self._call_reference, inputs, cpus))
        for name in (*get_args(Mark), "null"):
            turns.append(partial(self._mark, name, inputs, cpus))
        for turn in self._rng.permutation(len(turns)):
            turns[turn]()
        for who in failures:
            self.leave(who)
            del block.calls[who], block.further[who]
        return failures

    def _call(self, who: str, caller: Caller, inputs: CallInputs, cpus: list[int]) -> None:
        self.block.calls[who].append(caller.call(inputs, cpus=cpus))

    def _call_reference(self, inputs: CallInputs, cpus: list[int]) -> None:
        before = disturbance.taken(cpus)
        self.block.calls[REFERENCE].append(self._reference.call(inputs, cpus=cpus))
        self.block.robbed.append(disturbance.taken(cpus) != before)

    def _mark(self, name: Mark, inputs: CallInputs, cpus: list[int]) -> None:
        seconds = self._bench.call_mark(name, inputs, self._task.workload.topology, cpus)
        self.block.marks.setdefault(name, []).append(seconds)


class _Further:
    """Further calls of one program in each row, with a placement in force of their own: the windows are others."""

    def __init__(self, caller: Caller, task: Task) -> None:
        self._caller, self._workload = caller.beside(), task.workload
        self._pairs = itertools.cycle(task.workload.pairs(task.split))

    def call(self, seconds: list[float], cpus: list[int]) -> None:
        """One; its seconds are added to the others of the row."""
        inputs = self._caller.draw(self._workload, next(self._pairs))
        seconds.append(self._caller.call(inputs, cpus=cpus).seconds)


def _unless_failed(who: str, turn: Callable[[], object], failures: dict[str, CandidateFailure]) -> None:
    if who not in failures:
        try:
            turn()
        except CandidateFailure as failure:
            failures[who] = failure
