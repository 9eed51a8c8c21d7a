"""The more balanced the load on the next window, the better, whatever the time."""

from collections.abc import Sequence

from eplb_evolve.evaluation.gap import Gap
from eplb_evolve.evaluation.objectives import Gain, Incumbent, in_points
from eplb_evolve.evaluation.paired import balance_difference, balance_ratio
from eplb_evolve.evaluation.result import Evaluation
from eplb_evolve.evaluation.timed import Timed

LIKE_THE_REFERENCE = 2.0
"""Score of a program that balances as the reference does."""


class Balance:
    """Balancedness on the next window relative to the reference's on the same calls."""

    name, counts, figure = "balance", "balancedness on the next window", "balancedness_ratio"
    shown, unit, beside = "balancedness_ratio", " x ref. bal.", "x the reference's balancedness on the next window"
    thresholds = None
    races = several = serves = False

    def score(self, evaluation: Evaluation) -> float:
        """2 + percent gained on the reference."""
        if evaluation.balance is None or evaluation.balance.balancedness_ratio is None:
            raise ValueError("a program without balancedness beside the reference's has no score by it")
        return _score(evaluation.balance.balancedness_ratio)

    def seems_better(self, evaluation: Evaluation, incumbent: Incumbent) -> bool:
        """By the score."""
        return evaluation.combined_score > incumbent.score

    def second_look(self, own: Sequence[Timed], rival: Sequence[Timed], incumbent: Incumbent) -> Gain:
        """Percent of the reference's balancedness gained on the same calls."""
        (mine,) = own

        def gap(confidence: float) -> Gap:
            if rival:
                return balance_difference(mine.own, rival[0].own, mine.reference, confidence)
            found = balance_ratio(mine.own, mine.reference, confidence)
            return Gap(found.value - 1, found.low - 1, found.high - 1)

        return in_points(gap, bool(rival), lambda gained: _score(1 + gained), incumbent)


def _score(ratio: float) -> float:
    return max(1.0, LIKE_THE_REFERENCE + 100 * (ratio - 1))


OBJECTIVE = Balance()
