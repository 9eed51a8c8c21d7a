"""Loads unlike the timed ones: what they are, and whom they tell from whom."""

import dataclasses
from itertools import islice, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import ROOT

from eplb_evolve.evaluation.balance import measure
from eplb_evolve.evaluation.constraint import judge
from eplb_evolve.evaluation.inputs import perturb
from eplb_evolve.evaluation.pipeline import evaluate
from eplb_evolve.evaluation.robust_loads import ASSIGNMENTS, TAILS, robust_loads
from eplb_evolve.evaluation.settings import TRADED, RobustThresholds, Thresholds
from eplb_evolve.placement import Placement, Topology
from eplb_evolve.reference import plan
from eplb_evolve.workload import catalog

SERVER = (58, 256, Topology(288, 8, 4, 32))
FLATTENED = """
flat = torch.minimum(weight.double(), {most} * weight.double().mean(dim=1, keepdim=True))
return honest(flat, num_replicas, num_groups, num_nodes, num_gpus)
"""
"""The seed, blind to how much hotter than {most} x the mean an expert is."""


def first_windows(shape, seed=0, others=()):
    """The first three windows of every load, by its name."""
    loads = robust_loads(*shape, others, "search", np.random.default_rng(seed))
    return {load.name: list(islice(load.windows, 3)) for load in loads}


def skew(window):
    return float(np.median(window.max(axis=1) / window.mean(axis=1)))


@pytest.mark.parametrize(
    "shape", [SERVER, (24, 32, Topology(40, 1, 1, 8)), (3, 12, Topology(16, 4, 2, 8)), (1, 2, Topology(2, 1, 1, 1))]
)
def test_every_load_is_finite_positive_and_of_the_shape(shape):
    for windows in first_windows(shape).values():
        for window in windows:
            assert window.shape == shape[:2]
            assert np.isfinite(window).all()
            assert (window >= 0).all()
            np.testing.assert_allclose(window.sum(axis=1), ASSIGNMENTS)


@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1))
def test_tails_are_as_heavy_as_they_say_and_groups_as_uneven(seed):
    found = first_windows(SERVER, seed)
    for tail in TAILS:
        window = found[f"log-normal loads, largest/mean {tail:g}"][0]
        assert skew(window) == pytest.approx(tail, rel=0.01)
        groups = window.reshape(58, 8, 32).sum(axis=2)
        assert 0.25 < np.median(groups.std(axis=1) / groups.mean(axis=1)) < 0.43
    assert skew(found["near-uniform loads"][0]) < 1.15
    dominated = found["one expert with a third of each layer's load"][0]
    np.testing.assert_allclose(dominated.max(axis=1) / dominated.sum(axis=1), 1 / 3)


def test_windows_drift_and_do_not_run_away():
    loads = robust_loads(*SERVER, (), "search", np.random.default_rng(0))
    windows = list(islice(next(loads).windows, 40))
    for before, after in pairwise(windows):
        assert 0.12 < np.linalg.norm(after - before) / np.linalg.norm(before) < 0.4
    assert skew(windows[-1]) == pytest.approx(TAILS[0], rel=0.4)


def test_a_reversal_turns_the_ranks_within_each_group():
    before, after, _ = first_windows(SERVER)["ranks reversed from one window to the next"]
    ranks = [np.argsort(np.argsort(window.reshape(58, 8, 32), axis=2), axis=2) for window in (before, after)]
    assert (ranks[0] + ranks[1] == 31).all()


def test_another_recording_is_composed_where_its_experts_divide_the_shape():
    other = catalog.load("gptoss20b-phased", ROOT / "workloads")
    assert "gptoss20b-phased composed to this shape" in first_windows(SERVER, others=[other])
    for shape in ((58, 200, Topology(256, 1, 1, 32)), (24, 32, Topology(40, 1, 1, 8))):
        assert not any("composed" in name for name in first_windows(shape, others=[other]))


def test_each_evaluation_draws_its_own():
    one, other = (first_windows(SERVER, seed) for seed in (1, 2))
    assert not any(np.array_equal(one[name][0], other[name][0]) for name in one)


@pytest.fixture
def robust(task):
    """The small task with the calls on loads unlike the timed ones."""
    return dataclasses.replace(task, settings=dataclasses.replace(task.settings, thresholds=Thresholds()))


@pytest.mark.parametrize("most", [2, 3, 5])
def test_who_is_blind_to_hot_experts_falls_and_the_load_is_named(program, robust, bench, most):
    result = evaluate(program(wrapping=FLATTENED.format(most=most)), robust, bench)
    assert (result.valid, result.feasible) == (True, False)
    assert "x the reference's" in result.reason
    assert "(on one expert with a third of each" in result.reason or "(on log-normal loads, largest/" in result.reason
    assert 0 < result.combined_score < 1


def test_who_is_not_stays_feasible(program, robust, bench):
    assert evaluate(program(wrapping=FLATTENED.format(most=1000)), robust, bench).feasible


def test_without_a_demand_nothing_is_called(program, task, bench):
    """Only the timed loads tell then, in which no expert is that hot."""
    assert evaluate(program(wrapping=FLATTENED.format(most=5)), task, bench).feasible


def test_under_net_throughput_only_the_same_window_binds():
    assert TRADED.robust == RobustThresholds(next_window=0.0, same_window=0.75, worst_layer=0.0)
    rng, topology = np.random.default_rng(0), SERVER[2]
    windows = first_windows(SERVER)["near-uniform loads"]
    inputs = perturb(*windows[:2], topology.groups, rng)
    phy2log, _, logcnt = plan(inputs.weight.astype(float), *topology.as_arguments())
    exact = measure(Placement(phy2log, logcnt), inputs, topology.gpus)
    worse = dataclasses.replace(exact, next_window=0.1, worst_layer=0.1, same_window=exact.same_window * 0.76)
    assert judge([worse], [exact], TRADED.robust.as_thresholds()).feasible
    worse = dataclasses.replace(worse, same_window=exact.same_window * 0.74)
    assert not judge([worse], [exact], TRADED.robust.as_thresholds()).feasible
