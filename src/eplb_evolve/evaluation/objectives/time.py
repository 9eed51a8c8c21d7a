"""The fewer milliseconds a plan takes, the better."""

import math
from collections.abc import Sequence

from eplb_evolve.evaluation.gap import Gap
from eplb_evolve.evaluation.objectives import SURE, Gain, Incumbent
from eplb_evolve.evaluation.result import Evaluation
from eplb_evolve.evaluation.timed import Timed
from eplb_evolve.evaluation.timing import mean_estimate, mean_ratio, pessimistic_ratio

AT_FLOOR = (
    "the best program takes hardly longer than filling three new tensors, so its speed has little left to gain; what "
    "still counts is net throughput: balance on the next window, and few transfers"
)
NEAR = 1.1
"""Times the mark that is called the floor."""


class Time:
    """Time relative to the reference's on the same inputs; of several workloads the geometric mean."""

    name, counts, figure = "time", "speed", "ratio_to_reference"
    shown, unit, beside = "speedup_over_seed", "x seed", "x the seed's speed"
    thresholds = None
    races = several = True
    serves = False

    def score(self, evaluation: Evaluation) -> float:
        """1 + log2(1 + 100 / ratio_to_reference), so above 1 and higher for faster."""
        if evaluation.timing is None:
            raise ValueError("a program that was not timed has no score by time")
        return time_score(evaluation.timing.ratio_to_reference)

    def seems_better(self, evaluation: Evaluation, incumbent: Incumbent) -> bool:
        """By the ratios to the reference."""
        return evaluation.timing is not None and evaluation.timing.ratio_to_reference < incumbent.ratio

    def second_look(self, own: Sequence[Timed], rival: Sequence[Timed], incumbent: Incumbent) -> Gain:
        """The incumbent's time / its own. Won by the pessimistic estimator, scored by an even one."""
        ratio, chained = mean_estimate([each.estimate for each in own]), _chained_ratio(incumbent)
        if not rival:
            won = ratio.ratio_high < incumbent.ratio
            return Gain(won, None, None, math.inf if won else time_score(chained))
        pairs = [(mine.own.net, theirs.own.net) for mine, theirs in zip(own, rival, strict=True)]
        _, _, surely = mean_ratio(pairs, SURE, pessimistic_ratio)
        share, low, high = mean_ratio(pairs)
        won, gained = surely < 1, chained * share
        score = time_score(gained if won else max(chained, gained, ratio.ratio))
        return Gain(won, Gap(1 / share, 1 / high, 1 / low), score, math.inf)


def at_floor(evaluation: Evaluation) -> bool:
    """Whether a program takes hardly longer than a call that only fills three new tensors, measured beside it.

    That is a mark, no limit: what uses memory again can be below it.
    """
    timing = evaluation.timing
    return (
        timing is not None and timing.floor_ratio is not None and timing.ratio_to_reference <= NEAR * timing.floor_ratio
    )


def time_score(ratio_to_reference: float) -> float:
    """combined_score of a feasible program with that time / the reference's."""
    return 1 + math.log2(1 + 100 / ratio_to_reference)


def ratio_of_score(score: float) -> float:
    """The ratio_to_reference that time_score makes this score of; infinite for an infeasible one's."""
    return 100 / (2 ** (score - 1) - 1) if score > 1 else math.inf


def _chained_ratio(incumbent: Incumbent) -> float:
    """The ratio that its score stands for: gain upon gain since the first program."""
    return ratio_of_score(incumbent.score) if incumbent.score > 1 else incumbent.ratio


OBJECTIVE = Time()
