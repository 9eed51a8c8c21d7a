"""What the public evaluators would say: formulas and simulation by hand, and programs that fool one or both."""

import numpy as np
import pytest
from clocked import Clocked, taking
from support import ROOT

from eplb_evolve.evaluation.published.formulas import leaderboard_score, refusal, skydiscover_score
from eplb_evolve.evaluation.published.judging import ROUNDS, published
from eplb_evolve.evaluation.published.simulation import simulate
from eplb_evolve.evaluation.settings import Settings
from eplb_evolve.evaluation.task import build_task
from eplb_evolve.topology import Topology

AS_THE_REFERENCE = "from eplb_evolve.reference import rebalance_experts as honest\nimport torch\n\n\n"
HEADER = "def rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus):\n"
PLAN = "    phy2log, log2phy, logcnt = honest(weight, num_replicas, num_groups, num_nodes, num_gpus)\n"


@pytest.fixture
def small_task(monkeypatch):
    """A shipped trace with two pairs of windows, and four groups on two nodes."""
    topology = Topology(40, groups=4, nodes=2, gpus=8)
    task = build_task([ROOT / "workloads"], "gptoss20b-phased", [], Settings(), "holdout", topology)
    monkeypatch.setattr(type(task.workload.card.split), "pairs", lambda *_: ((20, 21), (21, 22)))
    return task


@pytest.mark.parametrize(
    ("balancedness", "seconds", "score"),
    [(0.3, 0.5, 0.152), (0.3, 0.0001, 10.15), (0.0, 0.002, 0.5)],
)
def test_skydiscovers_score(balancedness, seconds, score):
    assert skydiscover_score(balancedness, seconds) == pytest.approx(score)


@pytest.mark.parametrize(
    ("balancedness", "seconds", "score"),
    [
        (0.8, 0.0001, 82.0),  # 72 + 10: below a millisecond nothing counts
        (0.8, 0.001, 82.0),
        (0.8, 0.002, 77.0),
        (0.8, 0.01, 73.0),  # not slow yet
        (0.8, 0.02, 72.1),  # 72 + 0.5 - 0.4
        (0.8, 5.0, 52.002),  # no more than 20 points less
    ],
)
def test_the_leaderboards_score(balancedness, seconds, score):
    assert leaderboard_score(balancedness, seconds) == pytest.approx(score)


LOAD = np.array([[6.0, 2.0]])
"""One layer, two experts."""


@pytest.mark.parametrize(
    ("log2phy", "logcnt", "slots"),
    [
        ([[[0, 1], [2, -1]]], [[2, 1]], [3, 3, 2, 0]),  # the heavier expert twice; a slot is free
        ([[[0, 1, 3], [2, -1, -1]]], [[3, 1]], [2, 2, 2, 2]),
        ([[[0, 0], [2, 3]]], [[2, 2]], [3, 0, 1, 1]),  # named twice: one share is lost
        ([[[0, -1], [2, 3]]], [[2, 2]], [3, 0, 1, 4]),  # -1 is the last slot
        ([[[1], [1]]], [[2, 2]], [0, 4, 0, 0]),  # too narrow: what is missing is lost; slots are shared
        ([[[[0, 1, 2, 3]], [[0, 1, 2, 3]]]], [[3, 1]], [4, 4, 4, 4]),  # a fourth dimension: everything everywhere
        ([[[0, 1], [2, 3]]], [[0, 1]], [0, 0, 2, 0]),  # no replicas: that load is skipped
    ],
)
def test_load_is_spread_by_log2phy_alone(log2phy, logcnt, slots):
    seen = simulate(np.array(log2phy), np.array(logcnt), LOAD, replicas=4, gpus=2)
    by_gpu = [slots[0] + slots[1], slots[2] + slots[3]]
    assert seen.experts == pytest.approx(sum(slots) / 4 / max(slots))
    assert seen.gpus == pytest.approx(sum(by_gpu) / 2 / max(by_gpu))
    assert seen.seconds > 0


def test_layers_are_summed_before_the_ratio():
    log2phy, logcnt = np.array([[[0], [1]], [[0], [1]]]), np.ones((2, 2), np.int64)
    seen = simulate(log2phy, logcnt, np.array([[9.0, 1.0], [2.0, 2.0]]), replicas=2, gpus=2)
    assert seen.gpus == seen.experts == pytest.approx((5 + 2) / (9 + 2))


def test_without_load_the_balance_is_0():
    seen = simulate(np.zeros((1, 2, 1), np.int64), np.ones((1, 2), np.int64), np.zeros((1, 2)), replicas=2, gpus=2)
    assert (seen.experts, seen.gpus) == (0, 0)


@pytest.mark.parametrize("log2phy", [[[[4], [0]]], [[[-5], [0]]], [[0, 1]], [[[0]]]])
def test_what_their_simulation_cannot_follow_is_none(log2phy):
    assert simulate(np.array(log2phy), np.ones((1, 2), np.int64), LOAD, replicas=4, gpus=2) is None


