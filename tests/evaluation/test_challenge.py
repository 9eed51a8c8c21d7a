"""A search's new best is measured again beside the old one, and a tie gets no better figure."""

import dataclasses

import pytest

from eplb_evolve.evaluation.challenge import Incumbent
from eplb_evolve.evaluation.pipeline import evaluate
from eplb_evolve.evaluation.settings import TRADED, Timing
from eplb_evolve.serving.worth import Serving

CALL = "honest(weight, num_replicas, num_groups, num_nodes, num_gpus)"


@pytest.fixture
def careful(task):
    """More pairs: the comparison has to be decided."""
    settings = dataclasses.replace(task.settings, timing=Timing(pairs_fast=12, pairs_slow=12))
    return dataclasses.replace(task, settings=settings)


@pytest.fixture
def two_programs(program, tmp_path):
    """The seed, and the seed with a pause of 60 ms."""
    slow = program(wrapping=f"import time\ntime.sleep(0.06)\nreturn {CALL}").rename(tmp_path / "slow.py")
    return program(wrapping=f"return {CALL}"), slow


def test_a_faster_program_wins_and_is_replayed(two_programs, careful, bench):
    fast, slow = two_programs
    before = evaluate(slow, careful, bench)
    result = evaluate(fast, careful, bench, Incumbent(slow, before.ratio_to_reference))
    assert result.feasible
    assert result.replayed
    assert result.ratio_to_reference < before.ratio_to_reference


def test_a_winner_gains_what_it_gained_beside_the_incumbent(two_programs, careful, bench):
    """The incumbent's stored figure is ten times too bad, so the winner's is too: the gain is what was measured."""
    fast, slow = two_programs
    true = evaluate(fast, careful, bench).ratio_to_reference
    stored = 10 * evaluate(slow, careful, bench).ratio_to_reference
    result = evaluate(fast, careful, bench, Incumbent(slow, stored))
    assert result.replayed
    assert 3 * true < result.ratio_to_reference < stored


def test_an_equal_program_gets_no_better_figure_than_the_incumbent(two_programs, careful, bench):
    """The stored figure of the incumbent is given as 20 % too bad, so that a first look must seem better."""
    fast, _ = two_programs
    true = evaluate(fast, careful, bench).ratio_to_reference
    result = evaluate(fast, careful, bench, Incumbent(fast, true * 1.2))
    assert result.feasible
    assert result.ratio_to_reference >= true * 1.2 or result.replayed


def test_a_slower_program_is_not_compared(two_programs, careful, bench):
    fast, slow = two_programs
    result = evaluate(slow, careful, bench, Incumbent(fast, 1e-3))
    assert result.raced
    assert not result.replayed


def test_an_incumbent_that_fails_now_is_no_peer(two_programs, program, careful, bench):
    fast, _ = two_programs
    broken = program("import nothing_of_that_name").rename(fast.parent / "broken.py")
    fast = program(wrapping=f"return {CALL}")
    result = evaluate(fast, careful, bench, Incumbent(broken, 1e6))
    assert result.feasible
    assert result.replayed


def test_the_incumbents_worker_is_kept_and_replaced(two_programs, careful, bench):
    fast, slow = two_programs
    evaluate(fast, careful, bench, Incumbent(slow, 1e6))
    kept = bench.incumbent_worker(fast)
    assert kept is not None
    assert bench.incumbent_worker(slow) is None
    bench.drop_incumbent()
    assert bench.incumbent_worker(fast) is None


def by(objective, task):
    """The task under another objective, at an interval at which the plan's own time weighs."""
    settings = dataclasses.replace(task.settings, objective=objective, serving=Serving(interval=2), thresholds=TRADED)
    return dataclasses.replace(task, settings=settings)


def test_net_throughput_is_gained_beside_the_incumbent(two_programs, careful, bench):
    """Plans of 60 ms more, before intervals of two steps of 92: the stored score is as good as the gain is added to."""
    fast, slow = two_programs
    task = by("net_throughput", careful)
    before = evaluate(slow, task, bench)
    result = evaluate(fast, task, bench, Incumbent(slow, before.ratio_to_reference, before.combined_score - 5))
    assert result.replayed
    gain = 100 * (evaluate(fast, task, bench).net_throughput - before.net_throughput)
    assert result.combined_score == pytest.approx(before.combined_score - 5 + gain, abs=0.5 * gain)


@pytest.mark.parametrize("objective", ["balance", "net_throughput"])
def test_an_equal_program_gets_no_better_score_than_the_incumbent(two_programs, careful, bench, objective):
    fast, _ = two_programs
    task = by(objective, careful)
    stored = evaluate(fast, task, bench).combined_score - 0.5
    result = evaluate(fast, task, bench, Incumbent(fast, 1.0, stored))
    assert result.feasible
    if objective == "balance":  # by time equals may differ; placements of the same inputs do not
        assert not result.replayed
    assert result.combined_score <= stored or result.replayed


def test_a_slow_program_may_still_be_the_better_one(two_programs, careful, bench):
    fast, slow = two_programs
    result = evaluate(slow, by("balance", careful), bench, Incumbent(fast, 1e-3, 100.0))
    assert not result.raced


def test_for_another_objective_an_incumbent_that_fails_now_is_no_peer(two_programs, program, careful, bench):
    broken = program("import nothing_of_that_name").rename(two_programs[0].parent / "broken.py")
    fast = program(wrapping=f"return {CALL}")
    task = by("net_throughput", careful)
    assert evaluate(fast, task, bench, Incumbent(broken, 1.0, 1.0)).replayed
