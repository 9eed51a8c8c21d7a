"""Perturbed inputs: same difficulty, new bytes, and a way back."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from eplb_evolve.evaluation.inputs import perturb

LOADS = np.random.default_rng(0).integers(1, 1000, (6, 24)).astype(float)
NEXT = LOADS[::-1] + 0.5


def drawn(seed, groups=4):
    return perturb(LOADS, NEXT, groups, np.random.default_rng(seed))


@given(st.integers(0, 2**32 - 1))
def test_groups_stay_together_and_loads_stay_what_they_were(seed):
    """Up to scale and 0.1 % noise, each row is a layer with its groups, and experts within groups, shuffled."""
    inputs = drawn(seed)
    original = LOADS[inputs.layer_order]
    ratio = inputs.weight / np.take_along_axis(original, inputs.expert_order, axis=1)
    assert ratio.std() / ratio.mean() < 0.002
    groups = inputs.expert_order.reshape(6, 4, 6) // 6
    assert (groups == groups[:, :, :1]).all()
    assert (np.sort(inputs.expert_order, axis=1) == np.arange(24)).all()
    np.testing.assert_array_equal(
        inputs.next_load, np.take_along_axis(NEXT[inputs.layer_order], inputs.expert_order, axis=1)
    )


@given(st.integers(0, 2**32 - 1))
def test_placements_translate_there_and_back(seed):
    inputs = drawn(seed)
    phy2log = np.random.default_rng(seed).integers(0, 24, (6, 30))
    assert np.array_equal(inputs.from_workload_order(inputs.to_workload_order(phy2log)), phy2log)


def test_a_translated_placement_names_the_same_loads():
    inputs = drawn(3)
    phy2log = np.tile(np.arange(24), (6, 1))
    back = inputs.to_workload_order(phy2log)
    mine = np.take_along_axis(inputs.next_load, phy2log, axis=1)
    theirs = np.take_along_axis(NEXT, back, axis=1)[inputs.layer_order]
    np.testing.assert_array_equal(mine, theirs)


def test_no_two_calls_see_the_same_bytes():
    rng = np.random.default_rng(0)
    seen = {perturb(LOADS, NEXT, 4, rng).weight.tobytes() for _ in range(50)}
    assert len(seen) == 50