@pytest.mark.parametrize(
    ("phy2log", "logcnt", "why"),
    [
        ([[7, 7, 7, 7]], [[3, 1]], ""),  # no expert 7: not looked at
        ([[0, 0, 1]], [[3, 1]], "4 columns"),
        ([0, 0, 0, 1], [[3, 1]], "4 columns"),
        ([[0, 0, 0, 1]], [[3, 2]], "does not sum to 4"),
        ([[0, 0, 0, 1]], [[5, -1]], "negative"),
        ([[0, 0, 0, 0]], [[4, 0]], "no replica"),
        ([[0, 0, 0, 1]], [3, 1], "shape"),
        ([[0, 0, 0, 1]], [[2, 1, 1]], "shape"),
    ],
)
def test_what_they_refuse(phy2log, logcnt, why):
    said = refusal(np.array(phy2log), np.array(logcnt), LOAD, replicas=4)
    assert (why in said) if why else not said


def test_an_honest_program(small_task, program):
    found = published(program(taking(0.004)), small_task, Clocked())
    assert found.groups_kept
    assert found.log2phy_right
    figures = found.figures
    assert figures.call_ms == figures.first_call_ms == pytest.approx(4)
    assert figures.windows == 2
    assert found.leaderboard_score == pytest.approx(90 * figures.gpu_balancedness + 2.5)
    t = 0.004 + figures.simulation_ms / 1e3
    assert found.skydiscover_score == pytest.approx((figures.expert_balancedness + 0.002 / t) / 2)


@pytest.mark.parametrize(
    ("change", "groups_kept", "log2phy_right"),
    [
        ("return honest(weight, num_replicas, 1, 1, num_gpus)", False, True),
        ("return phy2log, torch.where(log2phy >= 0, (log2phy + 1) % num_replicas, -1), logcnt", True, False),
        ("return phy2log * 0 - 3, log2phy, logcnt", False, False),
        ("return phy2log, torch.arange(num_replicas).expand(*weight.shape, 1, -1), logcnt", True, False),
    ],
    ids=["groups torn", "slots shifted", "no experts", "everything everywhere"],
)
def test_what_we_refuse_and_they_do_not(small_task, program, change, groups_kept, log2phy_right):
    honest = published(program(taking(0.01)), small_task, Clocked())
    found = published(program(f"{AS_THE_REFERENCE}{HEADER}{PLAN}    {change}\n"), small_task, Clocked())
    assert (found.groups_kept, found.log2phy_right) == (groups_kept, log2phy_right)
    assert not found.reason
    assert found.figures.expert_balancedness >= honest.figures.expert_balancedness


def test_what_they_refuse_has_two_zeros(small_task, program):
    found = published(
        program(f"{AS_THE_REFERENCE}{HEADER}{PLAN}    return phy2log, log2phy, logcnt * 2\n"), small_task, Clocked()
    )
    assert found.skydiscover_score == found.leaderboard_score == 0
    assert "does not sum to 40" in found.reason
    assert found.as_dict()["gpu_balancedness"] is None
    assert found.log2phy_right is False


def test_a_program_that_wants_the_old_plan_is_called_without(small_task, program):
    text = f"{AS_THE_REFERENCE}{HEADER.replace('):', ', old):')}    return 1\n"
    found = published(program(text), small_task, Clocked())
    assert found.skydiscover_score is None
    assert "missing 1 required positional argument" in found.reason


def test_windows_come_in_order_as_they_are_and_then_only_new_ones(small_task, program, tmp_path):
    seen = tmp_path / "seen"
    keep = f"    with open({str(seen)!r}, 'ab') as file: file.write(weight.numpy().tobytes())\n"
    check = "    assert weight.dtype == torch.int64\n"
    text = f"{AS_THE_REFERENCE}{HEADER}{check}{keep}{PLAN}    return phy2log, log2phy, logcnt\n"
    assert not published(program(text), small_task, Clocked()).reason
    windows = small_task.workload.windows
    given = np.frombuffer(seen.read_bytes(), np.int64).reshape(-1, *windows.shape[1:])
    assert np.array_equal(given[1:3], windows[20:22])
    assert len(given) == 1 + ROUNDS * 2
    assert len({each.tobytes() for each in given}) == len(given)


def test_holdout_windows_do_not_leave_in_an_exception(small_task, program, bench):
    """In the sandbox: the first call's load is random, later ones are windows of the holdout."""
    call = "honest(weight, num_replicas, num_groups, num_nodes, num_gpus)"
    for number, told in ((1, True), (2, False)):
        body = f"global calls\ncalls += 1\nif calls == {number}: raise ValueError('it is ' + str(weight[0, 0]))"
        found = published(program(wrapping=f"{body}\nreturn {call}"), small_task, bench)
        assert "the program raised an exception" in found.reason or told
        assert ("it is" in found.reason) == told
