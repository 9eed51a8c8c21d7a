"""Topology, validity, balancedness and transfers, against plain loops."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eplb_evolve import reference
from eplb_evolve.errors import CandidateFailure, UsageError
from eplb_evolve.placement import (
    Placement,
    balancedness,
    balancedness_layers,
    gpu_loads,
    initial_phy2log,
    transfers,
    verify,
)
from eplb_evolve.topology import FIELDS, MOST, Topology, topology_for


@st.composite
def problems(draw):
    """(load [L, E], topology) of any shape that a candidate must handle."""
    nodes = draw(st.integers(1, 3))
    gpus = nodes * draw(st.integers(1, 3))
    groups = draw(st.sampled_from([1, nodes, 2 * nodes, 2 * nodes + 1]))
    experts = groups * draw(st.integers(1, 4))
    per_gpu = -(-experts // gpus) + draw(st.integers(0, 2))
    topology = Topology(per_gpu * gpus, groups, nodes, gpus)
    layers = draw(st.integers(1, 3))
    values = st.integers(0, 5) | st.integers(0, 10**6)
    load = draw(st.lists(values, min_size=layers * experts, max_size=layers * experts))
    return np.array(load, np.float64).reshape(layers, experts), topology


def solve(load, topology):
    """The reference's three arrays."""
    phy2log, rank, logcnt = reference.plan(load, *topology.as_arguments())
    log2phy = np.full((*load.shape, int(logcnt.max())), -1)
    for layer, slot in np.ndindex(phy2log.shape):
        log2phy[layer, phy2log[layer, slot], rank[layer, slot]] = slot
    return phy2log, log2phy, logcnt


@given(problems())
def test_the_reference_is_valid_on_every_shape(problem):
    """Ties, zero rows, R = E, one GPU, hierarchical and global: the exact greedy passes every rule."""
    load, topology = problem
    verify(*solve(load, topology), load.shape, topology)


