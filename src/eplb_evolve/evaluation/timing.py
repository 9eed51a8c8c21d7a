"""From paired call times to one pessimistic ratio with its interval."""

from dataclasses import dataclass

import numpy as np

from eplb_evolve.placement import Floats

RESAMPLES = 999
SPREADS_OF_A_BOUND = 3


@dataclass(frozen=True)
class NullCall:
    """What a call of a program that does nothing takes, seconds: the clock's own overhead, and its spread (SD)."""

    seconds: float
    spread: float

    @classmethod
    def measured(cls, calls: Floats) -> "NullCall":
        """From the seconds of many calls; outliers count for neither figure."""
        low, median, high = np.percentile(calls, [25, 50, 75])
        return cls(float(median), float(high - low) / 1.349)

    def net(self, times: Floats) -> Floats:
        """Times less the overhead, but never below three spreads: what is shorter than that cannot be told apart."""
        result: Floats = np.maximum(times - self.seconds, self.bound)
        return result

    @property
    def bound(self) -> float:
        """The shortest net time that the clock can tell from nothing, seconds."""
        return SPREADS_OF_A_BOUND * self.spread


@dataclass(frozen=True)
class Estimate:
    """Time of a candidate relative to the reference, and in milliseconds, with bootstrap 95 % intervals.

    at_bound: the time is shorter than the clock can tell; `time_ms` and `ratio` are upper bounds, and tie.
    """

    ratio: float
    ratio_low: float
    ratio_high: float
    time_ms: float
    time_ms_low: float
    time_ms_high: float
    time_p99_ms: float
    at_bound: bool
    samples: int


def ratio_of_quartiles(times: Floats, reference: Floats, axis: int = -1) -> Floats:
    """Ratio of the lower quartiles: neither side's disturbed calls count."""
    result: Floats = np.percentile(times, 25, axis=axis) / np.percentile(reference, 25, axis=axis)
    return result


def median_of_ratios(times: Floats, reference: Floats, axis: int = -1) -> Floats:
    """Median of the paired ratios: what both sides of a pair share cancels."""
    result: Floats = np.median(times / reference, axis=axis)
    return result


def pessimistic_ratio(times: Floats, reference: Floats, axis: int = -1) -> Floats:
    """The larger of the two robust estimators."""
    result: Floats = np.maximum(ratio_of_quartiles(times, reference, axis), median_of_ratios(times, reference, axis))
    return result


def ratio_interval(times: Floats, reference: Floats, confidence: float = 0.95) -> tuple[float, float]:
    """Bootstrap interval of the pessimistic ratio, from pairs."""
    return bootstrap_interval(pessimistic_ratio, (times, reference), confidence)


def estimate(times: Floats, reference: Floats, null: NullCall) -> Estimate:
    """Estimate from paired seconds of candidate and reference, less the null call on both sides. At least two pairs."""
    net, net_reference = null.net(times), null.net(reference)
    low, high = ratio_interval(net, net_reference)
    ms = net * 1e3
    ms_low, ms_high = bootstrap_interval(np.median, (ms,))
    ratio, time_ms = float(pessimistic_ratio(net, net_reference)), float(np.median(ms))
    return Estimate(
        ratio=ratio,
        ratio_low=min(low, ratio),  # resampling may leave the larger of two estimators just outside
        ratio_high=max(high, ratio),
        time_ms=time_ms,
        time_ms_low=min(ms_low, time_ms),
        time_ms_high=max(ms_high, time_ms),
        time_p99_ms=float(np.percentile(ms, 99)),
        at_bound=bool(np.median(net) <= null.bound),
        samples=len(times),
    )


def bootstrap_interval(statistic: object, data: tuple[Floats, ...], confidence: float = 0.95) -> tuple[float, float]:
    """Bootstrap interval of statistic(*data, axis=...), where entry i of each array belongs to the same call.

    Two calls at least.
    """
    from scipy.stats import bootstrap  # here: importing it takes most of a second, and not every command needs it

    result = bootstrap(
        data,
        statistic,
        paired=True,
        vectorized=True,
        n_resamples=RESAMPLES,
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(0),
    )
    return float(result.confidence_interval.low), float(result.confidence_interval.high)
