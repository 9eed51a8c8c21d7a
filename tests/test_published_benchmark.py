"""benchmarks/published.py: its programs do what their names say, and its last line adds up."""

import importlib
import sys

import pytest
from clocked import Clocked
from support import ROOT

from eplb_evolve.evaluation.published.judging import Figures, Published, published
from eplb_evolve.evaluation.settings import Settings
from eplb_evolve.evaluation.task import build_task
from eplb_evolve.topology import Topology


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    yield importlib.import_module("published")
    sys.modules.pop("published", None)


@pytest.fixture
def said(benchmark, tmp_path):
    """What the public evaluators would say of a program by its name, on a small workload with groups."""
    topology = Topology(40, groups=4, nodes=2, gpus=8)
    task = build_task([ROOT / "workloads"], "gptoss20b-phased", [], Settings(), "holdout", topology)
    return lambda name: published(benchmark.written(name, tmp_path), task, Clocked())


def test_a_seed_that_ignores_groups_has_the_better_scores(said):
    kept, torn = said("adrs_snake"), said("snake_no_groups")
    assert kept.groups_kept
    assert not torn.groups_kept
    assert torn.log2phy_right
    assert torn.leaderboard_score > kept.leaderboard_score
    assert torn.figures.expert_balancedness > kept.figures.expert_balancedness


def test_everything_everywhere_is_perfectly_balanced(said):
    found = said("everywhere")
    assert (found.figures.expert_balancedness, found.figures.gpu_balancedness) == (1, 1)
    assert not found.groups_kept
    assert not found.log2phy_right


def test_the_limit_is_half_the_balance_and_what_the_simulation_leaves_for_speed(benchmark):
    def seen(balancedness, groups, maps):
        return Published(0.1, 70.0, groups, maps, figures=Figures(balancedness, 0.8, 1.0, 500.0, 2.0, 5))

    refused = Published(0.0, 0.0, False, False, "why")
    right = seen(0.3, True, True)
    said = benchmark.limit([seen(1.0, True, False), right, seen(0.4, False, True), refused])
    assert "gets 0.1520 from SkyDiscover" in said
    assert "0.1500 for balance, 0.0020 for speed" in " ".join(said.split())
