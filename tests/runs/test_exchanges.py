"""What a run's exchanges tell: who proposed what, of which program, and what it brought."""

import pytest
from ledgers import append, entry
from runs.exchanges import exchange, record, torn

from eplb_evolve.gateway.parsing import sha256
from eplb_evolve.runs.family import read_family
from eplb_evolve.runs.ledger import Ledger
from eplb_evolve.runs.lineage import steps_to
from eplb_evolve.runs.models import in_words, shares
from eplb_evolve.runs.proposals import Proposals
from eplb_evolve.runs.replay import derive, read_rules, recorded

SEED, FIRST, SECOND, LOST = "a = 1\nx = 1\n", "a = 1\nx = 2\n", "a = 1\nx = 3\n", "a = 1\nx = 4\n"


def change(old, new):
    return f"So.\n<<<<<<< SEARCH\n{old}\n=======\n{new}\n>>>>>>> REPLACE\n"


def evaluated(number, program, ratio=None, **more):
    return entry(number, ratio, operators=(), sha256=sha256(program), program=f"programs/{number}.py", **more)


@pytest.fixture
def run(tmp_path):
    """SEED; FIRST of SEED by model m; nothing by n; SECOND of FIRST by n, where OpenEvolve asked about SEED."""
    record(
        tmp_path,
        exchange(SEED, FIRST, idea="two", reply=change("x = 1", "x = 2")),
        exchange(SEED, lost="an essay", model="n", idea="words"),
        exchange(SEED, SECOND, FIRST, idea="three", model="n", reply=change("x = 1", "x = 3")),
        exchange(SEED, idea="fails", lost="the endpoint failed", cost=None, model="n"),
    )
    append(
        tmp_path, evaluated(0, SEED, 50.0), evaluated(1, FIRST, 5.0), evaluated(2, SECOND, 0.5), evaluated(3, LOST, 0.1)
    )
    for program in (SEED, FIRST, SECOND):
        Ledger(tmp_path).keep_program(program.encode(), sha256(program))
    torn(tmp_path)
    return tmp_path


def test_proposals_are_read_as_they_come(run):
    proposals = Proposals(run)
    first, second, third, fourth = proposals.all()
    assert (first.idea, first.base, first.child, first.cost_usd) == ("two", sha256(SEED), sha256(FIRST), 0.5)
    assert (second.child, second.lost, fourth.cost_usd) == (None, "an essay", None)
    assert (third.parent, third.base) == (sha256(SEED), sha256(FIRST))
    record(run, exchange(SECOND, LOST))
    assert [each.number for each in proposals.all()] == [1, 2, 3, 4, 6]  # the torn line has a number as well


def test_lines_of_earlier_versions_say_less(tmp_path):
    (tmp_path / "exchanges.jsonl").write_text('{"number": 1, "model": "m", "usage": null}\n[]\n7\nnull\n')
    assert [(each.number, each.child, each.lost) for each in Proposals(tmp_path).all()] == [(1, None, "")]


def test_each_model_has_its_share(run):
    by_model = {each.model: each for each in shares(Proposals(run).all(), Ledger(run).entries(), "time")}
    assert (by_model["m"].proposals, by_model["m"].lost, by_model["m"].leaders) == (1, 0, 1)
    assert (by_model["n"].proposals, by_model["n"].lost, by_model["n"].cost_usd) == (3, 2, None)
    assert by_model["m"].gain == pytest.approx(10.0)
    assert by_model["n"].gain == pytest.approx(10.0)  # what no exchange made is nobody's
    assert in_words(by_model["m"], "time") == "1 proposal, 0 lost, 100 + 10 tokens, 0.50 USD, gained 10 x"
    assert in_words(by_model["n"], "time") == "3 proposals, 2 lost, 300 + 30 tokens, gained 10 x"


def test_lineage_names_what_a_program_was_really_made_of_without_any_trace(run):
    steps, whole = steps_to(sha256(SECOND), SECOND, read_family(run), Ledger(run).entries())
    assert whole
    assert [(step.how, step.idea, step.source) for step in steps] == [
        ("seed", "", SEED),
        ("m", "two", FIRST),
        ("n", "three", SECOND),
    ]
    assert steps[2].gain == pytest.approx(10.0)


def test_a_program_that_was_proposed_again_keeps_its_first_parent(run):
    record(run, exchange(SECOND, FIRST, idea="back"), exchange(FIRST, SEED, idea="further back"))
    family = read_family(run)
    assert family.path(sha256(SECOND)) == [sha256(SEED), sha256(FIRST), sha256(SECOND)]
    assert list(family.nodes) == [sha256(SEED), sha256(FIRST), sha256(SECOND)]


@pytest.mark.parametrize("name", ["", "exchanges.jsonl"])
def test_replay_reads_the_exchanges(run, name, rules):
    trace = recorded(run / name)
    assert (len(trace.mutations), trace.torn) == (2, 1)
    assert [sha256(derive(each, rules)) for each in trace.mutations] == [sha256(FIRST), sha256(SECOND)]
    assert [each.child_metrics["ratio_to_reference"] for each in trace.mutations] == [5.0, 0.5]


@pytest.fixture
def rules():
    from support import ROOT

    return read_rules(ROOT / "evolve_config.yaml")


def test_a_run_whose_exchanges_name_no_programs_is_replayed_from_its_trace(tmp_path):
    (tmp_path / "exchanges.jsonl").write_text('{"number": 1, "model": "m"}\n')
    (tmp_path / "evolution_trace.jsonl").write_text("")
    assert recorded(tmp_path).file.name == "evolution_trace.jsonl"
