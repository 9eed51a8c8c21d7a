"""The hard constraint: how balanced a candidate must keep the load, as a share of the exact greedy's balance."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eplb_evolve.errors import CandidateFailure
from eplb_evolve.evaluation.balance import CallBalance
from eplb_evolve.evaluation.result import Margin
from eplb_evolve.evaluation.settings import Thresholds

FAR_FROM_BALANCED = 0.98
"""A margin below which a few calls suffice to say that a candidate is infeasible."""

_IN_WORDS = {
    "next_window": "mean balancedness on the next window",
    "same_window": "mean balancedness on the same window",
    "each_call": "balancedness of the worst call",
    "worst_layer": "balancedness of the worst layer",
}


@dataclass(frozen=True)
class Verdict:
    """Whether the constraint holds.

    Attributes:
        reason: the sentence that says why not
        margin: the smallest value / threshold
        figures: name (of settings.Thresholds), value and threshold of each figure that something is asked of
    """

    feasible: bool
    reason: str
    margin: float
    figures: tuple[tuple[str, float, float], ...] = ()

    def margins(self, on: str) -> tuple[Margin, ...]:
        """Every figure, on a load of this name."""
        return tuple(Margin(on, *figure) for figure in self.figures)

    def tightest(self, on: str) -> tuple[Margin, ...]:
        """The figure nearest to its threshold, none where nothing is asked."""
        return tuple(sorted(self.margins(on), key=lambda each: each.share / each.least)[:1])

    def demand(self, where: str) -> None:
        """Raise Infeasible, which names the load, unless the constraint holds."""
        if not self.feasible:
            raise Infeasible(f"{self.reason} (on {where})", self.margin)


class Infeasible(CandidateFailure):
    """A valid candidate that does not keep the load balanced; `margin` is its smallest value / threshold."""

    def __init__(self, reason: str, margin: float) -> None:
        super().__init__(reason)
        self.margin = margin


def judge(candidate: Sequence[CallBalance], reference: Sequence[CallBalance], least: Thresholds) -> Verdict:
    """Compare the balance of the same calls; the figure furthest below its threshold gives the reason."""

    def column(rows: Sequence[CallBalance], name: str) -> NDArray[np.float64]:
        return np.array([getattr(row, name) for row in rows])

    def of_means(name: str) -> float:
        return float(column(candidate, name).mean() / column(reference, name).mean())

    each = float((column(candidate, "same_window") / column(reference, "same_window")).min())
    figures = (
        ("next_window", of_means("next_window"), least.next_window),
        ("same_window", of_means("same_window"), least.same_window),
        ("each_call", each, least.each_call),
        ("worst_layer", of_means("worst_layer"), least.worst_layer),
    )
    demanded = tuple(figure for figure in figures if figure[2] > 0)
    name, value, threshold = min(demanded, key=lambda figure: figure[1] / figure[2], default=("", 1.0, 1.0))
    margin = value / threshold
    if margin >= 1:
        return Verdict(True, "", margin, demanded)
    reason = f"{_IN_WORDS[name]} is {value:.4f} x the reference's, at least {threshold:g} x is required"
    return Verdict(False, reason, margin, demanded)
