"""`eplb lineage` and `eplb replay` as a person or a script sees them."""

import json

import pytest
from support import ROOT

from eplb_evolve.runs.trace import read_trace

DATA = ROOT / "tests" / "runs" / "data" / "evolution_trace.jsonl"


@pytest.fixture
def run(tmp_path):
    """A run's folder with the recorded trace, the last child's text, and a ledger that knows it."""
    from evaluations import evaluated

    from eplb_evolve.runs.ledger import Entry, Ledger

    last = read_trace(DATA).mutations[-1]
    code = json.loads(DATA.read_text().splitlines()[-1])["child_code"]
    (tmp_path / DATA.name).write_bytes(DATA.read_bytes())
    ledger = Ledger(tmp_path)
    file = ledger.keep_program(code.encode(), last.child_sha256)
    found = evaluated(program=f"programs/{file.name}", sha256=last.child_sha256)
    ledger.append(Entry(found, "2026-01-01T00:00:00+00:00"))
    return tmp_path


def test_lineage_shows_one_line_per_step_and_ends_in_a_sentence(eplb, run):
    code, out, _ = eplb("lineage", read_trace(DATA).mutations[-1].child_sha256[:10], "--run", run)
    assert code == 0
    assert "jit_run" in out
    assert "invalid" in out
    assert out.splitlines()[-1] == "in 2 steps"
    assert all(len(line) <= 80 for line in out.splitlines())


def test_lineage_json_has_every_step(eplb, run):
    (program,) = (run / "programs").iterdir()
    told = json.loads(eplb("lineage", program, "--json")[1])
    assert told["source"] == "trace"
    assert [step["how"] for step in told["steps"]] == ["seed", "jit_run", "hoist_reads+change_dtype"]


def test_lineage_diff_shows_what_changed(eplb, run):
    (program,) = (run / "programs").iterdir()
    _, out, _ = eplb("lineage", program, "--diff")
    assert "+# proposed-by: embedded tier=T0 operators=jit_run\n" in out
    assert "\x1b" not in out


def test_a_hostile_program_reaches_the_terminal_as_text(eplb, tmp_path):
    program = tmp_path / "hostile.py"
    program.write_text("# proposed-by: embedded tier=T0 operators=[red]a\x1b[2J\n")
    _, out, _ = eplb("lineage", program)
    assert "\x1b" not in out
    assert "[red]a" in "".join(out.split())


def test_replay_derives_every_child(eplb, run):
    code, out, err = eplb("replay", run, "--no-evaluate")
    assert code == 0
    assert out.splitlines()[-1] == "derived 3 of 3"
    assert "replaying 3 of 3" in err
    assert all(len(line) <= 80 for line in out.splitlines())


def test_replay_json_is_alone_on_stdout(eplb):
    told = json.loads(eplb("replay", DATA, "--no-evaluate", "--json", "--limit", "2")[1])
    assert [line["derivation"] for line in told["lines"]] == ["same", "same"]
    assert told["totals"]["derived"] == 2


def test_replay_exits_with_1_when_a_child_differs(eplb, tmp_path):
    changed = json.loads(DATA.read_text().splitlines()[0]) | {"child_code": "x = 1\n"}
    (tmp_path / "trace.jsonl").write_text(json.dumps(changed) + '\n{"torn')
    code, out, _ = eplb("replay", tmp_path / "trace.jsonl", "--no-evaluate")
    assert code == 1
    assert "derived 0 of 1; torn lines skipped: 1" in out


def test_replay_of_nothing_is_one_sentence(eplb, tmp_path):
    code, out, err = eplb("replay", tmp_path / "none.jsonl")
    assert (code, out) == (2, "")
    assert "cannot read the trace" in err
