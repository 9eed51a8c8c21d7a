"""The hard constraint, the score, and that they agree on what comes first."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eplb_evolve.errors import UsageError
from eplb_evolve.evaluation.balance import CallBalance
from eplb_evolve.evaluation.constraint import judge
from eplb_evolve.evaluation.objectives import infeasible_score
from eplb_evolve.evaluation.objectives.time import time_score
from eplb_evolve.evaluation.settings import TRADED, Thresholds, Timing

REFERENCE = CallBalance(next_window=0.8, same_window=0.9, worst_layer=0.7, sglang=0.8)
LEAST = Thresholds()


def scaled(**factors):
    return dataclasses.replace(
        REFERENCE, **{name: getattr(REFERENCE, name) * factor for name, factor in factors.items()}
    )


@pytest.mark.parametrize(
    ("calls", "feasible", "reason"),
    [
        ([REFERENCE] * 3, True, ""),
        ([scaled(next_window=0.986)] * 3, True, ""),
        ([scaled(next_window=0.984)] * 3, False, "next window is 0.9840 x the reference's, at least 0.985 x"),
        ([scaled(same_window=0.951)] * 3, True, ""),
        ([scaled(same_window=0.949)] * 3, False, "same window is 0.9490 x"),
        ([scaled(same_window=0.89)] + [REFERENCE] * 9, False, "worst call is 0.8900 x"),
        ([scaled(worst_layer=0.79)] * 3, False, "worst layer is 0.7900 x"),
        ([scaled(next_window=0.95), scaled(next_window=1.03)], True, ""),
    ],
)
def test_each_figure_can_fail_a_candidate(calls, feasible, reason):
    verdict = judge(calls, [REFERENCE] * len(calls), LEAST)
    assert verdict.feasible is feasible
    assert reason in verdict.reason
    assert (verdict.margin >= 1) is feasible


def test_the_strict_profile_asks_for_more():
    calls = [scaled(same_window=0.98)] * 3
    assert judge(calls, [REFERENCE] * 3, LEAST).feasible
    assert not judge(calls, [REFERENCE] * 3, dataclasses.replace(LEAST, same_window=0.99)).feasible


def test_zero_demands_nothing_of_a_figure():
    calls = [scaled(next_window=0.5, worst_layer=0.1)] * 3
    assert judge(calls, [REFERENCE] * 3, TRADED).feasible
    assert "same window" in judge([scaled(same_window=0.84)] * 3, [REFERENCE] * 3, TRADED).reason
    assert judge(calls, [REFERENCE] * 3, Thresholds(0, 0, 0, 0)).feasible


@given(st.floats(1e-3, 1e4), st.floats(1e-3, 1e4), st.floats(0, 0.9999))
def test_feasible_beats_infeasible_and_faster_beats_slower(ratio, other, margin):
    assert time_score(ratio) > 1 > infeasible_score(margin)
    if ratio < 0.999 * other:
        assert time_score(ratio) > time_score(other)


def test_wrong_settings_are_refused():
    with pytest.raises(UsageError, match="next_window is a share"):
        Thresholds(next_window=1.2)
    with pytest.raises(UsageError, match="two pairs"):
        Timing(pairs_fast=1)
    with pytest.raises(UsageError, match="max_seconds must be positive"):
        Timing(max_seconds=0)
