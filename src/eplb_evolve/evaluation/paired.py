"""What a program's calls are beside another's on the same inputs: each figure with its 95 % interval.

A figure measured alone depends on the inputs that were drawn; beside the reference, or beside a rival, they cancel.
"""

import math

import numpy as np

from eplb_evolve.evaluation.gap import Gap
from eplb_evolve.evaluation.timed import Side, Timed
from eplb_evolve.evaluation.timing import Statistic, bootstrap_interval
from eplb_evolve.placement import Floats


def balance_ratio(own: Side, other: Side, confidence: float = 0.95) -> Gap:
    """Balancedness on the next window / the other's, each summed over the calls."""
    return _gap(ratio_of_sums, (own.next_window, other.next_window), confidence)


def balance_difference(own: Side, other: Side, yardstick: Side, confidence: float = 0.95) -> Gap:
    """By how much balance_ratio beside the yardstick is higher than the other's."""
    reference = yardstick.next_window
    return _gap(difference, (own.next_window, reference, other.next_window, reference), confidence)


def transfers_more(own: Side, other: Side) -> Gap:
    """Share of slots that moved less the other's."""
    return _gap(mean_difference, (own.moved, other.moved))


def net_gain(timed: Timed, other: Side, confidence: float = 0.95) -> Gap:
    """Net throughput less the other's, as a share of the throughput of never rebalancing."""
    return _gap(difference, (timed.never, timed.own.spent, timed.never, other.spent), confidence)


def net_throughput(timed: Timed) -> Gap:
    """Throughput / that of never rebalancing."""
    return _gap(ratio_of_sums, (timed.never, timed.own.spent))


def ratio_of_sums(above: Floats, below: Floats, axis: int = -1) -> Floats:
    """Sum / sum: a ratio of whole courses, in which each interval counts for as long as it took."""
    result: Floats = above.sum(axis=axis) / below.sum(axis=axis)
    return result


def difference(above: Floats, below: Floats, others_above: Floats, others_below: Floats, axis: int = -1) -> Floats:
    """Ratio of sums less another one, from the same calls."""
    return ratio_of_sums(above, below, axis) - ratio_of_sums(others_above, others_below, axis)


def mean_difference(first: Floats, second: Floats, axis: int = -1) -> Floats:
    """Mean less the other's mean."""
    result: Floats = first.mean(axis=axis) - second.mean(axis=axis)
    return result


def _gap(statistic: Statistic, data: tuple[Floats, ...], confidence: float = 0.95) -> Gap:
    """Of one call nothing can be said but the figure itself: the interval is without end."""
    value = float(statistic(*data))
    if len(data[0]) < 2:
        return Gap(value, -math.inf, math.inf)
    low, high = bootstrap_interval(statistic, data, confidence)
    if not np.isfinite((low, high)).all():
        return Gap(value, -math.inf, math.inf)
    return Gap(value, min(low, value), max(high, value))
