"""The composite rule: recorded loads, new combinations in each layer, groups as unequal as they should be."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eplb_evolve.errors import UsageError
from eplb_evolve.workload import catalog
from eplb_evolve.workload.card import Composition
from eplb_evolve.workload.composition import compose, layout
from eplb_evolve.workload.counts import Counts, sum_windows
from eplb_evolve.workload.statistics import group_loads, skew, variation

SHIPPED = Path(__file__).parents[2] / "workloads"

RULE = Composition("small", seed=3, side_by_side=2, groups=4, noise_sd=0.3)
SEARCH = (0, 1, 8, 9)


def composed(windows: Counts, rule: Composition) -> Counts:
    """Four layers composed of recorded windows [11, 6, 8]."""
    return compose(windows, layout(windows[list(SEARCH)].sum(axis=0, dtype=np.float64), 4, rule))


@given(seed=st.integers(0, 2**32), holdout_seed=st.integers(0, 2**32))
def test_the_holdout_never_shapes_the_composite(seed: int, holdout_seed: int) -> None:
    """Whatever the windows outside search hold, the search windows are composed to the same bytes."""
    recorded = np.random.default_rng(seed).poisson(20.0, (11, 6, 8)).astype(np.uint32)
    changed = recorded.copy()
    others = [window for window in range(11) if window not in SEARCH]
    changed[others] = np.random.default_rng(holdout_seed).poisson(5.0, (len(others), 6, 8))
    before, after = (composed(windows, RULE)[list(SEARCH)] for windows in (recorded, changed))
    np.testing.assert_array_equal(before, after)


@given(seed=st.integers(0, 2**32))
def test_a_layer_is_different_recorded_layers_side_by_side(seed: int) -> None:
    """Every expert of two whole recorded layers exactly once, no combination twice."""
    load = np.random.default_rng(1).uniform(1.0, 9.0, (6, 8))
    placed = layout(load, 8, replace(RULE, seed=seed))
    combinations = []
    for row in placed:
        chosen = np.unique(row // 8)
        assert len(chosen) == 2
        np.testing.assert_array_equal(np.sort(row), (chosen[:, None] * 8 + np.arange(8)).ravel())
        combinations.append(tuple(chosen))
    assert len(set(combinations)) == len(combinations)


def test_groups_without_noise_are_ranks_of_load_in_shuffled_order() -> None:
    """With no noise each group holds neighbours in load; neither groups nor experts stay in that order."""
    load = np.arange(48, dtype=np.float64).reshape(6, 8)
    placed = layout(load, 10, replace(RULE, noise_sd=0.0))
    loads = load.ravel()[placed].reshape(10, 4, 4)
    for layer in loads:
        by_rank = layer[np.argsort(layer.mean(axis=1))]
        np.testing.assert_array_equal(np.sort(by_rank, axis=1).ravel(), np.sort(layer.ravel()))
    assert len({tuple(np.argsort(layer.mean(axis=1))) for layer in loads}) > 1
    assert len({tuple(np.argsort(group)) for group in loads.reshape(-1, 4)}) > 1


def test_the_same_rule_gives_the_same_composite(counts: Counts) -> None:
    """The seed is all the chance there is."""
    windows = sum_windows(counts, 5)
    first, again = composed(windows, RULE), composed(windows, RULE)
    np.testing.assert_array_equal(first, again)
    assert (first != composed(windows, replace(RULE, seed=4))).any()


def test_experts_without_load_are_placed_too() -> None:
    """A load of zero has a finite place in the order, which the noise can change: groups are no runs of neighbours."""
    groups = np.sort(layout(np.zeros((6, 8)), 4, RULE).reshape(4, 4, 4), axis=2)
    assert not (np.diff(groups) == 1).all(axis=2).any()


@pytest.mark.parametrize(
    ("change", "layers", "message"),
    [
        ({"side_by_side": 7}, 1, "side_by_side is 7, but small has 6 layers"),
        ({"groups": 3}, 1, "16 experts do not divide into 3 groups"),
        ({}, 16, "6 recorded layers do not give 16 combinations of 2; ask for fewer layers"),
    ],
)
def test_a_rule_that_cannot_be_followed_is_refused(change: dict[str, int], layers: int, message: str) -> None:
    """More layers, groups or combinations than the source has."""
    with pytest.raises(UsageError, match=message):
        layout(np.ones((6, 8)), layers, replace(RULE, **change))  # type: ignore[arg-type]


def test_the_shipped_composite_is_like_the_servers() -> None:
    """No two layers equal; group load max/mean 1.5-1.8, coefficient of variation 0.3-0.4, in either split."""
    workload = catalog.load("dsv3-composite", SHIPPED)
    assert workload.windows.shape == (19, 58, 256)
    assert len({layer.tobytes() for layer in np.sort(workload.windows, axis=2).swapaxes(0, 1)}) == 58
    for split in ("search", "holdout"):
        groups = group_loads(workload.windows[list(workload.card.split.windows(split))], 8)
        assert 1.5 < np.median(skew(groups)) < 1.8
        assert 0.3 < np.median(variation(groups)) < 0.4


def test_position_reveals_nothing_in_the_shipped_composite() -> None:
    """Mean load by position of group, and of expert within its group, is flat over the layers."""
    windows = catalog.load("dsv3-composite", SHIPPED).windows
    share = windows.sum(axis=0) / windows.sum(axis=(0, 2))[:, None] * 256
    by_group = share.reshape(58, 8, 32).mean(axis=2)
    by_place = share.reshape(58 * 8, 32)
    for table in (by_group, by_place):
        spread = table.std(axis=0) / np.sqrt(len(table))
        assert (np.abs(table.mean(axis=0) - 1.0) < 4.5 * spread).all()
