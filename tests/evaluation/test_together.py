"""Programs that are measured together: who is called when, and what becomes of one that fails."""

import dataclasses

import numpy as np
import pytest
from clocked import LIKE_THE_REFERENCE, Clocked, taking

from eplb_evolve.evaluation.calls import Caller
from eplb_evolve.evaluation.result import Status
from eplb_evolve.evaluation.settings import Timing
from eplb_evolve.evaluation.together import ROWS, evaluate_together

FAILING_LATER = LIKE_THE_REFERENCE.replace("import rebalance_experts", "import rebalance_experts as plan") + (
    "calls = []\ndef rebalance_experts(a, b, c, d, e):\n    calls.append(1)\n    assert len(calls) < 55\n"
    "    return plan(a, b, c, d, e)\n"
)


@pytest.fixture
def measured(task, written):
    """By name, what these texts come to; and the task."""
    few = dataclasses.replace(task.settings, timing=Timing(pairs_fast=8, pairs_slow=2, slow_ms=20))
    tasks = [dataclasses.replace(task, settings=few, split=split) for split in ("search", "holdout")]

    def run(**texts):
        files = {name: written(name, text) for name, text in texts.items()}
        return evaluate_together(files, tasks, Clocked(), lambda _: None)

    return run


def test_all_are_timed_on_each_task_and_slow_ones_in_the_first_rows_only(measured):
    found = measured(fast=taking(0.005), slow=taking(0.05))
    assert [run.conditions.split for run in found["fast"]] == ["search", "holdout"]
    for fast, slow in zip(found["fast"], found["slow"], strict=True):
        assert (fast.status, slow.status) == (Status.FEASIBLE, Status.FEASIBLE)
        assert (fast.timing.samples, slow.timing.samples) == (ROWS * 8, ROWS * 2)
        assert fast.timing.ratio_to_reference == pytest.approx(0.5)
        assert slow.timing.ratio_to_reference == pytest.approx(5.0)
        assert fast.replayed
        assert slow.replayed


def test_equal_plans_have_equal_balance(measured):
    """They were made on the same inputs."""
    found = measured(one=taking(0.005), other=taking(0.006))
    one, other = found["one"][1].balance, found["other"][1].balance
    assert one.balancedness == other.balancedness
    assert one.balancedness_ratio == 1.0
    assert (one.transfers_more, one.transfers_more_low, one.transfers_more_high) == (0.0, 0.0, 0.0)
    assert found["one"][1].dispatch == found["other"][1].dispatch
    assert found["one"][1].dispatch.lp_bound > found["one"][1].dispatch.balancedness_even > 0.5


def test_one_that_fails_is_told_so_and_the_others_go_on(measured):
    found = measured(good=taking(0.005), broken="import nothing_of_that_name", later=FAILING_LATER)
    assert all(run.status is Status.INVALID and "nothing_of_that_name" in run.reason for run in found["broken"])
    before, failing = found["later"]
    assert before.feasible
    assert (failing.status, failing.timing) == (Status.INVALID, None)
    assert "call: " in failing.reason
    assert all(run.feasible for run in found["good"])
    assert {run.timing.samples for run in found["good"]} == {ROWS * 8}


def test_every_program_of_a_row_has_the_same_input(measured, monkeypatch):
    seen = {}
    real = Caller.call

    def call(self, inputs, **how):
        seen.setdefault(inputs.weight.tobytes(), []).append(self)
        return real(self, inputs, **how)

    monkeypatch.setattr(Caller, "call", call)
    measured(one=taking(0.005), other=taking(0.006))
    assert np.bincount([len(callers) for callers in seen.values()])[3] == 2 * ROWS * 8  # they, and the reference
