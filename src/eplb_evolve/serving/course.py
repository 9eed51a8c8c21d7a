"""What became of a balancer or a policy over a whole trace."""

from dataclasses import dataclass

import numpy as np

from eplb_evolve.serving.cost import Interval

PLACED_ONCE, RANDOM_ONCE, ORACLE = POLICIES = ("placed once", "random once", "oracle")


@dataclass(frozen=True)
class Course:
    """What became of one balancer or policy on a trace.

    Attributes:
        intervals: one per window after the first
        transfers: mean share of slots that a rebalance fills anew
        reason: why it stopped, "" if it did not
    """

    name: str
    intervals: tuple[Interval, ...]
    transfers: float
    reason: str = ""

    @property
    def plan_s(self) -> float:
        """Median seconds of a plan."""
        return float(np.median([each.plan_s for each in self.intervals])) if self.intervals else 0.0

    @property
    def balancedness(self) -> float:
        """Mean over intervals."""
        return float(np.mean([each.balancedness for each in self.intervals])) if self.intervals else 0.0
