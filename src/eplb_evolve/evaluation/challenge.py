"""A search's new best is measured again, side by side with the old one, and only this second look counts.

The best of many noisy figures is too good: the first look chose it for its luck. So candidate, incumbent and reference
are called once more on the same fresh inputs. Where the candidate is not better beyond doubt, it gets no better figure
than the incumbent has.
"""

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eplb_evolve.errors import CandidateFailure
from eplb_evolve.evaluation.bench import Bench
from eplb_evolve.evaluation.block import Block, RivalFailed, run_block
from eplb_evolve.evaluation.calls import Caller, warm
from eplb_evolve.evaluation.objective import difference, score, sums
from eplb_evolve.evaluation.result import Evaluation
from eplb_evolve.evaluation.sampling import enough, estimate_block, rows_that_count
from eplb_evolve.evaluation.score import PERCENT
from eplb_evolve.evaluation.served import ratio_of_sums
from eplb_evolve.evaluation.settings import Settings
from eplb_evolve.evaluation.task import Task
from eplb_evolve.evaluation.timing import Estimate, bootstrap_interval, pessimistic_ratio, ratio_interval

CONFIDENCE = 0.99


@dataclass(frozen=True)
class Incumbent:
    """The best program of a search so far: its file, its ratio_to_reference, and its score under the objective."""

    program: Path
    ratio: float
    score: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """The second look at a candidate.

    Attributes:
        won: whether it is better beyond doubt
        timing: its estimate
        block: the calls
        bound: the highest score that it may get
    """

    won: bool
    timing: Estimate
    block: Block
    bound: float = math.inf


def seems_better(judged: Evaluation, incumbent: Incumbent, settings: Settings) -> bool:
    """Whether a first look is worth a second."""
    if settings.objective == "time":
        return judged.ratio_to_reference is not None and judged.ratio_to_reference < incumbent.ratio
    return judged.combined_score > incumbent.score


def challenge(candidate: Caller, incumbent: Incumbent, task: Task, bench: Bench, rng: np.random.Generator) -> Outcome:
    """Measure candidate, incumbent and reference in a fresh block.

    An incumbent that fails now, having answered before, is no peer: then the stored figures are compared.
    """
    plan = task.settings.timing

    def done(block: Block) -> bool:
        return enough(block, plan)

    try:
        block = run_block(candidate, task, bench, rng, done, _rival(incumbent, task, bench, rng))
    except RivalFailed:
        bench.drop_incumbent()
        block = run_block(candidate, task, bench, rng, done)
    timing = estimate_block(block, plan)
    if task.settings.objective != "time":
        return _by_sums(incumbent, task, timing, block)
    if not block.rival:
        won = timing.ratio_high < incumbent.ratio
        return _outcome(won, timing, 0.0 if won else incumbent.ratio, block)
    rows = rows_that_count(block, plan)
    net, net_rival = (block.null.net(block.seconds(who)[rows]) for who in ("candidate", "rival"))
    _, high = ratio_interval(net, net_rival, CONFIDENCE)
    won, gain = high < 1, float(pessimistic_ratio(net, net_rival))
    return _outcome(won, timing, incumbent.ratio * (gain if won else max(gain, 1.0)), block)


def _by_sums(incumbent: Incumbent, task: Task, timing: Estimate, block: Block) -> Outcome:
    """A winner gets the incumbent's score and what it gained beside it, else its own; others no more than that."""
    mine = sums(block, task)
    if not block.rival:
        low, _ = bootstrap_interval(ratio_of_sums, mine, CONFIDENCE)
        won = score(task.settings, True, 1.0, timing.ratio, low) > incumbent.score
        return Outcome(won, timing, block, math.inf if won else incumbent.score)
    pairs = (*mine, *sums(block.of_rival(task.workload.topology.gpus), task))
    low, _ = bootstrap_interval(difference, pairs, CONFIDENCE)
    won, gain = low > 0, PERCENT * float(difference(*pairs))
    return Outcome(won, timing, block, incumbent.score + (gain if won else 0.0))


def _outcome(won: bool, timing: Estimate, bound: float, block: Block) -> Outcome:
    """The figure is no better than `bound`: for a winner the incumbent's own times the gain beside it, else its own.

    Where the machine was in another state than when the incumbent was measured, the gain is the surer figure.
    """
    least = max(timing.ratio, bound)
    timing = dataclasses.replace(timing, ratio=least, ratio_high=max(timing.ratio_high, least))
    return Outcome(won, timing, block)


def _rival(incumbent: Incumbent, task: Task, bench: Bench, rng: np.random.Generator) -> Caller:
    workload, worker = task.workload, bench.incumbent_worker(incumbent.program)
    try:
        if worker is None:
            worker = bench.zygote.spawn(incumbent.program, task.settings.limits)
            bench.keep_incumbent(incumbent.program, worker)
            warm(worker, workload.windows.shape[1:], workload.topology, rng)
    except (CandidateFailure, OSError) as failure:
        raise RivalFailed(str(failure)) from failure
    return Caller(worker, workload.topology, workload.name, rng)
