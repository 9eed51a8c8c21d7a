"""Whole evaluations of small programs on a recorded workload."""

import dataclasses

import numpy as np
import pytest
from clocked import KEEPS_WHAT_IS, Clocked
from evaluations import evaluated
from support import SEED

from eplb_evolve.errors import UsageError
from eplb_evolve.evaluation import measured
from eplb_evolve.evaluation.block import Block
from eplb_evolve.evaluation.objectives import Incumbent, objective
from eplb_evolve.evaluation.pipeline import evaluate
from eplb_evolve.placement import Topology

CALL = "honest(weight, num_replicas, num_groups, num_nodes, num_gpus)"


def test_the_seed_is_feasible_and_measured_in_full(program, task, bench):
    result = evaluate(program(wrapping=f"return {CALL}"), task, bench)
    assert result.valid
    assert result.feasible
    assert result.reason == ""
    assert result.combined_score > 1
    assert result.timing.samples >= task.settings.timing.pairs_slow / 2  # of which some may have been disturbed
    assert result.replayed
    assert result.balance.balancedness == pytest.approx(result.balance.balancedness_reference, rel=0.02)
    assert result.timing.time_ms_low <= result.timing.time_ms <= result.timing.time_ms_high
    assert result.first_call_ms > 0
    assert 0 < result.balance.transfers < 1
    assert result.dispatch.dispatch_calls == task.settings.timing.pairs_slow - 1
    assert 0 < result.dispatch.balancedness_nearest < result.dispatch.lp_bound <= 1
    assert result.conditions.split == "search"


def test_a_placement_that_never_changes_moves_nothing_and_is_infeasible(program, task, bench):
    """The old placement is carried through each call's permutation: returned as it is, no slot moves."""
    result = evaluate(program(KEEPS_WHAT_IS), task, bench)
    assert result.valid
    assert not result.feasible
    assert result.balance.transfers == 0
    assert "x the reference's" in result.reason
    assert 0 < result.combined_score < 1


def test_an_expert_without_a_replica_is_named(program, task, bench):
    body = f"a, b, c = {CALL}\nonce = int((c[0] == 1).nonzero()[0])\n"
    body += "a[0][a[0] == once] = (once + 1) % weight.shape[1]\nreturn a, b, c"
    result = evaluate(program(wrapping=body), task, bench)
    assert not result.valid
    assert result.combined_score == 0
    assert "layer 0: expert" in result.reason
    assert "has no replica" in result.reason
    assert "gptoss20b-phased" in result.reason


def test_a_program_that_knows_one_shape_only_is_found_out(program, task, bench):
    body = f"assert weight.shape == (24, 32)\nreturn {CALL}"
    result = evaluate(program(wrapping=body), task, bench)
    assert not result.valid
    assert "random loads, 3 layers x 12 experts" in result.reason


def test_a_program_that_needs_float32_is_found_out(program, task, bench):
    body = f"assert weight.dtype == torch.float32\nreturn {CALL}"
    assert "as int64" in evaluate(program(wrapping=body), task, bench).reason


def test_the_group_rule_is_checked_where_it_applies(program, task, bench):
    grouped = Topology(replicas=40, groups=8, nodes=4, gpus=8)
    hierarchical = dataclasses.replace(task, workload=dataclasses.replace(task.workload, topology=grouped))
    body = "return honest(weight, num_replicas, 1, 1, num_gpus)"
    assert "it must stay on one" in evaluate(program(wrapping=body), hierarchical, bench).reason
    assert evaluate(program(wrapping=f"return {CALL}"), hierarchical, bench).feasible
    free = evaluate(program(wrapping=body), hierarchical.without_groups(), bench)
    assert free.feasible
    assert free.conditions.workload == f"{task.name} without groups"


def test_a_result_that_turns_wrong_later_is_found_out(program, task, bench):
    """Every timed output is verified, not only the first."""
    body = f"global calls\ncalls += 1\na, b, c = {CALL}\nif calls > 7:\n    c[0, 0] += 1\nreturn a, b, c"
    result = evaluate(program(wrapping=body), task, bench)
    assert not result.valid
    assert "logcnt of expert 0" in result.reason


