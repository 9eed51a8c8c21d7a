"""The cost model: step time from balance, cost of a rebalance, net throughput against never rebalancing.

Source of the step's form: a step is a part that does not depend on placement and a part that waits for the fullest
GPU, T(r) = T(1) (1 - f + f r) with r = fullest / mean load = 1 / balancedness.
"""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from eplb_evolve.errors import UsageError
from eplb_evolve.placement import Floats
from eplb_evolve.serving.presets import Deployment

GRID = [10 ** (exponent / 20) for exponent in range(121)]
"""Intervals among which the best one is looked for: 1 to a million steps, in steps of 12 %."""

Mode = Literal["blocking", "background"]
"""Serving stands still while planning and moving weights, or goes on with the old placement until both are done."""

MODES: tuple[Mode, ...] = get_args(Mode)


@dataclass(frozen=True)
class Interval:
    """One rebalance and the interval that it serves, as measured on a trace.

    Attributes:
        plan_s: what the plan took
        received_slots: most replicas that one GPU receives, mean over layers
        balancedness: of the interval's load with the new placement, 0..1
        balancedness_stale: of the same load with the placement before
        balancedness_never: of the same load with the placement of the start
        ages: whether the placement before is the plan of the window before, so that the two tell how plans age
    """

    plan_s: float
    received_slots: float
    balancedness: float
    balancedness_stale: float
    balancedness_never: float
    ages: bool = True


def step_s(deployment: Deployment, balancedness: float) -> float:
    """Seconds of a step at that balancedness, 0 < balancedness <= 1."""
    if not 0 < balancedness <= 1:
        raise UsageError(f"balancedness is above 0 and at most 1, not {balancedness}")
    share = deployment.load_share
    return deployment.step_s * (1 - share + share / balancedness)


def transfer_s(deployment: Deployment, received_slots: float) -> float:
    """Seconds to move weights when the busiest GPU receives so many replicas in each layer, layer after layer.

    Bytes alone are a small part: software overhead per layer dominates what servers report.
    """
    crossing, hardware = deployment.crossing_share, deployment.hardware
    per_byte = (1 - crossing) / hardware.scale_up_bytes_per_s + crossing / hardware.scale_out_bytes_per_s
    per_layer = deployment.layer_overhead_s + received_slots * deployment.model.expert_bytes * per_byte
    return deployment.model.layers * per_layer if received_slots > 0 else 0.0


def drift_s_per_step(deployment: Deployment, intervals: Sequence[Interval], window_steps: int) -> float:
    """How much longer a step gets with each step since the plan, seconds; 0 where plans do not age.

    From how the plan before does on the same load: it is one window older.
    """
    aged = [
        step_s(deployment, each.balancedness_stale) - step_s(deployment, each.balancedness)
        for each in intervals
        if each.ages
    ]
    return max(0.0, sum(aged) / len(aged) / window_steps) if aged else 0.0


def seconds(
    deployment: Deployment, intervals: Sequence[Interval], steps: int, mode: Mode, drift_s_per_step: float = 0.0
) -> tuple[Floats, Floats]:
    """What each interval takes, its rebalance included, and what it takes a server that never rebalances; seconds.

    One interval of the trace stands for one of any length. With a drift, steps get longer by so much in its course.
    """
    if steps < 1:
        raise UsageError(f"an interval has one step at least, not {steps}")
    if not intervals:
        raise UsageError("nothing to judge: the trace has not one interval after the first plan")
    spent = [_spent_s(deployment, each, steps, mode) + drift_s_per_step * steps * steps / 2 for each in intervals]
    never = [steps * step_s(deployment, each.balancedness_never) for each in intervals]
    return np.array(spent), np.array(never)


def _spent_s(deployment: Deployment, interval: Interval, steps: int, mode: Mode) -> float:
    new, stale = step_s(deployment, interval.balancedness), step_s(deployment, interval.balancedness_stale)
    cost = interval.plan_s + transfer_s(deployment, interval.received_slots)
    if mode == "blocking":
        return cost + steps * new
    late = min(steps, cost / stale)
    return late * stale + (steps - late) * new


def net_throughput(
    deployment: Deployment, intervals: Sequence[Interval], steps: int, mode: Mode, drift_s_per_step: float = 0.0
) -> float:
    """Throughput with a rebalance every `steps` steps / throughput of never rebalancing, on the same load."""
    spent, never = seconds(deployment, intervals, steps, mode, drift_s_per_step)
    return float(never.sum() / spent.sum())


def best_interval(
    deployment: Deployment, intervals: Sequence[Interval], mode: Mode, drift_s_per_step: float
) -> tuple[int, float]:
    """The interval of the highest net throughput, in steps, and that throughput; without drift, a million steps."""
    lengths = sorted({round(steps) for steps in GRID})
    if drift_s_per_step == 0:
        return lengths[-1], net_throughput(deployment, intervals, lengths[-1], mode)
    return max(
        ((steps, net_throughput(deployment, intervals, steps, mode, drift_s_per_step)) for steps in lengths),
        key=lambda found: found[1],
    )


def break_even_steps(deployment: Deployment, intervals: Sequence[Interval]) -> float:
    """Steps after which blocking rebalances have earned their cost; infinite when they never do."""
    cost = gain = 0.0
    for each in intervals:
        cost += each.plan_s + transfer_s(deployment, each.received_slots)
        gain += step_s(deployment, each.balancedness_never) - step_s(deployment, each.balancedness)
    return cost / gain if gain > 0 else math.inf


def perfect(intervals: Sequence[Interval]) -> list[Interval]:
    """The same load served in perfect balance, at no cost."""
    return [
        dataclasses.replace(each, plan_s=0.0, received_slots=0.0, balancedness=1.0, balancedness_stale=1.0)
        for each in intervals
    ]
