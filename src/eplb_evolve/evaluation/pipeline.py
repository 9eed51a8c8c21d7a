"""The evaluation of one program, top to bottom."""

import dataclasses
import hashlib
import importlib.util
import time
from pathlib import Path

import numpy as np

from eplb_evolve.errors import CandidateFailure, UsageError
from eplb_evolve.evaluation.bench import Bench
from eplb_evolve.evaluation.block import Block, run_block
from eplb_evolve.evaluation.calls import Caller
from eplb_evolve.evaluation.checks import MORE_CALLS, check_other_shapes
from eplb_evolve.evaluation.conclusion import conclude
from eplb_evolve.evaluation.constraint import FAR_FROM_BALANCED, Infeasible
from eplb_evolve.evaluation.replay import repeat_here, repeat_in_twin
from eplb_evolve.evaluation.result import Evaluation
from eplb_evolve.evaluation.sampling import enough, estimate_block
from eplb_evolve.evaluation.score import infeasible_score
from eplb_evolve.evaluation.second_look import Incumbent, Outcome, second_look, seems_better
from eplb_evolve.evaluation.task import Task
from eplb_evolve.evaluation.timing import pessimistic_ratio, ratio_interval
from eplb_evolve.sandbox import Worker

MAX_SOURCE_BYTES = 64_000
HOPELESS = 2.0
"""A search stops timing a candidate once its ratio is this many times the best one's, or its balance is far off."""


def evaluate(program: Path, task: Task, bench: Bench, incumbent: Incumbent | None = None) -> Evaluation:
    """Judge one program: import, first call, checks on other shapes, timed calls, balance, replay, score.

    incumbent: the best program of a search so far; a candidate clearly worse is timed less, and one that seems better
    is measured again beside it. Without it every valid candidate is timed in full and replayed in a twin process. A
    bad candidate is a result with a reason; UsageError is for a program file that cannot be read.
    """
    started = time.monotonic()
    source = read_program(program)
    hidden = task.split != "search"  # a program can print, or raise, windows that a search must not see
    result = failed(program, source, task, bench, "")
    run: _Run | None = None
    try:
        if len(source) > MAX_SOURCE_BYTES:
            raise CandidateFailure(f"the program has {len(source)} bytes, at most {MAX_SOURCE_BYTES} are allowed")
        _check_text(source)
        run = _Run(program, task, bench)
        run.first_call()
        result = dataclasses.replace(result, first_call_ms=(time.monotonic() - started) * 1e3)
        run.check_other_shapes()
        result = run.judge(result, incumbent)
    except Infeasible as failure:
        result = dataclasses.replace(
            result, valid=True, reason=str(failure), combined_score=infeasible_score(failure.margin)
        )
    except CandidateFailure as failure:
        result = dataclasses.replace(result, reason=failure.public if hidden else str(failure))
    finally:
        if run is not None:
            result = dataclasses.replace(result, log="" if hidden else run.worker.log_tail())
            run.close()
    return dataclasses.replace(result, wall_s=time.monotonic() - started)


