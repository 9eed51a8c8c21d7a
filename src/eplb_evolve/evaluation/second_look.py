"""A search's new best is measured again, side by side with the old one, and only this second look counts.

The best of many noisy figures is too good: the first look chose it for its luck. So candidate, incumbent and reference
are called once more on the same fresh inputs. The candidate's figures are those of this block. Whether it is better
beyond doubt is decided beside the incumbent, in the same block, and recorded; its score is chained to the incumbent's.
"""

import math
from collections.abc import Callable, Sequence
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
from eplb_evolve.evaluation.score import PERCENT, combined_score, ratio_of_score
from eplb_evolve.evaluation.serving_figures import ratio_of_sums
from eplb_evolve.evaluation.settings import Settings, Timing
from eplb_evolve.evaluation.task import Task
from eplb_evolve.evaluation.timing import Estimate, bootstrap_interval, mean_estimate, mean_ratio, pessimistic_ratio
from eplb_evolve.placement import Floats

CONFIDENCE = 0.99


@dataclass(frozen=True)
class Incumbent:
    """The best program of a search so far.

    Attributes:
        ratio: its ratio_to_reference, as its own second look found it
        score: its combined_score
        ratio_high: upper end of the ratio's interval; None if there is none
        sha256: of its text
    """

    program: Path
    ratio: float
    score: float = 0.0
    ratio_high: float | None = None
    sha256: str = ""

    @property
    def chained_ratio(self) -> float:
        """The ratio that its score stands for: gain upon gain since the first program."""
        return ratio_of_score(self.score) if self.score > 1 else self.ratio

    @property
    def time_score(self) -> float:
        """The score under the objective `time`."""
        return combined_score(True, self.chained_ratio, 1.0)


@dataclass(frozen=True)
class Outcome:
    """The second look at a candidate.

    Attributes:
        won: whether it is better beyond doubt
        blocks: the calls, a block for each workload
        timings: the candidate's estimates, from these calls
        gain: what it gained beside the incumbent, with its 95 % interval; None where there was none to call. Under
            `time` the incumbent's time / its own, otherwise points of combined_score
        score: under the objective, of a feasible candidate; None: as its own figures say
        bound: the highest score that it may get
    """

    won: bool
    blocks: Sequence[Block]
    timings: Sequence[Estimate]
    gain: tuple[float, float, float] | None = None
    score: float | None = None
    bound: float = math.inf


def seems_better(judged: Evaluation, incumbent: Incumbent, settings: Settings) -> bool:
    """Whether a first look is worth a second."""
    if settings.objective == "time":
        return judged.ratio_to_reference is not None and judged.ratio_to_reference < incumbent.ratio
    return judged.combined_score > incumbent.score


def second_look(
    candidate: Callable[[Task], Caller], incumbent: Incumbent, task: Task, bench: Bench, rng: np.random.Generator
) -> Outcome:
    """Measure candidate, incumbent and reference in a fresh block for each workload.

    An incumbent that fails now, having answered before, is no peer: then the stored figures are compared.
    """
    plan = task.each[0].settings.timing  # several workloads share the pairs

    def done(block: Block) -> bool:
        return enough(block, plan)

    def blocks(beside: bool) -> list[Block]:
        peers = [_rival(incumbent, one, bench, rng) if beside else None for one in task.each]
        return [
            run_block(candidate(one), one, bench, rng, done, peer) for one, peer in zip(task.each, peers, strict=True)
        ]

    try:
        found = blocks(beside=True)
    except RivalFailed:
        bench.drop_incumbent()
        found = blocks(beside=False)
    timings = [estimate_block(block, plan) for block in found]
    if task.settings.objective != "time":
        return _by_sums(incumbent, task, timings[0], found[0])
    if not found[0].rival:
        won = mean_estimate(timings).ratio_high < incumbent.ratio
        return Outcome(won, found, timings, bound=math.inf if won else incumbent.time_score)
    pairs = [_net_pair(block, plan) for block in found]
    _, _, surely = mean_ratio(pairs, CONFIDENCE, pessimistic_ratio)
    share, low, high = mean_ratio(pairs)  # which leans to neither side
    won = surely < 1
    chained = incumbent.chained_ratio * (share if won else max(share, 1.0))
    ratio = chained if won else max(chained, mean_estimate(timings).ratio)
    return Outcome(won, found, timings, (1 / share, 1 / high, 1 / low), combined_score(True, ratio, 1.0))


def _net_pair(block: Block, plan: Timing) -> tuple[Floats, Floats]:
    rows = rows_that_count(block, plan)
    return block.null.net(block.seconds("candidate")[rows]), block.null.net(block.seconds("rival")[rows])


def _by_sums(incumbent: Incumbent, task: Task, timing: Estimate, block: Block) -> Outcome:
    """A winner gets the incumbent's score and what it gained beside it, else its own; others no more than that."""
    mine = sums(block, task)
    if not block.rival:
        low, _ = bootstrap_interval(ratio_of_sums, mine, CONFIDENCE)
        won = score(task.settings, True, 1.0, timing.ratio, low) > incumbent.score
        return Outcome(won, [block], [timing], bound=math.inf if won else incumbent.score)
    pairs = (*mine, *sums(block.of_rival(task.workload.topology.gpus), task))
    surely, _ = bootstrap_interval(difference, pairs, CONFIDENCE)
    low, high = bootstrap_interval(difference, pairs)
    won, gained = surely > 0, float(difference(*pairs))
    gain = (PERCENT * gained, PERCENT * min(low, gained), PERCENT * max(high, gained))
    return Outcome(won, [block], [timing], gain, bound=incumbent.score + (gain[0] if won else 0.0))


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