@given(problems())
def test_gpu_loads_match_a_plain_loop(problem):
    load, topology = problem
    phy2log, _, logcnt = solve(load, topology)
    expected = np.zeros((len(load), topology.gpus))
    for layer, slot in np.ndindex(phy2log.shape):
        expert = phy2log[layer, slot]
        expected[layer, slot // (topology.replicas // topology.gpus)] += load[layer, expert] / logcnt[layer, expert]
    loads = gpu_loads(load, Placement(phy2log, logcnt), topology.gpus)
    np.testing.assert_allclose(loads, expected)
    assert 0 < balancedness(loads) <= 1 + 1e-9
    assert balancedness_layers(loads).min() <= balancedness(loads) + 1e-9


@given(problems(), st.randoms(use_true_random=False))
def test_transfers_match_a_plain_loop(problem, random):
    load, topology = problem
    new, _, _ = solve(load, topology)
    old = new[:, random.sample(range(new.shape[1]), new.shape[1])]
    per_gpu = topology.replicas // topology.gpus
    moved = 0
    for layer, slot in np.ndindex(new.shape):
        first = slot // per_gpu * per_gpu
        moved += new[layer, slot] not in old[layer, first : first + per_gpu]
    assert transfers(old, new, topology.gpus, load.shape[1]) == pytest.approx(moved / new.size)


def test_nothing_moves_when_nothing_changed():
    phy2log = initial_phy2log(2, 6, 8)
    assert transfers(phy2log, phy2log, 4, 6) == 0
    assert phy2log[0].tolist() == [0, 1, 2, 3, 4, 5, 0, 1]


def test_vllm_and_sglang_figures_differ_where_layers_weigh_differently():
    loads = np.array([[30.0, 10.0], [1.0, 1.0]])
    assert balancedness(loads) == pytest.approx((20 + 1) / (30 + 1))
    assert balancedness_layers(loads).tolist() == pytest.approx([20 / 30, 1.0])


def test_idle_layers_count_as_balanced():
    assert balancedness(np.zeros((2, 4))) == 1
    assert balancedness_layers(np.zeros((2, 4))).tolist() == [1, 1]


GROUPED = Topology(replicas=8, groups=4, nodes=2, gpus=4)


def grouped():
    """A valid hierarchical placement: 2 layers, 8 experts in 4 groups, 8 slots on 2 nodes."""
    rng = np.random.default_rng(1)
    return list(solve(rng.integers(1, 50, (2, 8)).astype(float), GROUPED))


def swap_slots(arrays, layer, one, other):
    """Swap two slots consistently, so that only the group rule can break."""
    phy2log, log2phy, _ = arrays
    phy2log[layer, [one, other]] = phy2log[layer, [other, one]]
    log2phy[layer] = -1
    for slot, expert in enumerate(phy2log[layer]):
        log2phy[layer, expert, 0] = slot


def test_a_torn_group_is_named():
    arrays = grouped()
    swap_slots(arrays, 1, 0, 7)
    with pytest.raises(CandidateFailure, match=r"layer 1: expert group \d is on nodes \[0, 1\].*expert \d is in slot"):
        verify(*arrays, (2, 8), GROUPED)


def test_groups_must_be_shared_out_equally():
    """Three small groups on one node and one on the other: no group is torn, the rule is broken all the same."""
    topology = Topology(replicas=6, groups=4, nodes=2, gpus=2)
    phy2log = np.array([[0, 1, 2, 3, 3, 3]])
    logcnt = np.array([[1, 1, 1, 3]])
    log2phy = np.array([[[0, -1, -1], [1, -1, -1], [2, -1, -1], [3, 4, 5]]])
    with pytest.raises(CandidateFailure, match=r"layer 0: node 0 .* holds 3 expert groups, it must hold 2"):
        verify(phy2log, log2phy, logcnt, (1, 4), topology)


@pytest.mark.parametrize(
    ("array", "index", "value", "reason"),
    [
        (0, (1, 3), 8, r"layer 1: phy2log\[3\] is 8, not a logical expert \(0..7\)"),
        (0, (0, 0), -1, r"layer 0: phy2log\[0\] is -1"),
        (2, (1, 5), 2, r"layer 1: logcnt of expert 5 is 2, but phy2log holds 1"),
        (1, (0, 2, 0), 9, r"layer 0: log2phy of expert 2 names slot 9"),
        (1, (0, 2, 0), -1, r"layer 0: log2phy of expert 2 names slot -1"),
    ],
)
def test_each_broken_rule_names_layer_and_expert(array, index, value, reason):
    arrays = grouped()
    arrays[array][index] = value
    with pytest.raises(CandidateFailure, match=reason):
        verify(*arrays, (2, 8), GROUPED)


def test_an_expert_without_a_replica_is_named():
    arrays = grouped()
    lost, kept = arrays[0][1, 0], arrays[0][1, 1]
    arrays[0][1, 0] = kept
    with pytest.raises(CandidateFailure, match=f"layer 1: expert {lost} has no replica"):
        verify(*arrays, (2, 8), GROUPED)


def test_log2phy_must_be_the_inverse_of_phy2log():
    arrays = grouped()
    arrays[1][0, [2, 3]] = arrays[1][0, [3, 2]]
    with pytest.raises(CandidateFailure, match=r"layer 0: log2phy gives slot \d to expert 2, but phy2log gives it to"):
        verify(*arrays, (2, 8), GROUPED)


def two_replicas():
    """One layer, two experts, three slots: expert 0 twice."""
    return [np.array([[0, 0, 1]]), np.array([[[0, 1], [2, -1]]]), np.array([[2, 1]])]


def test_log2phy_may_not_name_a_slot_twice():
    arrays = two_replicas()
    arrays[1][0, 0] = [1, 1]
    with pytest.raises(CandidateFailure, match="layer 0: log2phy of expert 0 names slot 1 more than once"):
        verify(*arrays, (1, 2), Topology(3, 1, 1, 1))


def test_log2phy_must_be_padded_with_minus_one():
    arrays = two_replicas()
    arrays[1][0, 1, 1] = 0
    with pytest.raises(CandidateFailure, match="log2phy of expert 1 must be -1 after its first 1 entries"):
        verify(*arrays, (1, 2), Topology(3, 1, 1, 1))


def test_log2phy_must_be_wide_enough():
    arrays = two_replicas()
    arrays[1] = arrays[1][:, :, :1]
    with pytest.raises(CandidateFailure, match="room for 1 replicas, but expert 0 has 2"):
        verify(*arrays, (1, 2), Topology(3, 1, 1, 1))


@pytest.mark.parametrize("which", [0, 1, 2])
def test_wrong_shapes_are_said(which):
    arrays = two_replicas()
    arrays[which] = arrays[which][:, :-1]
    with pytest.raises(CandidateFailure, match=r"has shape .*, expected"):
        verify(*arrays, (1, 2), Topology(3, 1, 1, 1))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((290, 8, 4, 32), "290 replicas do not divide among 32 GPUs; use 288"),
        ((288, 8, 5, 32), "32 GPUs do not divide among 5 nodes"),
        ((0, 1, 1, 1), "replicas must be a positive whole number"),
        ((8, 1, 1, True), "gpus must be a positive whole number"),
    ],
)
def test_a_topology_that_does_not_divide_is_refused(values, message):
    with pytest.raises(UsageError, match=message):
        Topology(*values)


