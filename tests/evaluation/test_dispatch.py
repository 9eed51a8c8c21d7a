"""Linear programs against subsets of GPUs, and the nearest replica against loops over sources."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eplb_evolve.evaluation.dispatch import least_peaks, nearest_loads, sampled
from eplb_evolve.placement import Placement, Topology, balancedness, count_replicas, gpu_loads


def placed(*layers, experts):
    """The placement of these rows of phy2log."""
    phy2log = np.array(layers, dtype=np.int64)
    return Placement(phy2log, count_replicas(phy2log, experts))


@st.composite
def placements(draw, most_gpus=6):
    """A placement of random experts, every one of which has a slot, its loads and its topology."""
    nodes, gpus_each, slots = draw(st.integers(1, 3)), draw(st.integers(1, most_gpus // 3)), draw(st.integers(1, 4))
    gpus = nodes * gpus_each
    experts, layers = draw(st.integers(1, gpus * slots)), draw(st.integers(1, 3))
    spare = st.lists(st.integers(0, experts - 1), min_size=gpus * slots - experts, max_size=gpus * slots - experts)
    rows = [draw(st.permutations([*range(experts), *draw(spare)])) for _ in range(layers)]
    load = st.lists(st.integers(0, 9), min_size=experts, max_size=experts)
    loads = np.array([draw(load) for _ in range(layers)], dtype=float)
    return loads, placed(*rows, experts=experts), Topology(gpus * slots, 1, nodes, gpus)


def test_a_dispatch_evens_out_what_equal_shares_do_not():
    """Expert 0 has 6 tokens on both GPUs, expert 1 has 4 on the first, expert 2 none: 5 each, not 7 and 3."""
    plan, load = placed([0, 1, 0, 2], experts=3), np.array([[6.0, 4.0, 0.0]])
    assert gpu_loads(load, plan, 2).tolist() == [[7.0, 3.0]]
    assert least_peaks(load, plan, 2) == pytest.approx([5.0])


def test_a_dispatch_cannot_move_what_has_one_replica():
    plan, load = placed([0, 1, 0, 2], experts=3), np.array([[1.0, 8.0, 0.0]])
    assert least_peaks(load, plan, 2) == pytest.approx([8.0])


def test_each_layer_has_its_own_least_peak():
    plan = placed([0, 1, 0, 2], [0, 1, 0, 2], [0, 1, 0, 2], experts=3)
    load = np.array([[6.0, 4.0, 0.0], [0.0, 0.0, 0.0], [1.0, 8e6, 0.0]])
    assert least_peaks(load, plan, 2) == pytest.approx([5.0, 0.0, 8e6])


def best_of_subsets(load, row, gpus):
    """The largest load per GPU of the experts that some set of GPUs holds alone: what no dispatch can avoid."""
    homes = [set(np.flatnonzero(np.array(row) == expert) // (len(row) // gpus)) for expert in range(len(load))]
    sets = [set(chosen) for size in range(1, gpus + 1) for chosen in combinations(range(gpus), size)]
    return max(sum(own for own, home in zip(load, homes, strict=True) if home <= one) / len(one) for one in sets)


@settings(max_examples=60, deadline=None)
@given(placements())
def test_the_least_peak_is_what_no_set_of_gpus_can_avoid(case):
    loads, plan, topology = case
    wanted = [best_of_subsets(load, row, topology.gpus) for load, row in zip(loads, plan.phy2log, strict=True)]
    assert least_peaks(loads, plan, topology.gpus) == pytest.approx(wanted)


@settings(max_examples=60, deadline=None)
@given(placements())
def test_no_dispatch_has_a_lower_peak(case):
    loads, plan, topology = case
    least = least_peaks(loads, plan, topology.gpus)
    for spread in (gpu_loads(loads, plan, topology.gpus), nearest_loads(loads, plan, topology)):
        assert (spread.max(axis=1) >= least * (1 - 1e-9)).all()
        assert spread.sum(axis=1) == pytest.approx(loads.sum(axis=1))


@settings(max_examples=30, deadline=None)
@given(st.permutations(range(12)), st.sampled_from([(1, 2), (2, 4), (3, 6)]))
def test_of_one_replica_each_every_dispatch_is_the_same(row, servers):
    nodes, gpus = servers
    load, plan = np.arange(12.0)[None], placed(row, experts=12)
    even = gpu_loads(load, plan, gpus)
    assert nearest_loads(load, plan, Topology(12, 1, nodes, gpus)) == pytest.approx(even)
    assert least_peaks(load, plan, gpus) == pytest.approx(even.max(axis=1))


def test_the_nearest_replica_is_on_the_same_gpu_then_on_the_same_node():
    """Two nodes of two GPUs; expert 0 is on GPU 0 and GPU 3, so each has its node's tokens, expert 1 on GPU 1."""
    plan = placed([0, 1, 2, 0], experts=3)
    assert nearest_loads(np.array([[8.0, 4.0, 0.0]]), plan, Topology(4, 1, 2, 4)).tolist() == [[4.0, 4.0, 0.0, 4.0]]


