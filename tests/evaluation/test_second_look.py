"""A search's new best is measured again beside the old one, and a tie gets no better figure.

The reference takes 10 ms a call here: a program's ratio_to_reference is its seconds times 100.
"""

import dataclasses

import numpy as np
import pytest
from clocked import LIKE_THE_REFERENCE, Clocked, taking

from eplb_evolve.evaluation.block import Block
from eplb_evolve.evaluation.objectives import Incumbent
from eplb_evolve.evaluation.objectives.time import time_score
from eplb_evolve.evaluation.pipeline import evaluate
from eplb_evolve.evaluation.settings import TRADED, Timing
from eplb_evolve.serving.worth import Serving

CALL = "honest(weight, num_replicas, num_groups, num_nodes, num_gpus)"
FAILING = {
    "at its import": "import nothing_of_that_name",
    "at its first call": "def rebalance_experts(a, b, c, d, e): raise ValueError",
    "beside the candidate": LIKE_THE_REFERENCE.replace("import rebalance_experts", "import rebalance_experts as plan")
    + "calls = []\ndef rebalance_experts(a, b, c, d, e):\n    calls.append(len(calls))\n"
    "    assert len(calls) < 3\n    return plan(a, b, c, d, e)\n",
}


@pytest.fixture
def careful(task):
    """More pairs: the comparison has to be decided."""
    settings = dataclasses.replace(task.settings, timing=Timing(pairs_fast=12, pairs_slow=12))
    return dataclasses.replace(task, settings=settings)


@pytest.fixture
def clocked():
    return Clocked()


@pytest.fixture
def fast(written):
    return written("fast", taking(0.03))


@pytest.fixture
def slow(written):
    return written("slow", taking(0.06))


def by(objective, task):
    """The task under another objective, at an interval at which the plan's own time weighs."""
    settings = dataclasses.replace(task.settings, objective=objective, serving=Serving(interval=2), thresholds=TRADED)
    return dataclasses.replace(task, settings=settings)


def test_a_faster_program_wins_and_is_replayed(fast, slow, careful, clocked):
    result = evaluate(fast, careful, clocked, Incumbent(slow, 6.0))
    assert result.feasible
    assert result.replayed
    assert result.timing.ratio_to_reference == pytest.approx(3.0)


def test_a_winner_gains_what_it_gained_beside_the_incumbent(fast, slow, careful, clocked):
    """The incumbent's stored score is that of a ratio ten times as bad: the winner's is chained to it by the gain."""
    stored = time_score(60.0)
    result = evaluate(fast, careful, clocked, Incumbent(slow, 60.0, stored, sha256="abc"))
    assert result.replayed
    assert result.second_look.first_look_ratio == pytest.approx(3.0)
    assert result.timing.ratio_to_reference == pytest.approx(3.0)
    assert result.combined_score == pytest.approx(time_score(30.0))
    assert (result.second_look.won, result.second_look.beside) == (True, "abc")
    assert result.second_look.gain_low <= result.second_look.gain <= result.second_look.gain_high
    assert result.second_look.gain == pytest.approx(2.0)


@pytest.mark.parametrize("seconds", [(0.03,), (0.02, 0.02, 0.035), (0.031,)])
def test_who_is_not_better_beyond_doubt_gets_no_better_score_than_the_incumbent(
    fast, written, careful, clocked, seconds
):
    """The stored figure is too bad, so that a first look must seem better: at an equal, at luck, at a slower one."""
    result = evaluate(written("other", taking(*seconds)), careful, clocked, Incumbent(fast, 4.0))
    assert result.feasible
    assert result.second_look.first_look_ratio < 4.0
    assert not result.replayed
    assert result.timing.ratio_low <= result.timing.ratio_to_reference <= result.timing.ratio_high
    assert result.second_look.won is False
    assert result.combined_score <= time_score(4.0)
    assert result.second_look.gain_low <= result.second_look.gain <= result.second_look.gain_high


def test_a_clearly_slower_program_is_given_up(fast, slow, careful, clocked):
    result = evaluate(slow, careful, clocked, Incumbent(fast, 2.9))
    assert result.timing.raced
    assert result.timing.samples == careful.settings.timing.triage_pairs
    assert not result.replayed


