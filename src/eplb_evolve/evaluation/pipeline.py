"""The evaluation of one program, top to bottom."""

import dataclasses
import time
from pathlib import Path

from eplb_evolve.evaluation.bench import Bench
from eplb_evolve.evaluation.block import CANDIDATE, REFERENCE, Block, run_block
from eplb_evolve.evaluation.candidate import Candidate, failed, hidden, read_program, told
from eplb_evolve.evaluation.checks import MORE_CALLS
from eplb_evolve.evaluation.conclusion import conclude, with_dispatch
from eplb_evolve.evaluation.constraint import FAR_FROM_BALANCED
from eplb_evolve.evaluation.objectives import Incumbent, objective
from eplb_evolve.evaluation.profile import where_time_goes
from eplb_evolve.evaluation.replay import repeat_here, repeat_in_twin
from eplb_evolve.evaluation.result import Evaluation, SecondLook
from eplb_evolve.evaluation.sampling import enough
from eplb_evolve.evaluation.second_look import Outcome, second_look
from eplb_evolve.evaluation.task import Task
from eplb_evolve.evaluation.timed import Timed
from eplb_evolve.evaluation.timing import pessimistic_ratio, ratio_interval

HOPELESS = 2.0
"""A search stops timing a candidate once its ratio is this many times the best one's, or its balance is far off."""


def evaluate(
    program: Path, task: Task, bench: Bench, incumbent: Incumbent | None = None, profiled: bool = False
) -> Evaluation:
    """Judge one program: import, first call, checks on other shapes, timed calls, balance, replay, score.

    incumbent: the best program of a search so far; a candidate clearly worse is timed less, and one that seems better
    is measured again beside it. Without it every valid candidate is timed in full and replayed in a twin process. A
    bad candidate is a result with a reason; UsageError is for a program file that cannot be read. profiled: look where
    the time of its calls goes as well, at the end.
    """
    started, source = time.monotonic(), read_program(program)
    result = failed(program, source, task, bench, "")
    candidate: Candidate | None = None

    def imported() -> Evaluation:
        nonlocal candidate
        candidate = Candidate(program, source, task, bench)
        return result

    result = told(result, imported, task)
    if candidate is not None:
        try:
            result = _judged(candidate, result, task, bench, incumbent)
            profile = where_time_goes(candidate, result, task, bench) if profiled and not hidden(task) else ""
            margins = (*result.margins, *candidate.margins)
            log = candidate.log_tail(result, task)
            result = dataclasses.replace(result, log=log, profile=profile, margins=margins)
        finally:
            candidate.close()
    return dataclasses.replace(result, wall_s=time.monotonic() - started)


def _judged(
    candidate: Candidate, result: Evaluation, task: Task, bench: Bench, incumbent: Incumbent | None
) -> Evaluation:
    def first_called() -> Evaluation:
        return dataclasses.replace(result, first_call_ms=candidate.first_call(task))

    def timed() -> Evaluation:
        candidate.check_other_shapes(task)
        candidate.listen()
        return _timed(candidate, result, task, bench, incumbent)

    result = told(result, first_called, task)
    return told(result, timed, task) if result.first_call_ms is not None else result


def _timed(
    candidate: Candidate, result: Evaluation, task: Task, bench: Bench, incumbent: Incumbent | None
) -> Evaluation:
    """Time in full, or as far as the search needs to know; replay; measure again what seems better."""
    found = list[Timed]()
    for one in task.each:
        block, raced = _first_look(candidate, one, bench, incumbent)
        found.append(Timed.of(block, one))
        if raced:
            return conclude(result, found, task, raced)
    judged = conclude(result, found, task, raced=False)
    if incumbent is None:
        judged = with_dispatch(judged, found)
    for timed in found:
        repeat_here(candidate.worker, timed.own.calls, timed.task.workload.topology, candidate.rng)
    if not judged.feasible:
        return judged
    if incumbent is not None:
        if not objective(task.settings.objective).seems_better(judged, incumbent):
            return judged
        outcome = second_look(candidate.caller, incumbent, task, bench, candidate.rng)
        judged, found = _after_second_look(result, judged, outcome, task, incumbent), list(outcome.found)
        if judged.second_look is None or not judged.second_look.won:
            return judged
    made = [(timed.task.workload.topology, timed.own.calls) for timed in found]
    limits, zygote = task.settings.limits, bench.twin_zygote
    twin_start_s = repeat_in_twin(zygote, candidate.program, limits, made, candidate.rng)
    if incumbent is not None:
        bench.keep_incumbent(candidate.program, candidate.worker)
        candidate.kept = True
    return dataclasses.replace(judged, replayed=True, twin_start_s=twin_start_s)


def _first_look(candidate: Candidate, task: Task, bench: Bench, incumbent: Incumbent | None) -> tuple[Block, bool]:
    """A block on one workload; whether it was cut short because the candidate is clearly worse than the best.

    The best one's ratio is that of all its workloads: where there are several it says nothing of one.
    """
    plan = task.settings.timing
    alone = not task.others
    raced = False

    def done(block: Block) -> bool:
        nonlocal raced
        raced = block.rows() >= plan.triage_pairs and _hopeless(block, task, incumbent, alone)
        return raced or (enough(block, plan) and not _doubtful(block, task))

    return run_block({CANDIDATE: candidate.caller(task)}, task, bench, candidate.rng, done), raced


def _after_second_look(
    result: Evaluation, first: Evaluation, outcome: Outcome, task: Task, incumbent: Incumbent
) -> Evaluation:
    """The figures of the second look, whether it was won, and a score that is chained to the incumbent's."""
    assert first.timing is not None  # what is feasible was timed
    judged, gain = conclude(result, outcome.found, task, raced=False), outcome.gain
    ends = (gain.gap.value, *gain.gap.known) if gain.gap is not None else (None, None, None)
    won = gain.won and judged.feasible
    look = SecondLook(first.timing.ratio_to_reference, won, incumbent.sha256, *ends)
    score = judged.combined_score
    if judged.feasible:
        score = min(score if gain.score is None else gain.score, gain.most)
    return dataclasses.replace(judged, second_look=look, combined_score=score)


def _hopeless(block: Block, task: Task, incumbent: Incumbent | None, alone: bool) -> bool:
    """Whether a search needs no more calls: far from balanced, or much slower than the best and its balance clear.

    alone: whether this workload is the only one.
    """
    if incumbent is None:
        return False
    if block.judge(task).margin < FAR_FROM_BALANCED:
        return True
    races = alone and objective(task.settings.objective).races
    return races and _slower(block, task, incumbent) and not _doubtful(block, task)


def _slower(block: Block, task: Task, incumbent: Incumbent) -> bool:
    """Whether enough undisturbed calls say that a candidate is far slower than the best, beyond both intervals."""
    quiet = block.quiet()
    if quiet.sum() < task.settings.timing.triage_pairs:
        return False
    net, net_reference = (block.null.net(block.seconds(who)[quiet]) for who in (CANDIDATE, REFERENCE))
    if pessimistic_ratio(net, net_reference) <= HOPELESS * incumbent.ratio:
        return False
    low, _ = ratio_interval(net, net_reference)
    return low > (incumbent.ratio_high or incumbent.ratio)


def _doubtful(block: Block, task: Task) -> bool:
    """Whether the balance falls short by so little, on so few calls, that it may be by chance."""
    return FAR_FROM_BALANCED <= block.judge(task).margin < 1 and block.rows() < MORE_CALLS
