"""Many programs measured together: in each row all of them are called on the same input, in random order.

So their figures compare with each other, not only with the reference's.
"""

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np

from eplb_evolve.errors import CandidateFailure
from eplb_evolve.evaluation.bench import Bench
from eplb_evolve.evaluation.block import REFERENCE, Block, Rows
from eplb_evolve.evaluation.calls import Call
from eplb_evolve.evaluation.candidate import Candidate, failed, read_program, told
from eplb_evolve.evaluation.conclusion import conclude, with_dispatch
from eplb_evolve.evaluation.replay import repeat_here, repeat_in_twin
from eplb_evolve.evaluation.result import Evaluation
from eplb_evolve.evaluation.sampling import MOST
from eplb_evolve.evaluation.task import Task
from eplb_evolve.evaluation.timed import Timed
from eplb_evolve.placement import Topology
from eplb_evolve.preflight import demand, evaluation_needs

ROWS = 3
"""Times the rows of an evaluation: here a row takes long, and the machine changes from its first call to its last."""

Say = Callable[[str], None]
"""Takes what a person who waits should know."""


def evaluate_together(
    programs: Mapping[str, Path], tasks: Sequence[Task], bench: Bench, say: Say
) -> dict[str, list[Evaluation]]:
    """Judge every program on every task, each of one workload, in full; by name, an evaluation for each task.

    A bad program is a result with a reason; UsageError is for a file that cannot be read.
    """
    demand(evaluation_needs(tasks[0].settings.limits, len(programs)))
    with ExitStack() as stack:
        group = [_Member(name, file, tasks, bench, stack) for name, file in programs.items()]
        for number, member in enumerate(group, 1):
            say(f"{member.name}: compiling and checking ({number} of {len(group)}) ...")
            member.prepare()
        for at, task in enumerate(tasks):
            say(f"{task.name}: timing {sum(member.ready(at) for member in group)} programs together ...")
            _time(group, at, task, bench)
        for number, member in enumerate(group, 1):
            say(f"{member.name}: once more in another process ({number} of {len(group)}) ...")
            member.repeat()
        return {member.name: member.results for member in group}


class _Member:
    """One program and its results so far, one for each task."""

    def __init__(self, name: str, file: Path, tasks: Sequence[Task], bench: Bench, stack: ExitStack) -> None:
        source = read_program(file)
        self.name, self._tasks, self._bench = name, tasks, bench
        self.results = [failed(file, source, task, bench, "") for task in tasks]
        self.candidate: Candidate | None = None
        self._made: dict[int, tuple[Topology, Sequence[Call]]] = {}
        try:
            self.candidate = Candidate(file, source, tasks[0], bench)
            stack.callback(self.candidate.close)
        except CandidateFailure as failure:
            self._fail(failure)

    def _fail(self, failure: CandidateFailure) -> None:
        def again() -> Evaluation:
            raise failure

        self.results = [told(result, again, task) for result, task in zip(self.results, self._tasks, strict=True)]

    def ready(self, at: int) -> bool:
        """Whether it is to be timed on that task."""
        return self.candidate is not None and not self.results[at].reason

    def prepare(self) -> None:
        """First call and untimed checks, for each task."""
        for at, task in enumerate(self._tasks):
            if self.ready(at):
                for step in (self._first_called, self._checked):
                    if self.ready(at):
                        self.results[at] = told(self.results[at], partial(step, at, task), task)

    def _first_called(self, at: int, task: Task) -> Evaluation:
        assert self.candidate is not None
        first_call_ms = self.candidate.first_call(task)
        first = self.results[0].first_call_ms  # compilers run once for all tasks
        return dataclasses.replace(self.results[at], first_call_ms=first_call_ms if first is None else first)

    def _checked(self, at: int, task: Task) -> Evaluation:
        assert self.candidate is not None
        self.candidate.check_other_shapes(task)
        return self.results[at]

    def judge(self, at: int, block: Block, task: Task, failure: CandidateFailure | None) -> None:
        """From a block in which it took part, unless it failed there."""

        def judged() -> Evaluation:
            assert self.candidate is not None
            if failure is not None:
                raise failure
            timed = Timed.of(block, task, self.name)
            repeat_here(self.candidate.worker, timed.own.calls, task.workload.topology, self.candidate.rng)
            self._made[at] = task.workload.topology, timed.own.calls
            return with_dispatch(conclude(self.results[at], [timed], task, raced=False), [timed])

        self.results[at] = told(self.results[at], judged, task)

    def repeat(self) -> None:
        """In a twin, for what is feasible on each task."""
        made = {at: calls for at, calls in self._made.items() if self.results[at].feasible}
        if self.candidate is None or not made:
            return
        limits, zygote = self._tasks[0].settings.limits, self._bench.twin_zygote
        try:
            seconds = repeat_in_twin(zygote, self.candidate.program, limits, list(made.values()), self.candidate.rng)
        except CandidateFailure as failure:
            self._fail(failure)
            return
        for at in made:
            self.results[at] = dataclasses.replace(self.results[at], replayed=True, twin_start_s=seconds)


def _time(group: Sequence[_Member], at: int, task: Task, bench: Bench) -> None:
    """A block of all programs that are ready. Slow ones take part in its first rows only."""
    taking_part = {member.name: member for member in group if member.ready(at)}
    if not taking_part:
        return
    failures: dict[str, CandidateFailure] = {}
    began = time.monotonic()
    with bench.timing_lock():
        callers = {name: member.candidate.caller(task) for name, member in taking_part.items() if member.candidate}
        rows = Rows(callers, task, bench, np.random.default_rng())
        while not _enough(rows.block, task):
            failures |= rows.add()
            if rows.block.rows(REFERENCE) >= ROWS * task.settings.timing.pairs_slow:
                for name in rows.block.further:
                    if np.median(rows.block.seconds(name)) * 1e3 >= task.settings.timing.slow_ms:
                        rows.leave(name)
    wall_s = (time.monotonic() - began) / max(1, len(taking_part))
    for name, member in taking_part.items():
        member.judge(at, rows.block, task, failures.get(name))
        member.results[at] = dataclasses.replace(member.results[at], wall_s=wall_s)


def _enough(block: Block, task: Task) -> bool:
    wanted, taken = ROWS * task.settings.timing.pairs_fast, block.rows(REFERENCE)
    return taken >= MOST * wanted or (taken >= wanted and block.quiet().sum() >= wanted)