NUMBERS = st.integers(1, 40) | st.integers(1, 4000) | st.integers(1, MOST)


@given(st.integers(1, 4096), NUMBERS, NUMBERS, NUMBERS, NUMBERS)
def test_the_topology_that_a_message_advises_is_accepted(experts, replicas, groups, nodes, gpus):
    """Whatever is wrong with the numbers; those that fit are answered with themselves."""
    try:
        found = topology_for(experts, replicas, groups, nodes, gpus, form="{name}={value}")
    except UsageError as problem:
        advised = dict(word.split("=") for word in str(problem).split("experts: ")[1].split())
        found = topology_for(experts, **{name: int(value) for name, value in advised.items()})
        assert found.gpus == gpus
        assert groups % nodes != 0 or found.hierarchical
    else:
        assert found == Topology(replicas, groups, nodes, gpus)


@given(NUMBERS, NUMBERS)
def test_the_multiples_that_a_topology_advises_are_accepted(replicas, gpus):
    """Where nobody knows the number of experts, the message says for how many each is enough."""
    try:
        Topology(replicas, 1, 1, gpus)
    except UsageError as problem:
        for advised in re.findall(r"(\d+) for up to (\d+) experts", str(problem)):
            Topology(int(advised[0]), 1, 1, gpus).check_experts(int(advised[1]) if int(advised[1]) <= MOST // 2 else 1)


@pytest.mark.parametrize("value", [0, -1, True, 1.0, float("nan"), "8", None, 10**6 + 1, 2**64, 10**400])
@pytest.mark.parametrize("name", FIELDS)
def test_a_topology_has_positive_whole_numbers(name, value):
    with pytest.raises(UsageError, match=f"topology: {name} must be a positive whole number"):
        Topology(**(dict.fromkeys(FIELDS, 1) | {name: value}))


def test_experts_must_fit_the_topology():
    with pytest.raises(UsageError, match="10 experts do not divide into 4 groups"):
        GROUPED.check_experts(10)
    with pytest.raises(UsageError, match="8 replicas cannot hold 12 experts"):
        GROUPED.check_experts(12)


@settings(max_examples=30)
@given(problems(), st.integers(0, 2**32 - 1))
def test_permuting_layers_permutes_the_reference(problem, seed):
    """Layers are planned independently."""
    load, topology = problem
    order = np.random.default_rng(seed).permutation(len(load))
    assert np.array_equal(solve(load[order], topology)[0], solve(load, topology)[0][order])
