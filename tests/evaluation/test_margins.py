"""How far a program is from each limit of the balance, and on what load."""

import dataclasses
import json

import pytest
from evaluations import evaluated

from eplb_evolve.evaluation.balance import CallBalance
from eplb_evolve.evaluation.constraint import judge
from eplb_evolve.evaluation.pipeline import evaluate
from eplb_evolve.evaluation.result import Evaluation, Margin
from eplb_evolve.evaluation.settings import TRADED, Thresholds
from eplb_evolve.runs.ledger import Entry, Ledger, parse

CALL = "honest(weight, num_replicas, num_groups, num_nodes, num_gpus)"
BLIND = "flat = torch.minimum(weight.double(), 2 * weight.double().mean(dim=1, keepdim=True))\n"
FIGURES = ["next_window", "same_window", "each_call", "worst_layer"]


@pytest.fixture
def robust(task):
    return dataclasses.replace(task, settings=dataclasses.replace(task.settings, thresholds=Thresholds()))


def test_a_verdict_has_what_is_demanded_and_its_tightest():
    exact = CallBalance(next_window=0.8, same_window=0.9, worst_layer=0.7, sglang=0.8)
    worse = dataclasses.replace(exact, worst_layer=0.7 * 0.81)
    verdict = judge([worse] * 3, [exact] * 3, Thresholds())
    assert [margin.figure for margin in verdict.margins("here")] == FIGURES
    (tightest,) = verdict.tightest("here")  # 0.81 / 0.8 is nearer than 1 / 0.985
    assert (tightest.on, tightest.figure, tightest.least) == ("here", "worst_layer", 0.8)
    assert tightest.share == pytest.approx(0.81)
    assert [margin.figure for margin in judge([worse], [exact], TRADED).margins("here")] == ["same_window"]
    assert judge([worse], [exact], Thresholds(0, 0, 0, 0)).tightest("here") == ()


def test_the_timed_load_has_every_figure_and_each_other_load_one(program, robust, bench):
    found = evaluate(program(wrapping=f"return {CALL}"), robust, bench)
    assert found.feasible
    assert [margin.figure for margin in found.margins[:4]] == FIGURES
    loads = [margin.on for margin in found.margins]
    assert loads[:4] == ["gptoss20b-phased"] * 4
    assert "near-uniform loads" in loads
    assert len(loads[4:]) == len(set(loads[4:])) > 3
    assert all(margin.share >= margin.least for margin in found.margins)
    assert Evaluation.from_dict(json.loads(json.dumps(found.as_dict()))) == found


def test_an_infeasible_program_is_told_where_and_by_how_much(program, robust, bench):
    """As far as it was judged: it fell on a robust load, and was not timed."""
    found = evaluate(program(wrapping=f"{BLIND}return {CALL.replace('weight', 'flat')}"), robust, bench)
    assert (found.valid, found.feasible, found.timing) == (True, False, None)
    assert found.margins[-1].share < found.margins[-1].least
    assert found.margins[-1].on in found.reason
    assert f"{found.margins[-1].share:.4f} x" in found.reason


@pytest.mark.parametrize(
    "margins",
    [5, "abc", [5], [{"on": "w"}]]
    + [
        [{"on": "w", "figure": "each_call", "share": 1.0, "least": 0.9} | wrong]
        for wrong in ({"on": 5}, {"share": "1"})
    ],
)
def test_a_ledger_refuses_margins_that_are_none(tmp_path, margins):
    ledger = Ledger(tmp_path)
    ledger.append(Entry(dataclasses.replace(evaluated(1.0), margins=(Margin("w", "each_call", 1.0, 0.9),)), "", ""))
    line = json.loads(ledger.file.read_text())
    assert parse(json.dumps(line).encode()).evaluation.margins[0].share == 1.0
    assert parse(json.dumps(line | {"margins": margins}).encode()) is None


def test_a_ledger_that_lacks_them_is_read(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.append(Entry(evaluated(1.0), "", ""))
    line = json.loads(ledger.file.read_text())
    del line["margins"], line["profile"]
    found = parse(json.dumps(line).encode()).evaluation
    assert (found.margins, found.profile) == ((), "")
    assert parse(json.dumps(line | {"profile": 5}).encode()) is None