@pytest.mark.parametrize(
    ("seconds", "incumbent", "raced"),
    [
        ((0.07,), Incumbent("", 3.0), True),
        ((0.07,), Incumbent("", 3.0, ratio_high=6.9), True),
        ((0.07,), Incumbent("", 3.0, ratio_high=7.1), False),
        ((0.059,), Incumbent("", 3.0), False),
    ],
)
def test_a_race_is_lost_beyond_both_intervals_only(written, fast, careful, clocked, seconds, incumbent, raced):
    best = dataclasses.replace(incumbent, program=fast)
    assert evaluate(written("other", taking(*seconds)), careful, clocked, best).timing.raced is raced


def test_disturbed_calls_lose_no_race(slow, fast, careful, clocked, monkeypatch):
    monkeypatch.setattr(Block, "quiet", lambda block: np.zeros(block.rows(), dtype=bool))
    assert not evaluate(slow, careful, clocked, Incumbent(fast, 1.0)).timing.raced


def test_a_slightly_slower_program_is_not_compared(fast, slow, careful, clocked):
    result = evaluate(slow, careful, clocked, Incumbent(fast, 3.1))
    assert not result.timing.raced
    assert result.second_look is None
    assert result.dispatch is None  # nor are there linear programs in a search
    assert not result.replayed


@pytest.mark.parametrize("text", FAILING.values(), ids=FAILING)
def test_an_incumbent_that_fails_now_is_no_peer(fast, written, careful, clocked, text):
    """The stored figures are compared."""
    result = evaluate(fast, careful, clocked, Incumbent(written("broken", text), 3.5))
    assert result.feasible
    assert result.replayed
    assert result.timing.ratio_to_reference == pytest.approx(3.0)


def test_the_incumbents_worker_is_kept_and_replaced(fast, slow, careful, clocked):
    evaluate(fast, careful, clocked, Incumbent(slow, 6.0))
    kept = clocked.incumbent_worker(fast)
    assert not kept.closed
    assert clocked.incumbent_worker(slow) is None
    clocked.drop_incumbent()
    assert kept.closed
    assert clocked.incumbent_worker(fast) is None


def test_in_the_sandbox_the_incumbent_is_called_beside_the_candidate(program, careful, bench):
    """Two equals, but for the stored figure; and one whose incumbent fails, which leaves its worker for the next."""
    file = program(wrapping=f"return {CALL}")
    result = evaluate(file, careful, bench, Incumbent(file, 1e6))
    assert result.feasible
    assert result.second_look.first_look_ratio < 1e4
    assert result.combined_score < time_score(1e4) or result.second_look.won
    broken = file.with_name("broken.py")
    broken.write_text("import nothing_of_that_name")
    result = evaluate(file, careful, bench, Incumbent(broken, 1e6))
    assert result.replayed
    assert result.timing.ratio_to_reference < 1e4
    assert bench.incumbent_worker(file) is not None
    bench.drop_incumbent()


def test_net_throughput_is_gained_beside_the_incumbent(fast, written, careful, clocked):
    """Plans of 0.57 s more, before intervals of two steps of 92 ms: the gain is added to a stored score of nothing."""
    task, slow = by("net_throughput", careful), written("slow", taking(0.6))
    gain = evaluate(fast, task, clocked).combined_score - evaluate(slow, task, clocked).combined_score
    result = evaluate(fast, task, clocked, Incumbent(slow, 60.0, 0.5))
    assert result.replayed
    assert result.combined_score == pytest.approx(0.5 + gain, abs=0.1 * gain)


@pytest.mark.parametrize("objective", ["balance", "net_throughput"])
def test_an_equal_program_gets_no_better_score_than_the_incumbent(fast, careful, clocked, objective):
    task = by(objective, careful)
    stored = evaluate(fast, task, clocked).combined_score - 5
    result = evaluate(fast, task, clocked, Incumbent(fast, 1.0, stored))
    assert result.feasible
    assert result.second_look.first_look_ratio == pytest.approx(3.0)
    assert not result.replayed
    assert result.combined_score == stored


def test_a_slow_program_may_still_be_the_better_one(fast, slow, careful, clocked):
    result = evaluate(slow, by("balance", careful), clocked, Incumbent(fast, 1e-3, 100.0))
    assert not result.timing.raced


def test_for_another_objective_an_incumbent_that_fails_now_is_no_peer(fast, written, careful, clocked):
    task = by("net_throughput", careful)
    broken = written("broken", FAILING["at its import"])
    result = evaluate(fast, task, clocked, Incumbent(broken, 1.0, 1.0))
    assert result.replayed
    assert result.combined_score > 10
