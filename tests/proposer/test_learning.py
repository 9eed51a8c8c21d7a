"""What the embedded model learns from a run's ledger, and what it does with it."""

import json
import random

import pytest
from proposer.programs import ALL
from proposer.test_prompt import ask

from eplb_evolve.proposer.bandit import Bandit, reward
from eplb_evolve.proposer.embedded import RANDOM_EDITS, CannotAnswer, EmbeddedModel
from eplb_evolve.proposer.header import made_by
from eplb_evolve.proposer.history import History, Outcome
from eplb_evolve.proposer.lineages import choose
from eplb_evolve.proposer.study import study


def outcome(steps, score, feasible=True):
    header = f"# proposed-by: embedded tier=T0 operators=a\n# steps: {steps}\n" if steps else ""
    source = f"{header}x = {score}\n"
    return Outcome(source, f"{score}", f"{steps}{score}", score, feasible)


def add_to_ledger(run, source, score, feasible=True, name="a"):
    (run / "programs").mkdir(exist_ok=True)
    (run / "programs" / f"{name}.py").write_text(source)
    line = {"program": f"programs/{name}.py", "combined_score": score, "feasible": feasible, "sha256": name * 12}
    with (run / "ledger.jsonl").open("a") as ledger:
        ledger.write(json.dumps(line) + "\n")


def child(reply):
    return reply.split("=======\n")[1].split("\n>>>>>>> REPLACE")[0]


def test_operators_whose_children_did_better_weigh_more():
    bandit = Bandit()
    for _ in range(6):
        bandit.learn(["good"], reward(9.0, 8.0, feasible=True))
        bandit.learn(["bad"], reward(0.5, 8.0, feasible=False))
        bandit.failed_dry(["clumsy"])
    weights = bandit.weights()
    assert weights["good"] > 1 > weights["bad"]
    assert weights["bad"] < weights["clumsy"] < 1


@pytest.mark.parametrize(
    ("score", "parent", "feasible", "earned"),
    [
        (9.0, 8.0, True, 1.0),
        (8.0, 8.0, True, 0.1),
        (8.001, 8.0, True, 0.1),
        (9.0, None, True, 0.1),
        (9.0, 8.0, False, 0.0),
    ],
)
def test_a_reward_is_for_doing_better_than_the_parent(score, parent, feasible, earned):
    assert reward(score, parent, feasible) == earned


def test_a_small_gain_earns_a_part_of_the_reward():
    assert reward(8.0, 8.0, True) < reward(8.05, 8.0, True) < reward(8.1, 8.0, True) < 1


def test_operators_share_a_trial():
    alone, together = Bandit(), Bandit()
    alone.learn(["a"], 1.0)
    together.learn(["a", "b", "c", "d"], 1.0)
    for bandit in (alone, together):
        bandit.learn(["z"], 0.0, trial=5.0)
    assert alone.weights()["a"] > together.weights()["a"]


def test_the_history_reads_each_line_once_and_skips_what_it_cannot_read(tmp_path):
    history = History(tmp_path)
    assert history.news() == []
    add_to_ledger(tmp_path, ALL["grid"], 2.0)
    add_to_ledger(tmp_path, "def f(:\n", 0.0, False, "b")
    with (tmp_path / "ledger.jsonl").open("a") as ledger:
        ledger.write('{"torn')
    assert [found.score for found in history.news()] == [2.0]
    assert history.news() == []
    assert history.first().source == ALL["grid"]


def test_a_younger_lineage_gets_its_turn_before_it_is_the_best():
    old = [outcome("a", 9.0 + step / 100) for step in range(30)]
    young = [outcome("b", 8.8)]
    assert choose([*old, *young], random.Random(0)).score == 8.8
    assert choose([*old, outcome("b", 6.0)], random.Random(0)).score > 9


def test_infeasible_programs_are_not_chosen():
    assert choose([outcome("a", 0.5, feasible=False)], random.Random(0)) is None


def test_what_fails_its_dry_run_is_not_proposed(tmp_path):
    seen = []

    def trial(source):
        seen.append(source)
        return "too slow" if len(seen) < 4 else None

    model = EmbeddedModel(1, tmp_path, trial=trial)
    reply = model.answer(ask(ALL["assignment"]))
    assert child(reply).strip() == seen[3].strip()
    line = json.loads((tmp_path / "proposer.jsonl").read_text())
    assert len(line["failed_dry_runs"]) == 3


def test_a_program_that_only_fails_ends_in_a_sentence(tmp_path):
    model = EmbeddedModel(1, tmp_path, trial=lambda _: "no")
    with pytest.raises(CannotAnswer, match="failed on small inputs"):
        model.answer(ask(ALL["assignment"]))


def test_evaluated_programs_are_not_proposed_again(tmp_path):
    first = child(EmbeddedModel(3, tmp_path / "x").answer(ask(ALL["grid"])))
    add_to_ledger(tmp_path, first, 2.0)
    again = child(EmbeddedModel(3, tmp_path).answer(ask(ALL["grid"])))
    assert study(again).fingerprint != study(first).fingerprint


def test_the_same_seed_prompts_and_scores_give_the_same_proposals(tmp_path):
    replies = []
    for name in ("one", "two"):
        run = tmp_path / name
        run.mkdir()
        model = EmbeddedModel(5, run)
        add_to_ledger(run, ALL["assignment"], 2.0)
        mine = [model.answer(ask(ALL["assignment"]))]
        add_to_ledger(run, child(mine[0]), 3.0, name="b")
        mine += [model.answer(ask(ALL["assignment"])) for _ in range(4)]
        replies.append(mine)
    assert replies[0] == replies[1]


def test_blind_mutation_makes_one_edit_of_the_prompts_own_program(tmp_path):
    add_to_ledger(tmp_path, ALL["grid"], 5.0)
    model = EmbeddedModel(2, tmp_path, RANDOM_EDITS, trial=lambda _: "never asked")
    for _ in range(6):
        header = made_by(child(model.answer(ask(ALL["assignment"]))))
        assert len(header.operators) == 1
        assert header.operators[0] != "restart"


@pytest.mark.parametrize(("feasible", "share"), [(True, 0.47), (False, 0.12)])
def test_the_prompts_own_program_is_the_parent_of_half_the_children_and_of_few_once_it_has_failed(
    tmp_path, feasible, share
):
    add_to_ledger(tmp_path, ALL["grid"], 5.0)
    add_to_ledger(tmp_path, ALL["assignment"], 0.5, feasible, "b")
    model = EmbeddedModel(2, tmp_path)
    model.answer(ask(ALL["assignment"]))  # it has read its history now
    parent = study(ALL["assignment"]).fingerprint
    own = sum(model._start(parent, random.Random(seed)).base is None for seed in range(2000))
    assert own / 2000 == pytest.approx(share, abs=0.04)


def test_the_operators_of_a_failed_child_are_tried_at_other_places_first(tmp_path):
    same = 0
    for seed in range(8):
        failing = iter(["no", None])
        EmbeddedModel(seed, tmp_path / str(seed), trial=lambda _, left=failing: next(left)).answer(
            ask(ALL["assignment"])
        )
        line = json.loads((tmp_path / str(seed) / "proposer.jsonl").read_text())
        same += set(line["operators"].split("+")) <= set(line["failed_dry_runs"][0].split("+"))
    assert same >= 6