def test_compilation_on_the_first_call_is_shown_not_timed(program, task):
    """It takes a tenth of a second in truth, and a minute by the clock of calls."""
    text = "import time\nfrom eplb_evolve import reference\nSECONDS = [60.0] + [0.02] * 99\nlast = [0.0] * 99 + [0.1]\n"
    text += "def rebalance_experts(a, b, c, d, e):\n    time.sleep(last.pop())\n"
    text += "    return reference.rebalance_experts(a, b, c, d, e)\n"
    result = evaluate(program(text), task, Clocked())
    assert result.feasible
    assert result.first_call_ms >= 100
    assert result.timing.time_p99_ms == pytest.approx(20)


def test_a_search_gives_up_early_on_what_is_clearly_slower(program, task, bench, monkeypatch):
    monkeypatch.setattr(Block, "quiet", lambda block: np.ones(block.rows(), dtype=bool))  # whatever runs beside
    file = program(wrapping=f"return {CALL}")
    raced = evaluate(file, task, bench, Incumbent(file, 1e-3))
    assert raced.timing.raced
    assert raced.timing.samples <= task.settings.timing.triage_pairs
    assert not evaluate(file, task, bench, Incumbent(file, 1e3)).timing.raced


@pytest.mark.parametrize("start", [b"\xff", b"# caf\xe9\n", b"# coding: no-such-one\n", b"x = '\xed\xa0\x80'\n"])
def test_a_source_that_python_cannot_read_is_invalid(program, task, bench, start):
    file = program(wrapping=f"return {CALL}")
    file.write_bytes(start + file.read_bytes())
    result = evaluate(file, task, bench)
    assert not result.valid
    assert "SyntaxError" in result.reason


def test_a_huge_program_is_refused(program, task, bench):
    result = evaluate(program("#" * 300_000), task, bench)
    assert "300000 bytes" in result.reason


def test_a_missing_program_is_the_users_error(tmp_path, task, bench):
    with pytest.raises(UsageError, match=r"cannot read the program .*No such file"):
        evaluate(tmp_path / "nothing.py", task, bench)


def test_measurements_are_kept_until_the_text_changes(program, task, bench, tmp_path):
    file = program(wrapping=f"return {CALL}")
    first = measured.measured(file, task, bench, tmp_path)
    assert measured.measured(file, task, bench, tmp_path) == first
    file.write_text(file.read_text() + "# changed\n")
    assert measured.measured(file, task, bench, tmp_path) != first
    for entry in tmp_path.glob("measured-*.json"):
        entry.write_text("torn {")
    assert measured.measured(file, task, bench, tmp_path).feasible


def test_no_speedup_against_an_edited_seed(program, task, bench, tmp_path):
    edited = program(wrapping=f"return {CALL}")
    assert measured.seed_ratio(edited, task, bench, tmp_path) is None


@pytest.mark.parametrize(
    "leak",
    [
        "raise ValueError(weight[0].tolist())",
        "raise type(f'leak {weight[0].tolist()}', (Exception,), {})()",
        "rename = (lambda: 1 / 0).__code__.replace(co_name='w_' + str(int(weight.sum())))\nexec(rename)",
        "print(weight[0].tolist(), flush=True)\nraise SystemExit(str(weight[0, 0].item()))",
    ],
)
def test_of_holdout_windows_nothing_is_passed_on(program, task, bench, leak):
    """A search's own windows may be talked about: the program was given them."""
    hidden = dataclasses.replace(task, split="holdout")
    file = program(wrapping=f"{leak}\nreturn {CALL}")
    result = evaluate(file, hidden, bench)
    assert result.reason == "call: the program raised an exception (on gptoss20b-phased, first call)"
    assert result.log == ""
    assert evaluate(file, task, bench).reason != result.reason


def test_the_objective_balance_rewards_balance_and_not_time():
    balance = objective("balance")
    assert balance.score(evaluated(1.0, balancedness_ratio=1.02)) == pytest.approx(4.0)
    assert balance.score(evaluated(1.0, balancedness_ratio=0.985)) == 1.0
    with pytest.raises(ValueError, match="no score"):
        balance.score(evaluated(1.0, balancedness_ratio=None, balancedness_reference=None))


def test_a_search_for_balance_scores_a_program_by_its_balance(bench, task, program):
    by_balance = dataclasses.replace(task, settings=dataclasses.replace(task.settings, objective="balance"))
    found = evaluate(SEED, by_balance, bench)
    assert found.feasible
    assert found.combined_score == pytest.approx(2 + 100 * (found.balance.balancedness_ratio - 1))
