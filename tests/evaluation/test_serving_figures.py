"""What measured calls are worth to a server."""

import dataclasses

import pytest
from clocked import KEEPS_WHAT_IS, Clocked, taking

from eplb_evolve.evaluation.intervals import full_rounds
from eplb_evolve.evaluation.objectives.time import time_score
from eplb_evolve.evaluation.paired import ratio_of_sums
from eplb_evolve.evaluation.pipeline import evaluate
from eplb_evolve.evaluation.settings import TRADED, RobustThresholds
from eplb_evolve.serving.worth import Serving

UNROBUST = dataclasses.replace(TRADED, robust=RobustThresholds(0.0, 0.0, 0.0))


@pytest.fixture
def clocked():
    """Where plans take what the programs say: what they are worth depends on it."""
    return Clocked()


@pytest.fixture
def served_task(task):
    settings = dataclasses.replace(
        task.settings, objective="net_throughput", serving=Serving(interval=100), thresholds=UNROBUST
    )
    return dataclasses.replace(task, settings=settings)


def test_the_score_is_net_throughput_when_that_is_the_objective(served_task, program, clocked):
    found = evaluate(program(taking(0.03)), served_task, clocked)
    assert found.feasible
    assert found.combined_score == 100 + 100 * found.serving.net_gain
    assert found.serving.net_gain_low <= found.serving.net_gain <= found.serving.net_gain_high
    assert found.serving.net_throughput_low <= found.serving.net_throughput <= found.serving.net_throughput_high
    assert found.serving.serving == "deepseek-v3-decode, a rebalance every 100 steps, blocking"
    assert 1 < found.serving.net_throughput < found.serving.net_blocking_3000 <= found.serving.net_background_3000
    assert found.serving.break_even_steps < 100
    assert 0 < found.serving.of_perfect < 1


def test_a_program_that_changes_nothing_is_worth_what_never_is(served_task, program, clocked):
    found = evaluate(program(KEEPS_WHAT_IS), served_task, clocked)
    assert found.valid, found.reason
    assert not found.feasible
    assert "same window" in found.reason
    assert found.combined_score < 1
    assert found.balance.transfers == 0
    assert 0.9 < found.serving.net_throughput < 1
    assert found.serving.net_blocking_3000 == pytest.approx(1, abs=1e-3)
    assert found.serving.break_even_steps is None


def test_the_default_objective_has_the_figures_too(task, program, clocked):
    found = evaluate(program(taking(0.03)), task, clocked)
    assert found.serving.net_throughput == found.serving.net_blocking_3000 > 1
    assert found.combined_score == time_score(found.timing.ratio_to_reference)


def test_every_window_counts_alike_and_the_first_round_for_nothing():
    assert list(full_rounds(calls=13, pairs=5)) == [5, 6, 7, 8, 9]
    assert list(full_rounds(calls=8, pairs=5)) == [1, 2, 3, 4, 5, 6, 7]
    assert list(full_rounds(calls=1, pairs=5)) == [0]


def test_courses_compare_by_their_sums():
    import numpy as np

    assert ratio_of_sums(np.array([1.0, 9.0]), np.array([1.0, 1.0])) == 5.0
