"""Children of a recorded run, derived and judged again."""

from pathlib import Path

import pytest
from evaluations import evaluated
from support import ROOT, SEED

from eplb_evolve.errors import UsageError
from eplb_evolve.evaluation.pipeline import evaluate
from eplb_evolve.gateway.parsing import sha256
from eplb_evolve.runs.replay import CannotDerive, check_replies, derive, read_rules, replay, total
from eplb_evolve.runs.trace import Mutation, Trace, read_trace

DATA = Path(__file__).parent / "data" / "evolution_trace.jsonl"
DIFF = "<<<<<<< SEARCH\nx = 1\n=======\nx = 2\n>>>>>>> REPLACE\n"


@pytest.fixture(scope="module")
def rules():
    return read_rules(ROOT / "evolve_config.yaml")


def mutation(reply=DIFF, parent="x = 1\n", child="x = 2\n", full_rewrite=False, **metrics):
    told = {"valid": 1.0, "feasible": 1.0, "ratio_to_reference": 2.0} | metrics
    return Mutation(1, parent, sha256(child), told, reply, "m", full_rewrite)


def judged(ratio, feasible=True):
    evaluation = evaluated(ratio, feasible=feasible)
    return lambda _program: evaluation


def test_every_child_of_a_real_trace_is_derived_again(rules):
    trace = read_trace(DATA)
    assert len(trace.mutations) == 3
    assert [sha256(derive(each, rules)) for each in trace.mutations] == [each.child_sha256 for each in trace.mutations]


def test_a_full_rewrite_is_the_first_program_in_the_reply(rules):
    assert derive(mutation("so:\n```python\nx = 2\n```\n", full_rewrite=True), rules) == "x = 2"


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (None, "no reply"),
        ("nothing", "none of the reply's 0 diff blocks"),
        (DIFF.replace("x = 1", "y = 1"), "none of the reply's 1 diff blocks"),
        (DIFF.replace("=======\n", "=======\n=======\n"), "delimiter"),
    ],
)
def test_what_cannot_be_derived_says_why(rules, reply, why):
    with pytest.raises(CannotDerive, match=why):
        derive(mutation(reply), rules)


def test_another_child_than_the_recorded_one_differs(rules, tmp_path):
    found = replay(mutation(child="x = 3\n"), rules, None, tmp_path)
    assert (found.derivation, found.verdict_now) == ("differs", None)
    assert not total([found], 0).agree


def test_now_is_set_against_recorded(rules, tmp_path):
    same = replay(mutation(), rules, judged(3.0), tmp_path)
    worse = replay(mutation(), rules, judged(4.0, feasible=False), tmp_path)
    assert (same.derivation, same.change) == ("same", 1.5)
    assert (worse.verdict_recorded, worse.verdict_now) == ("feasible", "infeasible")
    totals = total([same, worse], 1)
    assert (totals.derived, totals.same_verdict, totals.evaluated, totals.change) == (2, 1, 2, 1.75)
    assert not totals.agree
    assert total([same], 1).agree


def test_what_is_judged_is_the_derived_program(rules, tmp_path):
    texts = []

    def look(program):
        texts.append(program.read_text())
        return judged(1.0)(program)

    replay(mutation(child="x = 3\n"), rules, look, tmp_path)
    assert texts == ["x = 2\n"]


def test_a_derived_program_is_judged_by_the_evaluator_itself(rules, tmp_path, task, bench):
    source = SEED.read_text()
    reply = "<<<<<<< SEARCH\nimport torch\n=======\nimport torch  # again\n>>>>>>> REPLACE\n"
    recorded = mutation(reply, source, source.replace("import torch\n", "import torch  # again\n", 1))
    found = replay(recorded, rules, lambda program: evaluate(program, task, bench), tmp_path)
    assert (found.derivation, found.verdict_now) == ("same", "feasible")
    assert found.ratio_now is not None


def test_a_trace_without_replies_is_one_sentence():
    with pytest.raises(UsageError, match="include_prompts: true"):
        check_replies(Trace(DATA, (mutation(None),), 0))
    with pytest.raises(UsageError, match="no complete line"):
        check_replies(Trace(DATA, (), 1))


def test_the_rules_need_no_key(monkeypatch):
    monkeypatch.delenv("GEMINI_API_KEY", raising=False)
    assert read_rules(ROOT / "configs" / "gemini.yaml").language == "python"
