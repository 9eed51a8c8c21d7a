"""benchmarks/optimality.py: the optimum of small shapes is what trying everything finds."""

import importlib
import itertools
import sys

import numpy as np
import pytest
from support import ROOT

from eplb_evolve.placement import Topology


@pytest.fixture
def optimality(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    yield importlib.import_module("optimality")
    for name in ("optimality", "algorithms", "algorithms_report"):
        sys.modules.pop(name, None)


def least_by_trial(load, topology):
    """The fullest GPU's load of the best of all placements."""
    experts, room = len(load), topology.replicas // topology.gpus
    best = np.inf
    for further in itertools.combinations_with_replacement(range(experts), topology.replicas - experts):
        counts = np.bincount(further, minlength=experts) + 1
        shares = np.repeat(load / counts, counts)
        for order in set(itertools.permutations(np.repeat(np.arange(topology.gpus), room).tolist())):
            best = min(best, np.bincount(order, shares).max())
    return best


@pytest.mark.parametrize("topology", [Topology(6, 1, 1, 2), Topology(6, 1, 1, 3)])
@pytest.mark.parametrize("seed", range(3))
def test_no_placement_is_better_than_the_optimum_and_one_reaches_it(optimality, topology, seed):
    load = np.random.default_rng(seed).lognormal(4, 1, 4).round()
    found, proven = optimality.optimum(load, topology, seconds=30)
    assert proven
    assert found == pytest.approx(least_by_trial(load, topology), rel=1e-6)
    assert optimality.least_of_any(load, topology) <= found * (1 + 1e-6)


@pytest.mark.parametrize(("topology", "least"), [(Topology(4, 1, 1, 4), 90.0), (Topology(6, 1, 1, 2), 47.0)])
def test_nothing_is_under_the_largest_replica_nor_under_the_mean(optimality, topology, least):
    assert optimality.least_of_any(np.array([90.0, 2.0, 1.0, 1.0]), topology) == least
