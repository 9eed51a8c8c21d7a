"""The evaluation of one program on one workload, top to bottom."""

import dataclasses
import hashlib
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eplb_evolve import machine
from eplb_evolve.errors import CandidateFailure, UsageError
from eplb_evolve.evaluation.bench import Bench, ReferenceCall
from eplb_evolve.evaluation.calls import Caller, CandidateCall
from eplb_evolve.evaluation.checks import check_other_shapes
from eplb_evolve.evaluation.constraint import CallBalance, Infeasible, Verdict, judge, measure
from eplb_evolve.evaluation.result import Evaluation
from eplb_evolve.evaluation.score import combined_score
from eplb_evolve.evaluation.task import Task
from eplb_evolve.evaluation.timing import enough, estimate, pessimistic_ratio
from eplb_evolve.sandbox import Worker

MAX_SOURCE_BYTES = 200_000
HOPELESS = 2.0
"""A search stops timing a candidate after its triage once its ratio is this many times the best one's."""

FAR_FROM_BALANCED = 0.98
"""... or once its balance is below this share of what the constraint asks for."""


@dataclass(frozen=True)
class TimedCalls:
    """The timed pairs of one evaluation."""

    candidate: list[CandidateCall]
    reference: list[ReferenceCall]
    balance: list[CallBalance]
    raced: bool

    def judge(self, task: Task) -> Verdict:
        """The hard constraint on these calls."""
        return judge(self.balance, [call.balance for call in self.reference], task.settings.thresholds)


def evaluate(program: Path, task: Task, bench: Bench, best_ratio: float | None = None) -> Evaluation:
    """Judge one program: import, first call, checks on other shapes, timed calls, balance, score.

    best_ratio: the best ratio_to_reference of a search so far; a candidate clearly worse is timed less. Without it
    every valid candidate is timed in full. A bad candidate is a result with a reason; UsageError is for a program
    file that cannot be read.
    """
    started = time.monotonic()
    source = read_program(program)
    rng = np.random.default_rng()
    result = failed(program, source, task, bench.zygote.level, "")
    worker: Worker | None = None
    try:
        if len(source) > MAX_SOURCE_BYTES:
            raise CandidateFailure(f"the program has {len(source)} bytes, at most {MAX_SOURCE_BYTES} are allowed")
        worker = bench.zygote.spawn(program, task.settings.limits)
        _first_call(worker, task, rng)
        result = dataclasses.replace(result, first_call_ms=(time.monotonic() - started) * 1e3)
        check_other_shapes(worker, bench, task.workload, task.checks, task.split, task.settings.thresholds, rng)
        calls = _timed_calls(worker, task, bench, best_ratio, rng)
        result = _conclude(result, calls, task, bench.overhead)
    except Infeasible as failure:
        score = combined_score(False, 0.0, failure.margin)
        result = dataclasses.replace(result, valid=True, reason=str(failure), combined_score=score)
    except CandidateFailure as failure:
        result = dataclasses.replace(result, reason=str(failure))
    finally:
        if worker is not None:
            result = dataclasses.replace(result, log=worker.log_tail())
            worker.close()
    return dataclasses.replace(result, wall_s=time.monotonic() - started)


def failed(program: Path, source: bytes, task: Task, level: str, reason: str) -> Evaluation:
    """The result of a program that was not measured, or not yet, and why."""
    return Evaluation(
        program=str(program),
        sha256=hashlib.sha256(source).hexdigest(),
        workload=task.workload.name,
        split=task.split,
        device="cpu",
        machine=machine.describe(),
        sandbox_level=level,
        reason=reason,
    )


def read_program(program: Path) -> bytes:
    """The program's bytes, or a UsageError that says why not."""
    try:
        return program.read_bytes()
    except OSError as problem:
        raise UsageError(f"cannot read the program {program}: {problem.strerror}") from problem


def _first_call(worker: Worker, task: Task, rng: np.random.Generator) -> None:
    caller = Caller(worker, task.workload.topology, f"{task.workload.name}, first call", rng)
    now, following = task.workload.pairs(task.split)[0]
    caller.call(caller.prepare(task.workload.windows[now], task.workload.windows[following]))


def _timed_calls(
    worker: Worker, task: Task, bench: Bench, best_ratio: float | None, rng: np.random.Generator
) -> TimedCalls:
    """Pairs of candidate and reference on the same inputs, in random order, windows in trace order."""
    workload, plan = task.workload, task.settings.timing
    caller = Caller(worker, workload.topology, workload.name, rng)
    pairs = workload.pairs(task.split)
    calls = TimedCalls([], [], [], raced=False)
    with bench.timing_lock():
        while True:
            now, following = pairs[len(calls.candidate) % len(pairs)]
            inputs = caller.prepare(workload.windows[now], workload.windows[following])
            if rng.random() < 0.5:
                reference, candidate = bench.call_reference(inputs, workload.topology), caller.call(inputs)
            else:
                candidate, reference = caller.call(inputs), bench.call_reference(inputs, workload.topology)
            calls.candidate.append(candidate)
            calls.reference.append(reference)
            calls.balance.append(measure(candidate.placement, inputs, workload.topology.gpus))
            if len(calls.candidate) == plan.triage_pairs and _hopeless(calls, task, best_ratio):
                return dataclasses.replace(calls, raced=True)
            times, reference_times = _seconds(calls)
            if enough(times, reference_times, bench.overhead, plan):
                return calls


def _seconds(calls: TimedCalls) -> tuple[list[float], list[float]]:
    return [call.seconds for call in calls.candidate], [call.seconds for call in calls.reference]


def _hopeless(calls: TimedCalls, task: Task, best_ratio: float | None) -> bool:
    if best_ratio is None:
        return False
    times, reference = map(np.asarray, _seconds(calls))
    too_slow = float(pessimistic_ratio(times, reference)) > HOPELESS * best_ratio
    return too_slow or calls.judge(task).margin < FAR_FROM_BALANCED


def _conclude(result: Evaluation, calls: TimedCalls, task: Task, overhead: float) -> Evaluation:
    verdict = calls.judge(task)
    timing = estimate(*_seconds(calls), overhead)
    reference = [call.balance for call in calls.reference]
    return dataclasses.replace(
        result,
        valid=True,
        feasible=verdict.feasible,
        reason=verdict.reason,
        combined_score=combined_score(verdict.feasible, timing.ratio, verdict.margin),
        time_ms=timing.time_ms,
        time_ms_low=timing.time_ms_low,
        time_ms_high=timing.time_ms_high,
        time_p99_ms=timing.time_p99_ms,
        ratio_to_reference=timing.ratio,
        ratio_low=timing.ratio_low,
        ratio_high=timing.ratio_high,
        balancedness=float(np.mean([row.next_window for row in calls.balance])),
        balancedness_same=float(np.mean([row.same_window for row in calls.balance])),
        balancedness_worst_layer=float(np.mean([row.worst_layer for row in calls.balance])),
        balancedness_sglang=float(np.mean([row.sglang for row in calls.balance])),
        balancedness_reference=float(np.mean([row.next_window for row in reference])),
        transfers=float(np.mean([call.moved for call in calls.candidate[1:] or calls.candidate])),
        samples=timing.samples,
        raced=calls.raced,
    )
