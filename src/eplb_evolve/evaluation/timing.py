"""From paired call times to one pessimistic ratio with its interval."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eplb_evolve.evaluation.settings import Timing
from eplb_evolve.placement import Floats

RESAMPLES = 999
WIDE = 0.05


@dataclass(frozen=True)
class Estimate:
    """Time of a candidate relative to the reference, and in milliseconds, with bootstrap 95 % intervals."""

    ratio: float
    ratio_low: float
    ratio_high: float
    time_ms: float
    time_ms_low: float
    time_ms_high: float
    time_p99_ms: float
    samples: int


def pessimistic_ratio(times: Floats, reference: Floats, axis: int = -1) -> Floats:
    """The larger of two robust estimators: ratio of the lower quartiles, median of the paired ratios."""
    quartiles = np.percentile(times, 25, axis=axis) / np.percentile(reference, 25, axis=axis)
    paired = np.median(times / reference, axis=axis)
    result: Floats = np.maximum(quartiles, paired)
    return result


def estimate(times: Sequence[float], reference: Sequence[float], overhead: float) -> Estimate:
    """Estimate from paired seconds of candidate and reference, less the overhead of a null call on both sides.

    At least two pairs.
    """
    from scipy.stats import (
        bootstrap,  # here: importing it takes most of a second, and not every command needs it
    )

    net = np.maximum(np.asarray(times) - overhead, overhead / 10)
    net_reference = np.maximum(np.asarray(reference) - overhead, overhead / 10)

    def interval(statistic: object, data: tuple[Floats, ...]) -> tuple[float, float]:
        result = bootstrap(
            data,
            statistic,
            paired=True,
            vectorized=True,
            n_resamples=RESAMPLES,
            method="percentile",
            rng=np.random.default_rng(0),
        )
        return float(result.confidence_interval.low), float(result.confidence_interval.high)

    low, high = interval(pessimistic_ratio, (net, net_reference))
    ms = net * 1e3
    ms_low, ms_high = interval(np.median, (ms,))
    return Estimate(
        ratio=float(pessimistic_ratio(net, net_reference)),
        ratio_low=low,
        ratio_high=high,
        time_ms=float(np.median(ms)),
        time_ms_low=ms_low,
        time_ms_high=ms_high,
        time_p99_ms=float(np.percentile(ms, 99)),
        samples=len(times),
    )


def enough(times: Sequence[float], reference: Sequence[float], overhead: float, plan: Timing) -> bool:
    """Whether these pairs suffice: the planned number, twice that where the estimate is still wide, or the cap."""
    if sum(times) + sum(reference) >= plan.max_seconds and len(times) >= plan.triage_pairs:
        return True
    slow = np.median(times) * 1e3 >= plan.slow_ms
    planned = plan.pairs_slow if slow else plan.pairs_fast
    if len(times) < planned:
        return False
    if len(times) >= 2 * planned:
        return True
    if len(times) > planned:  # once extended, go all the way
        return False
    now = estimate(times, reference, overhead)
    return now.ratio_high - now.ratio_low <= 2 * WIDE * now.ratio
