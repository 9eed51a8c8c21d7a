"""Every balancer in seeds/ keeps the contract, and the exact ones balance as the published form does."""

import inspect
import re

import numpy as np
import pytest
import torch
from seed_modules import SEEDS, grouped, loaded
from support import ROOT

from eplb_evolve.errors import CandidateFailure
from eplb_evolve.placement import Topology, balancedness, gpu_loads, initial_phy2log, transfers, verify
from eplb_evolve.proposer.engine import propose
from eplb_evolve.workload import catalog

WORKLOADS = catalog.names(ROOT / "workloads")
BLIND = ("fixed_spread", "never", "random_placement")
"""Policies that do not look at the load."""
EXACT = [file for file in SEEDS if re.search(r"^Exact: yes", file.read_text(), re.MULTILINE)]
INEXACT = [file for file in SEEDS if file not in EXACT and file.stem not in BLIND]
UNGROUPED = [file for file in SEEDS if re.search(r"^Groups: ignored", file.read_text(), re.MULTILINE)]
MOVEMENT_AWARE = [
    file for file in SEEDS if re.search(r"^def rebalance_experts.*old_phy2log", file.read_text(), re.MULTILINE)
]
FIXED = [file for file in SEEDS if file.stem == "masters_fixed"]
KEEPING = [file for file in SEEDS if file.stem in ("cpp_rounds", "cpp_simd", "numba_greedy", "torch_rounds")]
"""Those that keep memory from call to call."""
TOPOLOGIES = {
    "hierarchical": (12, Topology(16, 4, 2, 8)),
    "three groups, global": (12, Topology(16, 3, 2, 4)),
    "one group a node": (24, Topology(32, 4, 4, 8)),
    "no spare slot": (12, Topology(12, 4, 2, 6)),
    "one GPU": (12, Topology(20, 1, 1, 1)),
    "one slot a GPU": (12, Topology(16, 4, 2, 16)),
    "many spares": (8, Topology(48, 1, 1, 4)),
    "long rows, many GPUs": (160, Topology(240, 1, 1, 40)),
    "uneven lanes": (60, Topology(72, 4, 2, 12)),
}
NAMES = sorted(TOPOLOGIES)


@pytest.fixture(scope="module", params=grouped(SEEDS))
def seed(request):
    """One of the seeds: its module, and what its header says."""
    interpreted = request.param.stem.startswith("triton")
    if interpreted:
        pytest.importorskip("triton")
    module = loaded(request.param)
    module.most_layers = 2 if interpreted else 9
    module.most_wide_layers = 1 if interpreted else 9  # a second each
    module.fields = dict(re.findall(r"^(\w+): (.*)$", module.__doc__ or "", re.M))
    return module


@pytest.fixture(scope="module")
def published():
    """The published form."""
    return loaded(ROOT / "initial_program.py")


def loads(kind, layers, experts):
    """Loads [layers, experts] of one kind."""
    rng = np.random.default_rng(5)
    heavy = rng.lognormal(3, 1, (layers, experts)).round()
    match kind:
        case "heavy tail":
            array = heavy
        case "ties":
            array = rng.integers(1, 4, (layers, experts)).astype(float)
        case "equal":
            array = np.full((layers, experts), 7.0)
        case "zeros":
            array = np.where(rng.random((layers, experts)) < 0.6, 0.0, heavy)
            array[0] = 0.0
    return torch.from_numpy(array).float()


KINDS = ["heavy tail", "ties", "equal", "zeros"]


def planned(module, weight, topology, old=None, grouped=None):
    """The verified placement of a seed; by default under the group rule unless its header says that it ignores it."""
    if grouped is None:
        grouped = "Groups: ignored" not in (module.__doc__ or "")
    arguments = [weight.clone(), *topology.as_arguments()]
    if len(inspect.signature(module.rebalance_experts).parameters) == 6:
        if old is None:
            old = initial_phy2log(*weight.shape, topology.replicas)
        arguments.append(torch.from_numpy(old.copy()))
    result = module.rebalance_experts(*arguments)
    assert all(type(part) is torch.Tensor and part.dtype == torch.int64 for part in result)
    rules = topology if grouped else topology.without_groups()
    return verify(*(part.numpy() for part in result), tuple(weight.shape), rules)


def assert_as_balanced(seed, published, weight, topology):
    """Equal counts, whatever experts without load get, and equal loads of the GPUs."""
    ours, theirs = planned(seed, weight, topology), planned(published, weight, topology)
    assert (np.sort(ours.logcnt * (weight.numpy() > 0)) == np.sort(theirs.logcnt * (weight.numpy() > 0))).all()
    load = weight.double().numpy()
    mine, other = (np.sort(gpu_loads(load, each, topology.gpus), axis=1) for each in (ours, theirs))
    np.testing.assert_allclose(mine, other, rtol=1e-6)


