"""The pessimistic estimator, its interval, and what the clock cannot tell."""

import math

import numpy as np
import pytest

from eplb_evolve.evaluation.timing import (
    NullCall,
    estimate,
    even_ratio,
    geometric_mean,
    mean_estimate,
    mean_ratio,
    pessimistic_ratio,
    ratio_interval,
)

NO_OVERHEAD = NullCall(0.0, 0.0)


def test_the_larger_of_two_estimators_counts():
    """Quartiles alone say 1, the paired ratios say 2."""
    reference = np.array([1.0, 1.0, 2.0, 2.0, 2.0])
    times = np.array([2.0, 1.0, 4.0, 4.0, 1.0])
    assert np.percentile(times, 25) / np.percentile(reference, 25) == 1
    assert pessimistic_ratio(times, reference) == 2


def test_two_candidates_are_compared_by_what_leans_to_neither_side():
    rng = np.random.default_rng(0)
    times, others = rng.lognormal(0, 0.2, (2, 41))
    assert even_ratio(times, others) == pytest.approx(1 / even_ratio(others, times))
    value, low, high = mean_ratio([(times, others), (others, times)])
    assert value == pytest.approx(1)
    assert low < 1 < high


def test_the_mean_over_workloads_is_geometric():
    quick, slow = (estimate(np.full(5, share), np.full(5, 1.0), NO_OVERHEAD) for share in (0.5, 2.0))
    both = mean_estimate([quick, slow])
    assert both.ratio == pytest.approx(1)
    assert quick.ratio_high / quick.ratio > both.ratio_high > 1  # errors of two workloads cancel in part
    assert both.samples == 10
    assert mean_estimate([quick]) is quick
    assert geometric_mean([(1.0, 0.5, 2.0)] * 4) == pytest.approx((1, 2**-0.5, 2**0.5))


def test_the_interval_is_that_of_another_evaluation():
    """Two blocks of the same program, each while the machine is a little slower or faster."""
    rng = np.random.default_rng(0)

    def ratios(calls_ms):
        for state in rng.normal(0, 0.02, (2, 300)).T:
            yield [
                estimate(
                    1e-3 * calls_ms * np.exp(shift + 0.05 * rng.standard_normal(20)), np.full(20, 0.005), NO_OVERHEAD
                )
                for shift in state
            ]

    covered = [one.ratio_low <= other.ratio <= one.ratio_high for one, other in ratios(5.0)]
    assert 0.9 < np.mean(covered) <= 1


def test_overhead_is_taken_off_both_sides():
    result = estimate(np.full(5, 0.0031), np.full(5, 0.0011), NullCall(0.0001, 0.0))
    assert result.ratio == pytest.approx(3)
    assert result.time_ms == pytest.approx(3)
    assert result.ratio_low < 3 < result.ratio_high
    assert result.samples == 5
    assert not result.at_bound


def test_the_interval_holds_the_truth():
    """Ratio 0.5 under 20 % noise that both sides share."""
    rng = np.random.default_rng(0)
    shared = 1 + 0.2 * rng.random(60)
    result = estimate(0.005 * shared * (1 + 0.02 * rng.random(60)), 0.01 * shared, NO_OVERHEAD)
    assert result.ratio_low <= result.ratio <= result.ratio_high
    assert result.ratio == pytest.approx(0.505, abs=0.02)
    assert result.time_ms_low <= result.time_ms <= result.time_ms_high <= result.time_p99_ms


def test_what_is_shorter_than_three_spreads_is_a_bound_and_ties():
    null = NullCall(seconds=0.0001, spread=0.00002, calls=math.pi)  # a bound of three spreads
    reference = np.full(9, 0.0011)
    faster, slower = estimate(np.full(9, 0.00009), reference, null), estimate(np.full(9, 0.00015), reference, null)
    assert faster.at_bound
    assert slower.at_bound
    assert faster.ratio == slower.ratio == pytest.approx(0.06)
    assert not estimate(np.full(9, 0.00017), reference, null).at_bound


def test_the_spread_of_the_null_call_ignores_outliers():
    rng = np.random.default_rng(0)
    calls = rng.normal(1e-4, 1e-6, 1000)
    calls[:20] = 1
    null = NullCall.measured(calls)
    assert null.seconds == pytest.approx(1e-4, rel=0.01)
    assert null.spread == pytest.approx(1e-6, rel=0.15)


def test_a_surer_interval_is_wider():
    rng = np.random.default_rng(0)
    times, reference = rng.lognormal(0, 0.1, (2, 40))
    low, high = ratio_interval(times, reference)
    surer_low, surer_high = ratio_interval(times, reference, 0.99)
    assert surer_low < low < high < surer_high
