"""The evaluation of one program on one workload, top to bottom."""

import dataclasses
import hashlib
import importlib.util
import time
from pathlib import Path

import numpy as np

from eplb_evolve import machine
from eplb_evolve.errors import CandidateFailure, UsageError
from eplb_evolve.evaluation.bench import Bench
from eplb_evolve.evaluation.block import Block, run_block
from eplb_evolve.evaluation.calls import Caller
from eplb_evolve.evaluation.challenge import Incumbent, challenge, seems_better
from eplb_evolve.evaluation.checks import MORE_CALLS, check_other_shapes
from eplb_evolve.evaluation.constraint import FAR_FROM_BALANCED, Infeasible
from eplb_evolve.evaluation.objective import score
from eplb_evolve.evaluation.replay import repeat_here, repeat_in_twin
from eplb_evolve.evaluation.result import Evaluation
from eplb_evolve.evaluation.sampling import enough, estimate_block
from eplb_evolve.evaluation.score import infeasible_score
from eplb_evolve.evaluation.served import served_figures
from eplb_evolve.evaluation.task import Task
from eplb_evolve.evaluation.timing import Estimate, pessimistic_ratio, ratio_interval
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

    def _caller(self, where: str = "") -> Caller:
        workload = self._task.workload
        return Caller(self.worker, workload.topology, workload.name + where, self._rng)

    def first_call(self) -> None:
        """Untimed: compilers run here."""
        workload, caller = self._task.workload, self._caller(", first call")
        caller.call(caller.draw(workload, workload.pairs(self._task.split)[0]))

    def check_other_shapes(self) -> None:
        task = self._task
        least = task.settings.thresholds
        check_other_shapes(self.worker, self._bench, task.workload, task.checks, task.split, least, self._rng)

    def judge(self, result: Evaluation, incumbent: Incumbent | None) -> Evaluation:
        """Time in full, or as far as the search needs to know; replay; measure again what seems better."""
        task, bench = self._task, self._bench
        plan = task.settings.timing
        raced = False

        def done(block: Block) -> bool:
            nonlocal raced
            raced = len(block.candidate) >= plan.triage_pairs and _hopeless(block, task, incumbent)
            return raced or (enough(block, plan) and not _doubtful(block, task))

        block = run_block(self._caller(), task, bench, self._rng, done)
        timing = estimate_block(block, plan)
        judged = _conclude(result, block, timing, task, raced)
        if raced:
            return judged
        repeat_here(self.worker, block.candidate, task.workload.topology, self._rng)
        if not judged.feasible or (incumbent is not None and not seems_better(judged, incumbent, task.settings)):
            return judged
        if incumbent is not None:
            outcome = challenge(self._caller(), incumbent, task, bench, self._rng)
            result = dataclasses.replace(
                result, first_look_ratio=timing.ratio, beside=incumbent.sha256, won=outcome.won
            )
            if outcome.gain is not None:
                gain, low, high = outcome.gain
                result = dataclasses.replace(result, gain=gain, gain_low=low, gain_high=high)
            judged = _conclude(result, outcome.block, outcome.timing, task, raced)
            if judged.feasible:
                chained = judged.combined_score if outcome.score is None else outcome.score
                judged = dataclasses.replace(judged, combined_score=min(chained, outcome.bound))
            else:
                judged = dataclasses.replace(judged, won=False)
            if not outcome.won or not judged.feasible:
                return judged
            block = outcome.block
        twin_zygote = bench.twin_zygote
        twin_start_s = repeat_in_twin(
            twin_zygote,
            self._program,
            task.settings.limits,
            block.candidate,
            task.workload.topology,
            self._rng,
        )
        if incumbent is not None:
            bench.keep_incumbent(self._program, self.worker)
            self._kept = True
        return dataclasses.replace(judged, replayed=True, twin_start_s=twin_start_s)


def failed(program: Path, source: bytes, task: Task, bench: Bench | None, reason: str) -> Evaluation:
    """The result of a program that was not measured, or not yet, and why."""
    return Evaluation(
        program=str(program),
        sha256=hashlib.sha256(source).hexdigest(),
        workload=task.workload.name,
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


def _hopeless(block: Block, task: Task, incumbent: Incumbent | None) -> bool:
    """Whether a search needs no more calls: far from balanced, or much slower than the best and its balance clear."""
    if incumbent is None:
        return False
    if block.judge(task).margin < FAR_FROM_BALANCED:
        return True
    return task.settings.objective == "time" and _slower(block, task, incumbent) and not _doubtful(block, task)


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


def _conclude(result: Evaluation, block: Block, timing: Estimate, task: Task, raced: bool) -> Evaluation:
    verdict = block.judge(task)
    reached = float(np.mean([row.next_window for row in block.balance]))
    reference = float(np.mean([call.balance.next_window for call in block.reference]))
    served = served_figures(block, task)
    rewarded = served.net_throughput if task.settings.objective == "net_throughput" else reached / reference
    return dataclasses.replace(
        result,
        **served.as_dict(),
        valid=True,
        feasible=verdict.feasible,
        reason=verdict.reason,
        combined_score=score(task.settings, verdict.feasible, verdict.margin, timing.ratio, rewarded),
        time_ms=timing.time_ms,
        time_ms_low=timing.time_ms_low,
        time_ms_high=timing.time_ms_high,
        time_p99_ms=timing.time_p99_ms,
        at_bound=timing.at_bound,
        clocks=machine.clocks(task.settings.device),
        ratio_to_reference=timing.ratio,
        ratio_low=timing.ratio_low,
        ratio_high=timing.ratio_high,
        balancedness=reached,
        balancedness_same=float(np.mean([row.same_window for row in block.balance])),
        balancedness_worst_layer=float(np.mean([row.worst_layer for row in block.balance])),
        balancedness_sglang=float(np.mean([row.sglang for row in block.balance])),
        balancedness_reference=reference,
        transfers=float(np.mean([call.moved for call in block.candidate[1:] or block.candidate])),
        samples=timing.samples,
        undisturbed=int(block.quiet().sum()),
        raced=raced,
    )