def test_the_first_replica_of_a_node_serves_its_other_gpus():
    """Three nodes of three GPUs; expert 0 is on GPUs 0, 1 and 3: GPU 0 serves 2, GPU 1 itself, GPU 3 its whole node.

    The last node has none; its three GPUs are dealt out to the three replicas.
    """
    plan, load = placed([0, 0, 1, 0, 2, 3, 4, 5, 6], experts=7), np.array([[9.0, 0, 0, 0, 0, 0, 0]])
    assert nearest_loads(load, plan, Topology(9, 1, 3, 9)).tolist() == [[3.0, 2.0, 0.0, 4.0, 0.0, 0.0, 0.0, 0.0, 0.0]]


def test_on_one_node_the_gpus_without_a_replica_are_dealt_out():
    """Four GPUs, expert 0 on the first two: each serves itself and one of the others."""
    plan, load, servers = placed([0, 0, 1, 2], experts=3), np.array([[4.0, 0.0, 0.0]]), Topology(4, 1, 1, 4)
    assert nearest_loads(load, plan, servers).tolist() == [[2.0, 2.0, 0.0, 0.0]]
    assert nearest_loads(load, plan, servers, always=True).tolist() == [[3.0, 1.0, 0.0, 0.0]]


def looped(load, row, topology, always):
    """Sources of each slot by the rule, one by one, and how many each expert has left to deal out."""
    per_gpu, per_node = topology.replicas // topology.gpus, topology.replicas // topology.nodes
    slots, left = np.zeros(topology.replicas), np.zeros(len(load), dtype=int)
    for expert in range(len(load)):
        mine = [slot for slot, held in enumerate(row) if held == expert]
        for source in range(topology.gpus):
            node = source // (topology.gpus // topology.nodes)
            own = [slot for slot in mine if slot // per_gpu == source]
            near = [slot for slot in mine if slot // per_node == node]
            if own:
                slots[own[0]] += 1
            elif near and (always or len(near) < len(mine)):
                slots[near[0]] += 1
            else:
                left[expert] += 1
    return slots, left


@settings(max_examples=60, deadline=None)
@given(placements(most_gpus=12), st.booleans())
def test_sources_are_shared_out_as_the_rule_says(case, always):
    """With a load of an expert that is the number of GPUs, a slot's load is the number of its sources."""
    loads, plan, topology = case
    row = plan.phy2log[:1]
    for expert in range(loads.shape[1]):
        load = np.zeros(loads.shape[1])
        load[expert] = topology.gpus
        fixed, left = looped(load, row[0], topology, always)
        mine = row[0] == expert
        found = nearest_loads(load[None], Placement(row, plan.logcnt[:1]), topology, always)[0]
        least = np.where(mine, fixed + left[expert] // mine.sum(), 0).reshape(topology.gpus, -1)
        extra = found - least.sum(axis=1)
        assert (extra > -1e-9).all()
        assert (extra < mine.reshape(topology.gpus, -1).sum(axis=1) + 1e-9).all()
        assert extra.sum() == pytest.approx(left[expert] % mine.sum())


def test_every_program_is_judged_on_the_same_calls():
    assert list(sampled(range(40), 12)) == list(sampled(range(12), 12)) == [*range(1, 11)]
    assert list(sampled(range(40), 6)) == list(sampled(range(6), 6)) == [*range(1, 6)]
    assert list(sampled(range(1), 6)) == [0]


def test_idle_layers_are_perfectly_balanced():
    plan, load = placed([0, 1, 0, 2], experts=3), np.zeros((1, 3))
    assert balancedness(nearest_loads(load, plan, Topology(4, 1, 1, 2))) == 1.0
    assert least_peaks(load, plan, 2).tolist() == [0.0]
