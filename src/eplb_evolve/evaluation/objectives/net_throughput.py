"""The more throughput a server has, its rebalances included, the better: balance, movement and time are traded."""

from collections.abc import Sequence

from eplb_evolve.evaluation.gap import Gap
from eplb_evolve.evaluation.objectives import Gain, Incumbent, in_points
from eplb_evolve.evaluation.paired import net_gain
from eplb_evolve.evaluation.result import Evaluation
from eplb_evolve.evaluation.settings import TRADED
from eplb_evolve.evaluation.timed import Timed

LIKE_THE_REFERENCE = 100.0
"""Score of a program that is worth as much as the reference."""


class NetThroughput:
    """Net throughput of the configured server, gained on the reference on the same calls."""

    name, counts, figure = "net_throughput", "net throughput", "net_gain"
    shown, unit, beside = "net_gain", " % on ref.", "% of throughput gained on the reference"
    thresholds = TRADED
    races = several = False
    serves = True

    def score(self, evaluation: Evaluation) -> float:
        """100 + percent of the throughput of never rebalancing that it gains on the reference."""
        if evaluation.serving is None or evaluation.serving.net_gain is None:
            raise ValueError("a program whose gain on the reference was not measured has no score by it")
        return _score(evaluation.serving.net_gain)

    def seems_better(self, evaluation: Evaluation, incumbent: Incumbent) -> bool:
        """By the score."""
        return evaluation.combined_score > incumbent.score

    def second_look(self, own: Sequence[Timed], rival: Sequence[Timed], incumbent: Incumbent) -> Gain:
        """Percent of the throughput of never rebalancing, gained on the same calls."""
        (mine,) = own
        other = rival[0].own if rival else mine.reference

        def gap(confidence: float) -> Gap:
            return net_gain(mine, other, confidence)

        return in_points(gap, bool(rival), _score, incumbent)


def _score(gained: float) -> float:
    return max(1.0, LIKE_THE_REFERENCE + 100 * gained)


OBJECTIVE = NetThroughput()
