"""A candidate in its worker, step by step; what goes wrong with it is a result with a reason."""

import contextlib
import dataclasses
import hashlib
import importlib.util
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from eplb_evolve.errors import CandidateFailure, EnvironmentProblem, UsageError
from eplb_evolve.evaluation.bench import Bench
from eplb_evolve.evaluation.calls import Caller
from eplb_evolve.evaluation.checks import check_other_shapes
from eplb_evolve.evaluation.constraint import Infeasible, Verdict
from eplb_evolve.evaluation.objectives import infeasible_score
from eplb_evolve.evaluation.result import Evaluation, Margin, Status
from eplb_evolve.evaluation.task import Task
from eplb_evolve.sandbox import Worker

MAX_SOURCE_BYTES = 64_000


class Candidate:
    """One program, imported. Raises CandidateFailure where that fails. `close` ends its worker unless it was kept."""

    def __init__(self, program: Path, source: bytes, task: Task, bench: Bench) -> None:
        if len(source) > MAX_SOURCE_BYTES:
            raise CandidateFailure(f"the program has {len(source)} bytes, at most {MAX_SOURCE_BYTES} are allowed")
        _check_text(source)
        self.program, self.rng, self.kept = program, np.random.default_rng(), False
        self.margins: list[Margin] = []
        self._printed: str | None = None
        self._bench, began = bench, time.monotonic()
        self.worker: Worker = bench.zygote.spawn(program, task.settings.limits)
        self._import_s = time.monotonic() - began

    def caller(self, task: Task, where: str = "") -> Caller:
        """Calls it on the workload of a task."""
        workload = task.workload
        return Caller(self.worker, workload.topology, task.name + where, self.rng)

    def first_call(self, task: Task) -> float:
        """Untimed: compilers run here. Milliseconds of import and first call together."""
        began = time.monotonic()
        for one in task.each:
            caller = self.caller(one, ", first call")
            caller.call(caller.draw(one.workload, one.workload.pairs(one.split)[0]))
        return (self._import_s + time.monotonic() - began) * 1e3

    def check_other_shapes(self, task: Task) -> None:
        """Raise CandidateFailure unless it is valid, Infeasible unless it is balanced, beyond the timed loads."""
        for one in task.each:
            least = one.settings.thresholds
            loads = (one.workload, one.checks, one.split, least)
            check_other_shapes(self.worker, self._bench, *loads, self.rng, self._note, one.grouped)

    def _note(self, load: str, verdict: Verdict) -> None:
        self.margins += verdict.tightest(load)

    def listen(self) -> None:
        """Keep what it printed until now: what timed calls print could flood that. Raises CandidateFailure."""
        self.worker.write_out()
        self._printed = self.worker.log_tail()

    def log_tail(self, result: Evaluation, task: Task) -> str:
        """The end of what it printed before it was timed, of an invalid one the end of everything.

        Nothing where that could hold windows that a search must not see.
        """
        if hidden(task):
            return ""
        if self._printed is not None and result.valid:
            return self._printed
        with contextlib.suppress(CandidateFailure, EnvironmentProblem):  # one that has failed wrote it out
            self.worker.write_out()
        return self.worker.log_tail()

    def close(self) -> None:
        """End its worker."""
        if not self.kept:
            self.worker.close()


def hidden(task: Task) -> bool:
    """Whether a program can print, or raise, windows that a search must not see."""
    return task.split != "search"


def told(result: Evaluation, step: Callable[[], Evaluation], task: Task) -> Evaluation:
    """What a step makes of a result: its own, or the reason why the candidate is no good."""
    try:
        return step()
    except Infeasible as failure:
        return dataclasses.replace(
            _without_figures(result),
            status=Status.INFEASIBLE,
            reason=str(failure),
            combined_score=infeasible_score(failure.margin),
        )
    except CandidateFailure as failure:
        reason = failure.public if hidden(task) else str(failure)
        return dataclasses.replace(_without_figures(result), reason=reason)


def _without_figures(result: Evaluation) -> Evaluation:
    return dataclasses.replace(
        result, status=Status.INVALID, timing=None, balance=None, dispatch=None, serving=None, combined_score=0.0
    )


def failed(
    program: Path, source: bytes, task: Task, bench: Bench | None, reason: str, status: Status = Status.INVALID
) -> Evaluation:
    """The result of a program that was not measured, or not yet, and why."""
    return Evaluation(
        program=str(program),
        sha256=hashlib.sha256(source).hexdigest(),
        conditions=task.conditions(*((bench.machine, bench.level) if bench is not None else ("", "none"))),
        objective=task.settings.objective,
        status=status,
        reason=reason,
    )


def read_program(program: Path) -> bytes:
    """The program's bytes, or a UsageError that says why not."""
    try:
        return program.read_bytes()
    except OSError as problem:
        raise UsageError(f"cannot read the program {program}: {problem.strerror}") from problem


def _check_text(source: bytes) -> None:
    """Python itself lets bytes pass that are no text, such as in a comment."""
    try:
        importlib.util.decode_source(source)
    except (SyntaxError, UnicodeDecodeError, LookupError) as problem:
        raise CandidateFailure(f"import: SyntaxError: the source is no text in its encoding: {problem}") from problem
