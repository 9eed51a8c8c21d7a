"""What a run's folder says about how far the search is."""

import json

import pytest
from ledgers import START, append, entry, finished, line, started

from eplb_evolve.board.rows import evolved_rows
from eplb_evolve.cli import live
from eplb_evolve.ending import end
from eplb_evolve.errors import UsageError
from eplb_evolve.evaluation.objectives.time import AT_FLOOR
from eplb_evolve.runs import progress
from eplb_evolve.runs.ledger import FILE_NAME, Ledger
from eplb_evolve.runs.progress import KEPT, STILL_S, Follower


@pytest.fixture
def run(tmp_path):
    return tmp_path / "run"


def look(run, seconds):
    return Follower(run).look(START + seconds)


def test_counts_shares_and_the_best(run):
    started(run, 0, iterations=9)
    append(run, entry(60, 50.0), entry(120, 2.0), entry(180), entry(240, 4.0), entry(300, 3.0, feasible=False))
    seen = look(run, 310)
    assert (seen.state, seen.done, seen.expected, seen.feasible, seen.invalid) == ("running", 5, 10, 3, 1)
    assert seen.feasible_share == 0.6
    assert (seen.best.number, seen.best.entry.evaluation.timing.ratio_to_reference) == (2, 2.0)
    assert [each.best for each in seen.recent] == [True, True, False, False, False]
    assert seen.per_minute == pytest.approx(1.0)
    assert seen.left_s == pytest.approx(300.0)
    assert seen.elapsed_s == 310
    assert (seen.workload, seen.objective, seen.proposer) == ("w", "time", "models m")


def test_what_the_evaluator_failed_at_counts_against_no_program(run):
    failed = entry(90, evaluator_failed=True, reason="the disk is full")
    append(run, entry(60, 50.0), failed, entry(120), entry(180, 3.0, feasible=False, evaluator_failed=False))
    seen = look(run, 200)
    assert (seen.done, seen.feasible, seen.invalid, seen.evaluator_failed) == (4, 1, 1, 1)
    assert seen.feasible_share == pytest.approx(1 / 3)
    assert "1 feasible, 1 infeasible, 1 invalid, 1 evaluator failed; best:" in live.summary(seen)
    assert live.evaluation_line(seen.recent[1], seen) == "eplb    2  evaluator failed: the disk is full"
    assert [row.evaluation.status for row in evolved_rows(Ledger(run).entries())] == [
        *("feasible", "invalid", "infeasible")
    ]


def test_the_best_is_the_one_that_the_ledger_names(run):
    append(run, *(entry(i, ratio) for i, ratio in enumerate([9.0, 3.0, 3.0, 5.0])))
    assert look(run, 9).best.entry == Ledger(run).best("search")


def test_confirmations_on_the_holdout_windows_are_no_evaluations(run):
    started(run, 0, iterations=9)
    append(run, entry(10, 5.0), entry(20, 0.1, split="holdout"))
    seen = look(run, 21)
    assert (seen.done, seen.best.number) == (1, 1)


def test_a_torn_line_waits_for_its_rest(run):
    follower = Follower(run)
    append(run, entry(1, 5.0))
    whole = line(entry(2, 4.0))
    with (run / FILE_NAME).open("ab") as file:
        file.write(whole[:50])
        file.flush()
        assert follower.look(START + 2).done == 1
        file.write(whole[50:])
        file.flush()
        assert follower.look(START + 3).done == 2


def test_a_line_that_stays_torn_is_skipped(run):
    follower = Follower(run)
    append(run, entry(1, 5.0))
    with (run / FILE_NAME).open("ab") as file:
        file.write(line(entry(2, 4.0))[:50] + b"\xff\n")
    append(run, entry(3, 3.0))
    assert follower.look(START + 4).done == 2


def test_only_new_lines_are_read(run, monkeypatch):
    append(run, *(entry(i, 5.0) for i in range(10_000)))
    parsed = []
    parse = progress.parse
    monkeypatch.setattr(progress, "parse", lambda text: parsed.append(text) or parse(text))
    follower = Follower(run)
    assert follower.look(START + 10_000).done == len(parsed) == 10_000
    file = run / FILE_NAME
    file.write_bytes(b"x" * file.stat().st_size)  # what was read is not read again
    append(run, entry(10_001, 1.0))
    seen = follower.look(START + 10_002)
    assert (seen.done, len(parsed), len(seen.recent), seen.best.number) == (10_001, 10_001, KEPT, 10_001)


def test_another_ledger_in_its_place_is_read_from_its_beginning(run):
    follower = Follower(run)
    append(run, *(entry(i, 1.0) for i in range(3)))
    assert follower.look(START + 9).done == 3
    (run / FILE_NAME).write_bytes(line(entry(5, 7.0)))
    seen = follower.look(START + 9)
    assert (seen.done, seen.best.entry.evaluation.timing.ratio_to_reference) == (1, 7.0)


