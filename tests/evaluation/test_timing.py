"""The pessimistic estimator and when to stop."""

import numpy as np
import pytest

from eplb_evolve.evaluation.settings import Timing
from eplb_evolve.evaluation.timing import enough, estimate, pessimistic_ratio

PLAN = Timing(pairs_fast=10, pairs_slow=4, slow_ms=10, max_seconds=100, triage_pairs=2)


def test_the_larger_of_two_estimators_counts():
    """Quartiles alone say 1, the paired ratios say 2."""
    reference = np.array([1.0, 1.0, 2.0, 2.0, 2.0])
    times = np.array([2.0, 1.0, 4.0, 4.0, 1.0])
    assert np.percentile(times, 25) / np.percentile(reference, 25) == 1
    assert pessimistic_ratio(times, reference) == 2


def test_overhead_is_taken_off_both_sides():
    result = estimate([0.0031] * 5, [0.0011] * 5, 0.0001)
    assert result.ratio == pytest.approx(3)
    assert result.time_ms == pytest.approx(3)
    assert (result.ratio_low, result.ratio_high) == pytest.approx((3, 3))
    assert result.samples == 5


def test_the_interval_holds_the_truth():
    """Ratio 0.5 under 20 % noise that both sides share."""
    rng = np.random.default_rng(0)
    shared = 1 + 0.2 * rng.random(60)
    result = estimate(list(0.005 * shared * (1 + 0.02 * rng.random(60))), list(0.01 * shared), 0.0)
    assert result.ratio_low <= result.ratio <= result.ratio_high
    assert result.ratio == pytest.approx(0.505, abs=0.02)
    assert result.time_ms_low <= result.time_ms <= result.time_ms_high <= result.time_p99_ms


def test_a_time_below_the_overhead_is_not_negative():
    assert estimate([0.00001] * 3, [0.001] * 3, 0.0001).time_ms > 0


@pytest.mark.parametrize(
    ("times", "reference", "stop"),
    [
        ([0.002] * 9, [0.005] * 9, False),
        ([0.002] * 10, [0.005] * 10, True),
        ([0.2] * 3, [0.005] * 3, False),
        ([0.2] * 4, [0.005] * 4, True),
        ([0.002, 0.004] * 5, [0.005] * 10, False),  # wide: as many again
        ([0.002, 0.004] * 10, [0.005] * 20, True),
        ([60.0] * 2, [0.005] * 2, True),  # the cap in seconds
    ],
)
def test_when_there_are_enough_pairs(times, reference, stop):
    assert enough(times, reference, 0.0, PLAN) is stop