def test_the_header_says_where_it_comes_from(seed):
    for name in ("Source", "Idea", "Complexity", "Exact", "Provenance"):
        assert seed.fields.get(name), f"{name} is missing"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", grouped(file for file in SEEDS if file.stem in BLIND), indirect=True)
def test_policies_that_do_not_look_at_the_load_are_valid(seed, name):
    experts, topology = TOPOLOGIES[name]
    one, other = (planned(seed, loads(kind, 5, experts), topology) for kind in ("heavy tail", "zeros"))
    assert (one.phy2log == other.phy2log).all()


@pytest.mark.parametrize("seed", grouped(INEXACT), indirect=True)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_placements_are_valid(seed, name, kind):
    """Those of the exact ones are verified below."""
    experts, topology = TOPOLOGIES[name]
    planned(seed, loads(kind, min(5, seed.most_layers), experts), topology)


@pytest.mark.parametrize("seed", grouped(UNGROUPED), indirect=True)
def test_forms_that_ignore_groups_tear_them_and_balance_as_if_there_were_none(seed, published):
    weight = torch.from_numpy(np.random.default_rng(5).lognormal(3, 1, (5, 64))).float()  # no ties
    topology = Topology(72, 8, 2, 8)
    with pytest.raises(CandidateFailure, match=r"expert group \d is on nodes \[0, 1\]"):
        planned(seed, weight, topology, grouped=True)
    free = topology.without_groups()
    ours, greedy = (planned(each, weight, free) for each in (seed, published))
    assert (np.sort(ours.logcnt) == np.sort(greedy.logcnt)).all()
    mine, best = (balancedness(gpu_loads(weight.double().numpy(), each, 8)) for each in (ours, greedy))
    assert 0.95 * best < mine < best


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.float64, torch.float16, torch.bfloat16])
def test_any_dtype_of_loads_will_do(seed, dtype):
    experts, topology = TOPOLOGIES["hierarchical"]
    planned(seed, loads("ties", 3, experts).to(dtype), topology)


@pytest.mark.parametrize("seed", grouped(EXACT), indirect=True)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_exact_forms_balance_as_the_published_one(seed, published, name, kind):
    experts, topology = TOPOLOGIES[name]
    weight = loads(kind, seed.most_wide_layers if experts > 100 else seed.most_layers, experts)
    assert_as_balanced(seed, published, weight, topology)


@pytest.mark.parametrize("seed", grouped(EXACT), indirect=True)
@pytest.mark.parametrize("name", WORKLOADS)
def test_exact_forms_balance_as_the_published_one_on_recorded_loads(seed, published, name):
    workload = catalog.load(name, ROOT / "workloads")
    load = workload.windows[workload.pairs("holdout")[0][0], : seed.most_wide_layers]
    assert_as_balanced(seed, published, torch.tensor(load).float(), workload.topology)


@pytest.mark.parametrize("seed", grouped(file for file in EXACT if file not in MOVEMENT_AWARE), indirect=True)
def test_exact_forms_give_the_placement_in_vllms_own_test(seed):
    load = [[90, 132, 40, 61, 104, 165, 39, 4, 73, 56, 183, 86], [20, 107, 104, 64, 19, 197, 187, 157, 172, 86, 16, 27]]
    placement = planned(seed, torch.tensor(load), Topology(16, 4, 2, 8))
    assert placement.phy2log.tolist() == [
        [5, 6, 5, 7, 8, 4, 3, 4, 10, 9, 10, 2, 0, 1, 11, 1],
        [7, 10, 6, 8, 6, 11, 8, 9, 2, 4, 5, 1, 5, 0, 3, 1],
    ]


def test_layers_do_not_depend_on_each_other(seed):
    experts, topology = TOPOLOGIES["hierarchical"]
    weight = loads("heavy tail", 6, experts)
    order = [4, 0, 5, 2]
    whole, part = planned(seed, weight, topology), planned(seed, weight[order], topology)
    if not seed.fields["Exact"].startswith("no; it balances by chance"):
        assert (whole.phy2log[order] == part.phy2log).all()


def test_twice_the_load_changes_nothing(seed):
    experts, topology = TOPOLOGIES["hierarchical"]
    weight = loads("heavy tail", 4, experts)
    assert (planned(seed, weight, topology).phy2log == planned(seed, weight * 2, topology).phy2log).all()