def test_a_resumed_run_expects_what_it_has_and_its_new_iterations(run):
    """The first start was to make 100 and was stopped after 3; the second begins the clock and the pace anew."""
    started(run, 0, iterations=100)
    append(run, *(entry(1 + i, 5.0) for i in range(3)))
    started(run, 1000, iterations=10, resumed=True)
    assert look(run, 1000).expected == 3 + 10
    append(run, entry(1060, 4.0), entry(1120, 4.0))
    seen = look(run, 1120)
    assert (seen.state, seen.done, seen.expected) == ("running", 5, 13)
    assert seen.per_minute == pytest.approx(1.0)
    assert seen.elapsed_s == 120


def test_a_run_ends_with_its_last_evaluation(run):
    started(run, 0, iterations=1)
    append(run, entry(60, 5.0), entry(120, 5.0))
    seen = look(run, 5000)
    assert (seen.state, seen.elapsed_s, seen.left_s) == ("ended", 120, None)
    assert seen.per_minute == pytest.approx(1.0)


def test_a_run_ends_when_openevolve_says_so(run):
    """A stop by signal, a spending cap, or proposals that were never evaluated."""
    started(run, 0, iterations=50)
    append(run, entry(60, 5.0))
    finished(run, 70)
    assert look(run, 80).state == "ended"
    started(run, 100, iterations=50, resumed=True)
    assert look(run, 110).state == "running"


def test_a_run_of_which_only_the_ledger_is_known(run):
    append(run, entry(60, 5.0), entry(120, 4.0))
    seen = look(run, 121)
    assert (seen.state, seen.done, seen.expected, seen.left_s) == ("running", 2, None, None)
    assert seen.per_minute == pytest.approx(1.0)
    finished(run, 121)
    assert look(run, 122).state == "ended"


def test_a_run_stands_still_after_unusual_silence(run):
    started(run, 0, iterations=50)
    append(run, entry(10, 5.0))
    assert look(run, 10 + STILL_S).state == "running"
    seen = look(run, 11 + STILL_S)
    assert (seen.state, seen.left_s, seen.idle_s) == ("standing still", None, 1 + STILL_S)


def test_a_slow_search_may_be_silent_for_longer(run):
    started(run, 0, iterations=50)
    append(run, entry(200, 5.0), entry(400, 5.0))
    assert look(run, 401 + STILL_S).state == "running"


def test_waiting_for_longer_than_usual_lowers_the_pace(run):
    started(run, 0, iterations=50)
    append(run, entry(60, 5.0), entry(120, 5.0))
    paces = [look(run, seconds).per_minute for seconds in (120, 180, 240)]
    assert paces == pytest.approx([1.0, 1.0, 2 / 3])


@pytest.mark.parametrize("begun", [False, True])
def test_nothing_is_known_before_the_first_evaluation(run, begun):
    run.mkdir()
    if begun:
        started(run, 0, iterations=4)
    seen = look(run, 5)
    assert (seen.state, seen.expected) == (("running", 5) if begun else ("waiting", None))
    assert (seen.done, seen.best, seen.per_minute, seen.left_s, seen.feasible_share) == (0, None, None, None, None)


def test_a_run_that_does_not_say_its_objective_has_it_in_its_ledger(run):
    append(run, entry(1, 5.0, objective="balance"))
    assert look(run, 2).objective == "balance"


@pytest.mark.parametrize(
    ("costs", "shown"), [([0.25, 0.5], 0.75), ([0.25, None], None), ([0.0], None), ([], None), (None, None)]
)
def test_cost_is_what_the_models_cost(run, costs, shown):
    run.mkdir()
    if costs is not None:
        models = {f"m{number}": {"cost_usd": cost} for number, cost in enumerate(costs)}
        (run / "usage.json").write_text(json.dumps({"cost_usd": sum(filter(None, costs)), "models": models}))
    assert look(run, 0).cost_usd == shown


def test_a_broken_run_json_is_named(run):
    run.mkdir()
    (run / "run.json").write_text("[{}]")
    with pytest.raises(UsageError, match=r"run\.json is broken"):
        look(run, 0)


def test_at_the_floor_that_is_told_with_the_command_that_goes_on(run):
    started(run, 0, iterations=9)
    append(run, entry(60, 5.0, floor_ratio=0.07), entry(120, 0.072, floor_ratio=0.07))
    seen = look(run, 130)
    assert seen.at_floor
    said = live.at_floor_lines(seen, run)
    assert "net throughput" in said[0]
    assert said[1] == f"  make evolve CONFIG=configs/net_throughput.yaml SEED={run}/programs/p.py"
    end(run, f"{AT_FLOOR} (eplb.stop_at_floor)", 0)
    assert live.at_floor_lines(look(run, 140), run) == ["A search for that goes on from the best program:", said[1]]
    append(run, entry(180, 0.05, floor_ratio=0.01))
    assert live.at_floor_lines(look(run, 190), run) == []
