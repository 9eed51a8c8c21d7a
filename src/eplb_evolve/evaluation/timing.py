"""From paired call times to one pessimistic ratio with its interval."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from eplb_evolve.placement import Floats

Statistic = Callable[..., Floats]
"""Of the seconds of two programs; `axis` says along which one the calls lie."""

RESAMPLES = 999
TICK_S = 1e-9
ERRORS_OF_A_BOUND = 3
NORMAL_95 = 1.96
STATE_SHARE, STATE_MS = 0.035, 0.012
"""By how much ratios of equal evaluations scatter beyond what their calls show (SD; benchmarks/agreement.py): a share
of the ratio, and a time as a share of the candidate's."""

PROCESS_SHARE = 0.02
"""By how much the times of two processes of one program differ beyond what their calls show (SD, as a share;
benchmarks/equals.py compare): each keeps its luck with pages for as long as it lives."""


@dataclass(frozen=True)
class NullCall:
    """What a call of a program that does nothing takes: the clock's own overhead.

    Attributes:
        seconds: median
        spread: of a single call (SD), seconds
        calls: how many there were
    """

    seconds: float
    spread: float
    calls: int = 1

    @classmethod
    def measured(cls, calls: Floats) -> "NullCall":
        """From the seconds of many calls; outliers count for neither figure."""
        low, median, high = np.percentile(calls, [25, 50, 75])
        return cls(float(median), float(high - low) / 1.349, len(calls))

    def net(self, times: Floats) -> Floats:
        """Times less the overhead, but never below the bound."""
        result: Floats = np.maximum(times - self.seconds, self.bound)
        return result

    @property
    def bound(self) -> float:
        """The shortest net time that the clock can tell from nothing, seconds: it ties with all below.

        Three standard errors of the difference of two medians, each of as many calls as there are null calls.
        """
        return max(TICK_S, ERRORS_OF_A_BOUND * math.sqrt(math.pi / self.calls) * self.spread)


@dataclass(frozen=True)
class Estimate:
    """Time of a candidate relative to the reference, and in milliseconds, with 95 % intervals.

    That of the ratio is for another evaluation on the same machine; that of the time is for these calls.

    at_bound: the time is shorter than the clock can tell; `time_ms` and `ratio` are upper bounds, and tie.
    apart: by how much the two robust estimators of the ratio differ, as a share of the larger.
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
    apart: float


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


def even_ratio(times: Floats, reference: Floats, axis: int = -1) -> Floats:
    """The geometric mean of the two: it leans to neither side, so two candidates are compared by it."""
    product = ratio_of_quartiles(times, reference, axis) * median_of_ratios(times, reference, axis)
    result: Floats = np.sqrt(product)
    return result


def mean_ratio(
    pairs: Sequence[tuple[Floats, Floats]], confidence: float = 0.95, statistic: Statistic = even_ratio
) -> tuple[float, float, float]:
    """The geometric mean over workloads of a ratio, and its bootstrap interval.

    pairs: for each workload the seconds of two programs, entry i of both from the same input.
    """
    logs = [np.log(_resampled(statistic, pair, seed).bootstrap_distribution) for seed, pair in enumerate(pairs)]
    drawn = np.exp(np.mean(logs, axis=0))
    value = math.exp(float(np.mean([np.log(statistic(*pair)) for pair in pairs])))
    tail = 50 * (1 - confidence)
    low, high = np.percentile(drawn, [tail, 100 - tail])
    return value, min(float(low), value), max(float(high), value)


def ratio_of_processes(times: Floats, others: Floats) -> tuple[float, float, float]:
    """even_ratio of two programs called in turn, each in one process, and the interval for other processes of them."""
    value, low, high = mean_ratio([(times, others)])
    below, above = (math.hypot(math.log(end / value), NORMAL_95 * PROCESS_SHARE) for end in (low, high))
    return value, value * math.exp(-below), value * math.exp(above)


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
    estimators = [float(each(net, net_reference)) for each in (ratio_of_quartiles, median_of_ratios)]
    between = math.hypot(STATE_SHARE, STATE_MS / time_ms)
    return Estimate(
        ratio=ratio,
        ratio_low=ratio * math.exp(-_of_another(max(0.0, math.log(ratio / low)), between)),
        ratio_high=ratio * math.exp(_of_another(max(0.0, math.log(high / ratio)), between)),
        time_ms=time_ms,
        time_ms_low=min(ms_low, time_ms),
        time_ms_high=max(ms_high, time_ms),
        time_p99_ms=float(np.percentile(ms, 99)),
        at_bound=bool(np.median(net) <= null.bound),
        samples=len(times),
        apart=1 - min(estimators) / max(estimators),
    )


def mean_estimate(each: Sequence[Estimate]) -> Estimate:
    """The geometric means over workloads; the intervals are those of independent figures."""
    if len(each) == 1:
        return each[0]
    ratio, ratio_low, ratio_high = geometric_mean([(one.ratio, one.ratio_low, one.ratio_high) for one in each])
    time_ms, time_low, time_high = geometric_mean([(one.time_ms, one.time_ms_low, one.time_ms_high) for one in each])
    return Estimate(
        ratio=ratio,
        ratio_low=ratio_low,
        ratio_high=ratio_high,
        time_ms=time_ms,
        time_ms_low=time_low,
        time_ms_high=time_high,
        time_p99_ms=float(np.exp(np.mean(np.log([one.time_p99_ms for one in each])))),
        at_bound=any(one.at_bound for one in each),
        samples=sum(one.samples for one in each),
        apart=max(one.apart for one in each),
    )


def geometric_mean(figures: Sequence[tuple[float, float, float]]) -> tuple[float, float, float]:
    """Geometric mean of (value, low, high), whose errors add up like those of independent figures."""
    value, low, high = np.log(figures).T
    below, above = (float(np.sqrt(((end - value) ** 2).sum())) / len(figures) for end in (low, high))
    mean = float(value.mean())
    return math.exp(mean), math.exp(mean - below), math.exp(mean + above)


def _of_another(reach: float, between: float) -> float:
    """How far the figure of another evaluation may lie off, given how far that of the same block does; in logarithms.

    Both of them scatter as the calls of a block do, and by what the machine is like at the time.
    """
    return math.sqrt(2) * math.hypot(reach, NORMAL_95 * between)


def bootstrap_interval(statistic: object, data: tuple[Floats, ...], confidence: float = 0.95) -> tuple[float, float]:
    """Bootstrap interval of statistic(*data, axis=...), where entry i of each array belongs to the same call.

    Two calls at least.
    """
    interval = _resampled(statistic, data, 0, confidence).confidence_interval
    return float(interval.low), float(interval.high)


def _resampled(statistic: object, data: tuple[Floats, ...], seed: int, confidence: float = 0.95) -> Any:
    from scipy.stats import bootstrap  # here: importing it takes most of a second, and not every command needs it

    return bootstrap(
        data,
        statistic,
        paired=True,
        vectorized=True,
        n_resamples=RESAMPLES,
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