def test_the_loads_given_are_left_alone(seed):
    experts, topology = TOPOLOGIES["hierarchical"]
    weight = loads("heavy tail", 4, experts)
    before = weight.clone()
    arguments = [weight, *topology.as_arguments()]
    if len(inspect.signature(seed.rebalance_experts).parameters) == 6:
        arguments.append(torch.from_numpy(initial_phy2log(4, experts, topology.replicas)))
    seed.rebalance_experts(*arguments)
    assert torch.equal(weight, before)


@pytest.mark.parametrize("seed", grouped(KEEPING), indirect=True)
def test_one_expert_has_all_replicas(seed):
    assert (planned(seed, loads("heavy tail", 3, 1), Topology(4, 1, 1, 4)).logcnt == 4).all()


@pytest.mark.parametrize("seed", grouped(KEEPING), indirect=True)
def test_zeros_with_a_sign_are_zeros(seed):
    experts, topology = TOPOLOGIES["hierarchical"]
    weight = loads("zeros", 4, experts)
    signed = torch.where(weight == 0, -weight, weight)
    assert (planned(seed, weight, topology).logcnt == planned(seed, signed, topology).logcnt)[weight > 0].all()


@pytest.mark.parametrize("seed", grouped(KEEPING), indirect=True)
def test_later_calls_leave_earlier_results_alone(seed):
    experts, topology = TOPOLOGIES["hierarchical"]
    weight = loads("heavy tail", 40, experts).view(10, 4, experts)
    results = [seed.rebalance_experts(each, *topology.as_arguments()) for each in weight]
    for each, result in zip(weight, results, strict=True):
        again = seed.rebalance_experts(each, *topology.as_arguments())
        assert all(torch.equal(one, other) for one, other in zip(result, again, strict=True))


@pytest.mark.parametrize("seed", grouped(MOVEMENT_AWARE), indirect=True)
def test_movement_aware_forms_move_less_than_the_greedy(seed, published):
    topology = Topology(72, 4, 2, 8)
    weight = loads("heavy tail", 8, 64)
    rng = np.random.default_rng(0)
    later = weight * torch.from_numpy(rng.lognormal(0, 0.2, weight.shape)).float()
    old = planned(seed, weight, topology).phy2log
    greedy_old, greedy_new = (planned(published, load, topology).phy2log for load in (weight, later))
    new = planned(seed, later, topology, old).phy2log
    assert (old != new).mean() < (greedy_old != greedy_new).mean()
    assert transfers(old, new, 8, 64) <= transfers(greedy_old, greedy_new, 8, 64)  # one form moves within GPUs only


@pytest.mark.parametrize("name", WORKLOADS)
@pytest.mark.parametrize("seed", grouped(FIXED), indirect=True)
def test_fixed_masters_let_no_more_than_the_spare_slots_change(seed, name):
    workload = catalog.load(name, ROOT / "workloads")
    topology, windows = workload.topology, workload.windows[:6]
    experts = windows.shape[2]
    old = planned(seed, torch.tensor(windows[0]).float(), topology).phy2log
    for window in windows[1:]:
        new = planned(seed, torch.tensor(window).float(), topology, old).phy2log
        assert 0 < transfers(old, new, topology.gpus, experts) <= 1 - experts / topology.replicas
        old = new


@pytest.mark.parametrize("seed", grouped(FIXED), indirect=True)
@pytest.mark.parametrize("name", NAMES)
def test_each_expert_has_a_gpu_that_it_never_leaves(seed, name):
    """Whatever the loads, the order of the layers, and the placement from which it starts, with its groups torn."""
    experts, topology = TOPOLOGIES[name]
    rng = np.random.default_rng(1)
    old = np.roll(initial_phy2log(4, experts, topology.replicas), 1, axis=1)
    always = np.ones((4, topology.gpus, experts), bool)
    for _ in range(8):
        order = rng.permutation(4)
        weight = torch.from_numpy(rng.lognormal(0, 1, (4, experts))).float()
        old, always = planned(seed, weight, topology, old[order]).phy2log, always[order]
        has = np.zeros_like(always)
        has[np.arange(4)[:, None], np.arange(topology.replicas) // (topology.replicas // topology.gpus), old] = True
        always &= has
    assert always.any(1).all()


@pytest.mark.parametrize("file", SEEDS, ids=lambda file: file.stem)
def test_a_search_can_start_from_it(file):
    source = file.read_text()
    child = propose(source, seed=0).source
    assert child != source
    assert [line for line in child.splitlines() if "EVOLVE-BLOCK" in line] == [
        line for line in source.splitlines() if "EVOLVE-BLOCK" in line
    ]
