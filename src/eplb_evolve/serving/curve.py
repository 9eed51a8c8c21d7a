"""Net throughput against the interval, for balancers and for what they compete with."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eplb_evolve.errors import UsageError
from eplb_evolve.serving.cost import (
    MODES,
    Interval,
    Mode,
    best_interval,
    break_even_steps,
    drift_s_per_step,
    net_throughput,
    perfect,
)
from eplb_evolve.serving.course import Course
from eplb_evolve.serving.presets import Deployment
from eplb_evolve.serving.worth import share_of_perfect

STEPS = tuple(int(steps) for steps in np.unique(np.geomspace(10, 100_000, 20).round(-1)))
"""Intervals of a curve, in steps."""
PERFECT = "perfect balance"


@dataclass(frozen=True)
class Curve:
    """One balancer or policy.

    Attributes:
        net: throughput / that of never rebalancing, per interval of `steps` and mode
        break_even_steps: of blocking rebalances; infinite when they never earn their cost
        at: net at the interval asked for, per mode
        best: the best interval and net there, per mode, when load goes on to drift as the trace does
        perfect: net of perfect balance at no cost
    """

    name: str
    course: Course | None
    steps: tuple[int, ...]
    net: dict[Mode, tuple[float, ...]]
    break_even_steps: float
    at: dict[Mode, float]
    best: dict[Mode, tuple[int, float]]
    perfect: float

    def of_perfect(self, mode: Mode) -> float:
        """Share of the gain of perfect balance that is reached at the interval asked for."""
        return share_of_perfect(self.at[mode], self.perfect)


def curves(
    deployment: Deployment, courses: Sequence[Course], window_steps: int, at_steps: int, steps: Sequence[int] = STEPS
) -> list[Curve]:
    """A curve for each course, and one for perfect balance at no cost. window_steps: recorded steps of an interval."""
    whole = [course for course in courses if not course.reason]
    if not whole:
        raise UsageError("no balancer gave a placement: nothing to draw")
    ideal = perfect(whole[0].intervals)
    most = net_throughput(deployment, ideal, at_steps, "blocking")

    def curve(name: str, course: Course | None, intervals: Sequence[Interval]) -> Curve:
        drift = drift_s_per_step(deployment, intervals, window_steps)
        return Curve(
            name,
            course,
            tuple(steps),
            {mode: tuple(net_throughput(deployment, intervals, each, mode) for each in steps) for mode in MODES},
            break_even_steps(deployment, intervals),
            {mode: net_throughput(deployment, intervals, at_steps, mode) for mode in MODES},
            {mode: best_interval(deployment, intervals, mode, drift) for mode in MODES},
            most,
        )

    return [*(curve(course.name, course, course.intervals) for course in whole), curve(PERFECT, None, ideal)]