class _Run:
    """One candidate in its worker, step by step. `close` ends the worker unless it became the incumbent's."""

    def __init__(self, program: Path, task: Task, bench: Bench) -> None:
        self._program, self._task, self._bench = program, task, bench
        self._rng = np.random.default_rng()
        self._kept = False
        self.worker: Worker = bench.zygote.spawn(program, task.settings.limits)

    def close(self) -> None:
        if not self._kept:
            self.worker.close()

    def _caller(self, task: Task, where: str = "") -> Caller:
        workload = task.workload
        return Caller(self.worker, workload.topology, workload.name + where, self._rng)

    def first_call(self) -> None:
        """Untimed: compilers run here."""
        for task in self._task.each:
            caller = self._caller(task, ", first call")
            caller.call(caller.draw(task.workload, task.workload.pairs(task.split)[0]))

    def check_other_shapes(self) -> None:
        for task in self._task.each:
            least = task.settings.thresholds
            check_other_shapes(self.worker, self._bench, task.workload, task.checks, task.split, least, self._rng)

    def judge(self, result: Evaluation, incumbent: Incumbent | None) -> Evaluation:
        """Time in full, or as far as the search needs to know; replay; measure again what seems better."""
        task, bench = self._task, self._bench
        blocks: list[Block] = []
        raced = False
        for one in task.each:
            block, raced = self._first_look(one, incumbent)
            blocks.append(block)
            if raced:
                break
        timings = [estimate_block(block, one.settings.timing) for one, block in zip(task.each, blocks, strict=False)]
        judged = conclude(result, blocks, timings, task, raced)
        if raced:
            return judged
        for one, block in zip(task.each, blocks, strict=True):
            repeat_here(self.worker, block.candidate, one.workload.topology, self._rng)
        if not judged.feasible or (incumbent is not None and not seems_better(judged, incumbent, task.settings)):
            return judged
        if incumbent is not None:
            outcome = second_look(self._caller, incumbent, task, bench, self._rng)
            judged = self._second_look(result, judged, outcome, incumbent)
            if not judged.won:
                return judged
            blocks = list(outcome.blocks)
        made = [(one.workload.topology, block.candidate) for one, block in zip(task.each, blocks, strict=True)]
        twin_start_s = repeat_in_twin(bench.twin_zygote, self._program, task.settings.limits, made, self._rng)
        if incumbent is not None:
            bench.keep_incumbent(self._program, self.worker)
            self._kept = True
        return dataclasses.replace(judged, replayed=True, twin_start_s=twin_start_s)

    def _first_look(self, task: Task, incumbent: Incumbent | None) -> tuple[Block, bool]:
        """A block on one workload; whether it was cut short because the candidate is clearly worse than the best.

        The best one's ratio is that of all its workloads: where there are several it says nothing of one.
        """
        plan = task.settings.timing
        alone = not self._task.others
        raced = False

        def done(block: Block) -> bool:
            nonlocal raced
            raced = len(block.candidate) >= plan.triage_pairs and _hopeless(block, task, incumbent, alone)
            return raced or (enough(block, plan) and not _doubtful(block, task))

        return run_block(self._caller(task), task, self._bench, self._rng, done), raced

    def _second_look(self, result: Evaluation, first: Evaluation, outcome: Outcome, incumbent: Incumbent) -> Evaluation:
        """The figures of the second look, whether it was won, and a score that is chained to the incumbent's."""
        result = dataclasses.replace(
            result, first_look_ratio=first.ratio_to_reference, beside=incumbent.sha256, won=outcome.won
        )
        if outcome.gain is not None:
            gain, low, high = outcome.gain
            result = dataclasses.replace(result, gain=gain, gain_low=low, gain_high=high)
        judged = conclude(result, outcome.blocks, outcome.timings, self._task, raced=False)
        if not judged.feasible:
            return dataclasses.replace(judged, won=False)
        chained = judged.combined_score if outcome.score is None else outcome.score
        return dataclasses.replace(judged, combined_score=min(chained, outcome.bound))


def failed(program: Path, source: bytes, task: Task, bench: Bench | None, reason: str) -> Evaluation:
    """The result of a program that was not measured, or not yet, and why."""
    return Evaluation(
        program=str(program),
        sha256=hashlib.sha256(source).hexdigest(),
        workload=task.name,
        split=task.split,
        device=task.settings.device,
        objective=task.settings.objective,
        machine=bench.machine if bench is not None else "",
        sandbox_level=bench.level if bench is not None else "none",
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


def _hopeless(block: Block, task: Task, incumbent: Incumbent | None, alone: bool) -> bool:
    """Whether a search needs no more calls: far from balanced, or much slower than the best and its balance clear.

    alone: whether this workload is the only one.
    """
    if incumbent is None:
        return False
    if block.judge(task).margin < FAR_FROM_BALANCED:
        return True
    by_time = alone and task.settings.objective == "time"
    return by_time and _slower(block, task, incumbent) and not _doubtful(block, task)


def _slower(block: Block, task: Task, incumbent: Incumbent) -> bool:
    """Whether enough undisturbed calls say that a candidate is far slower than the best, beyond both intervals."""
    quiet = block.quiet()
    if quiet.sum() < task.settings.timing.triage_pairs:
        return False
    net, net_reference = (block.null.net(block.seconds(who)[quiet]) for who in ("candidate", "reference"))
    if pessimistic_ratio(net, net_reference) <= HOPELESS * incumbent.ratio:
        return False
    low, _ = ratio_interval(net, net_reference)
    return low > (incumbent.ratio_high or incumbent.ratio)


def _doubtful(block: Block, task: Task) -> bool:
    """Whether the balance falls short by so little, on so few calls, that it may be by chance."""
    return FAR_FROM_BALANCED <= block.judge(task).margin < 1 and len(block.candidate) < MORE_CALLS
