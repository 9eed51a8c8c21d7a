"""A block of timed calls: candidate and reference, side by side on the same inputs, in random order."""

import itertools
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from eplb_evolve.errors import CandidateFailure
from eplb_evolve.evaluation.bench import Bench, Mark, ReferenceCall
from eplb_evolve.evaluation.calls import Caller, CandidateCall
from eplb_evolve.evaluation.constraint import CallBalance, Verdict, judge, measure
from eplb_evolve.evaluation.inputs import CallInputs
from eplb_evolve.evaluation.processors import Processors
from eplb_evolve.evaluation.task import Task
from eplb_evolve.evaluation.timing import NullCall
from eplb_evolve.placement import Floats

QUICK_S, FURTHER = 1.4e-3, 3
"""A program of whose calls one took less, overhead included, gets so many further calls a row."""

WAIT_FLOOR_S, WAIT_SHARE = 2e-4, 0.05
"""A call that waited longer for a processor than this, and than this share of its time, was disturbed."""


@dataclass
class Block:
    """Timed calls in rows, one after the other; entry i of each list is of row i, and had the same input.

    Attributes:
        rival: empty unless an incumbent took part
        further: seconds of further calls of `candidate` and `rival` in each row, each with an input of its own
        marks: seconds of calls that plan nothing, by their names, from all rows
    """

    candidate: list[CandidateCall] = field(default_factory=list)
    reference: list[ReferenceCall] = field(default_factory=list)
    rival: list[CandidateCall] = field(default_factory=list)
    balance: list[CallBalance] = field(default_factory=list)
    further: dict[str, list[list[float]]] = field(default_factory=lambda: {"candidate": [], "rival": []})
    marks: dict[str, list[float]] = field(default_factory=dict)

    def seconds(self, who: str) -> Floats:
        """Wall-clock seconds of `candidate`, `reference` or `rival`: the median of its calls in a row."""
        own = [call.seconds for call in getattr(self, who)]
        rows = self.further.get(who) or [[]] * len(own)
        return np.array([statistics.median([first, *more]) for first, more in zip(own, rows, strict=True)])

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
        waited = np.array([call.waited for call in self.reference])
        kept = ~np.array([call.robbed for call in self.reference], dtype=bool)
        rows: NDArray[np.bool_] = kept & (waited <= np.maximum(WAIT_FLOOR_S, WAIT_SHARE * self.seconds("reference")))
        return rows

    def of_rival(self, gpus: int) -> "Block":
        """The same calls as if the rival had been the candidate."""
        balance = [measure(call.placement, call.inputs, gpus) for call in self.rival]
        further = {"candidate": self.further["rival"], "rival": []}
        return Block(self.rival, self.reference, [], balance, further, self.marks)

    def judge(self, task: Task) -> Verdict:
        """The hard constraint on these calls."""
        return judge(self.balance, [call.balance for call in self.reference], task.settings.thresholds)


class RivalFailed(Exception):
    """The incumbent, not the candidate, failed in a block."""


def run_block(
    candidate: Caller,
    task: Task,
    bench: Bench,
    rng: np.random.Generator,
    done: Callable[[Block], bool],
    rival: Caller | None = None,
) -> Block:
    """Call until `done` says so, windows in trace order, one timed block at a time on this machine.

    Each row calls all of them in random order. Whoever is quick is called several times in a row, on other windows.
    """
    with bench.timing_lock():
        rows = _Rows(candidate, rival, task, bench, rng)
        while not done(rows.block):
            rows.add()
    return rows.block


class _Rows:
    """Adds row after row to a block."""

    def __init__(
        self, candidate: Caller, rival: Caller | None, task: Task, bench: Bench, rng: np.random.Generator
    ) -> None:
        self.block = Block()
        self._candidate, self._rival, self._task, self._bench, self._rng = candidate, rival, task, bench, rng
        self._pairs = task.workload.pairs(task.split)
        self._processors = Processors(rng)
        self._others = {"candidate": _Further(candidate, task, Caller.call)}
        if rival is not None:
            self._others["rival"] = _Further(rival, task, _call_rival)

    def add(self) -> None:
        """A row."""
        block, workload = self.block, self._task.workload
        cpus = self._processors.choose(self._task.settings.limits.threads)
        inputs = self._candidate.draw(workload, self._pairs[len(block.candidate) % len(self._pairs)])
        turns: list[Callable[[], object]] = [
            lambda: block.candidate.append(self._candidate.call(inputs, cpus=cpus)),
            lambda: block.reference.append(self._bench.call_reference(inputs, workload.topology, cpus)),
        ]
        if (rival := self._rival) is not None:
            turns.append(lambda: block.rival.append(_call_rival(rival, inputs, cpus=cpus)))
        for who, further in self._others.items():
            seconds: list[float] = []
            block.further[who].append(seconds)
            quick = min((call.seconds for call in getattr(block, who)), default=QUICK_S) < QUICK_S
            turns += [partial(further.call, seconds, cpus)] * (FURTHER if quick else 0)
        for name in (*get_args(Mark), "null"):
            turns.append(partial(self._mark, name, inputs, cpus))
        for turn in self._rng.permutation(len(turns)):
            turns[turn]()
        block.balance.append(measure(block.candidate[-1].placement, inputs, workload.topology.gpus))

    def _mark(self, name: Mark, inputs: CallInputs, cpus: list[int]) -> None:
        seconds = self._bench.call_mark(name, inputs, self._task.workload.topology, cpus)
        self.block.marks.setdefault(name, []).append(seconds)


class _Further:
    """Further calls of one program in each row, with a placement in force of their own: the windows are others."""

    def __init__(self, caller: Caller, task: Task, call: Callable[..., CandidateCall]) -> None:
        self._caller, self._workload, self._call = caller.beside(), task.workload, call
        self._pairs = itertools.cycle(task.workload.pairs(task.split))

    def call(self, seconds: list[float], cpus: list[int]) -> None:
        """One; its seconds are added to the others of the row."""
        inputs = self._caller.draw(self._workload, next(self._pairs))
        seconds.append(self._call(self._caller, inputs, cpus=cpus).seconds)


def _call_rival(rival: Caller, inputs: CallInputs, cpus: list[int]) -> CandidateCall:
    try:
        return rival.call(inputs, cpus=cpus)
    except CandidateFailure as failure:
        raise RivalFailed(str(failure)) from failure
