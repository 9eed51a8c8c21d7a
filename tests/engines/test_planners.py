"""Seeds that stand for engines plan as the released modules do. `make test` fetches these; elsewhere the tests skip."""

import dataclasses
import re

import numpy as np
import pytest
import torch
from support import ROOT

from engines import modules
from engines.comparison import COUNTERPARTS, cases, compare
from engines.fetch import is_fetched, versions
from eplb_evolve.placement import Topology

fetched = pytest.mark.skipif(not is_fetched(), reason="no files of vLLM and SGLang; python tests/engines/fetch.py")
one_process = pytest.mark.xdist_group("engines")
IDS = [f"{each.seed} as {each.module}" for each in COUNTERPARTS]
SOME = 3
"""Windows of each workload; benchmarks/engines.py has all of them."""
PUBLISHED_FORM = "deepseek"
"""initial_program.py: its text is the yardstick, and stays as it is."""


@pytest.fixture(scope="module")
def workloads():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield {name: (windows[:SOME], topology) for name, (windows, topology) in cases().items()}
    torch.set_num_threads(threads)


@fetched
@one_process
@pytest.mark.parametrize("counterpart", COUNTERPARTS, ids=IDS)
def test_loads_and_replicas_are_the_modules(counterpart, workloads):
    found = {name: compare(counterpart, *case) for name, case in workloads.items()}
    assert len(found) == 5
    assert {name: each for name, each in found.items() if not each.is_equal} == {}
    if counterpart.keeps_slots:
        assert {each.kept for each in found.values()} == {each.kept_there for each in found.values()} == {1.0}


@fetched
@one_process
@pytest.mark.parametrize("counterpart", COUNTERPARTS, ids=IDS)
def test_ties_and_experts_without_load_too(counterpart):
    """vLLM's first call, when a server starts, has no load at all."""
    rng = np.random.default_rng(0)
    nothing = np.zeros((3, 64))
    ties = rng.integers(1, 4, (3, 64)).astype(float)
    sparse = np.where(rng.random((3, 64)) < 0.6, 0.0, rng.lognormal(3, 1, (3, 64)).round())
    for topology in (Topology(80, 8, 4, 16), Topology(80, 1, 4, 8)):
        assert compare(counterpart, [nothing, ties, sparse], topology).is_equal


@fetched
@one_process
def test_the_fetched_policy_gives_the_placement_in_vllms_own_test():
    load = [[90, 132, 40, 61, 104, 165, 39, 4, 73, 56, 183, 86], [20, 107, 104, 64, 19, 197, 187, 157, 172, 86, 16, 27]]
    with modules.vllm_policy() as policy:
        assert policy.rebalance_experts(torch.tensor(load), 16, 4, 2, 8).tolist() == [
            [5, 6, 5, 7, 8, 4, 3, 4, 10, 9, 10, 2, 0, 1, 11, 1],
            [7, 10, 6, 8, 6, 11, 8, 9, 2, 4, 5, 1, 5, 0, 3, 1],
        ]


@fetched
@one_process
def test_another_algorithm_is_told_apart(workloads):
    greedy, snake = (next(each for each in COUNTERPARTS if each.seed == seed) for seed in ("deepseek", "sglang_vec"))
    found = compare(dataclasses.replace(snake, opened=greedy.opened), *workloads["dsv3-composite"])
    assert not found.is_equal
    assert found.load_gap > 0.01


@fetched
@one_process
def test_sglangs_static_dispatch_prefers_the_gpu_then_the_node():
    """4 GPUs in 2 nodes; GPUs 0 and 1 have one replica of expert 1 between them, 2 and 3 have none."""
    log2phy = torch.tensor([[[0, 2, 4, 6], [3, -1, -1, -1], [1, 7, -1, -1], [5, -1, -1, -1]]])
    topology = Topology(8, 1, 2, 4)
    with modules.sglang_expert_location(topology) as location:
        found = [
            location.compute_logical_to_rank_dispatch_physical_map(log2phy, topology.gpus, topology.replicas, gpu)
            for gpu in range(topology.gpus)
        ]
    assert np.stack([each[0].numpy() for each in found]).tolist() == [
        [0, 3, 1, 5],  # expert 2 here
        [2, 3, 1, 5],  # expert 2 on the node
        [4, 3, 7, 5],
        [6, 3, 7, 5],
    ]


def declared():
    """What the headers in seeds/ say that they are held against."""
    found = {}
    for file in sorted((ROOT / "seeds").glob("*.py")):
        match = re.search(r"^Held against: (.*)$", file.read_text(), re.MULTILINE)
        if match is not None:
            found[file.stem] = match[1]
    return found


def test_headers_name_the_modules_and_versions_that_they_are_held_against():
    said = {seed: text for seed, text in declared().items() if not text.startswith("nothing")}
    for each in COUNTERPARTS:
        if each.seed != PUBLISHED_FORM and "elasticity" not in each.module:
            assert said.pop(each.seed).startswith(f"{each.engine} {versions()[each.engine]}, {each.module}")
    assert said == {}


@pytest.mark.parametrize("seed", ["trtllm_heaps", "swift_like", "flashlb_like", "hot_everywhere", "masters_fixed"])
def test_the_others_say_that_they_come_from_a_description(seed):
    assert declared()[seed].startswith("nothing; from its description")
    assert seed not in {each.seed for each in COUNTERPARTS}
