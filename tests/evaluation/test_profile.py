"""Where a call's time goes, and how far the balance is from its limits, for a proposer to read."""

import re

import pytest
from conftest import HEADER
from support import ROOT, SEED

from eplb_evolve.evaluation import profile
from eplb_evolve.evaluation.pipeline import evaluate
from eplb_evolve.runs.ledger import Entry, parse

END = "\n\n# EVOLVE-BLOCK-END"


def profiled(tmp_path, task, bench, change=lambda text: text):
    program = tmp_path / "program.py"
    program.write_text(change(SEED.read_text()))
    return evaluate(program, task, bench, profiled=True)


def test_a_python_program_tells_its_functions(tmp_path, task, bench):
    found = profiled(tmp_path, task, bench)
    first, *others = found.profile.splitlines()
    assert re.fullmatch(r"[\d.e-]+ ms of processor time and \d+ page faults a call, seen from outside", first)
    assert 1 <= len(others) <= 4
    assert re.search(r"balanced_packing \(line \d+\): [\d.]+ ms, \d+ %, \d+ calls", found.profile)
    assert float(first.split()[0]) > 0
    assert not evaluate(SEED, task, bench).profile


@pytest.mark.parametrize(
    "tail",
    [
        "import sys\nsys.setprofile(None)\nif 'cProfile' in sys.modules:\n    raise SystemExit\n",
        "_inner = rebalance_experts\ndef rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus):\n"
        "    import sys\n    if sys.getprofile() is not None:\n        raise ValueError('watched')\n"
        "    return _inner(weight, num_replicas, num_groups, num_nodes, num_gpus)\n",
        "import builtins\nbuiltins.print = None\n",
        "import cProfile\ncProfile.Profile = None\n",
        "print('\\x1b[2J' * 4000)\n",
    ],
    ids=["exits", "refuses to be watched", "no print", "no profiler", "floods"],
)
def test_a_program_that_resists_loses_its_profile_alone(tmp_path, task, bench, tail):
    found = profiled(tmp_path, task, bench, lambda text: text.replace(END, f"\n\n{tail}{END}"))
    assert found.feasible, found.reason
    assert found.profile.splitlines()[0].endswith("seen from outside")
    assert found.profile.isprintable() or "\n" in found.profile
    assert "\x1b" not in found.profile


def test_a_slow_compiler_is_not_run_twice(tmp_path, task, bench, monkeypatch):
    monkeypatch.setattr(profile, "MOST_FIRST_CALL_MS", 0.0)
    assert len(profiled(tmp_path, task, bench).profile.splitlines()) == 1


def test_what_was_not_timed_has_none(tmp_path, task, bench):
    program = tmp_path / "program.py"
    program.write_text(HEADER + "    raise ValueError\n")
    assert evaluate(program, task, bench, profiled=True).profile == ""


def test_margins_of_a_good_program(tmp_path, task, bench):
    found = evaluate(SEED, task, bench)
    name = task.workload.name
    assert [each.figure for each in found.margins if each.on == name] == [
        *("next_window", "same_window", "each_call", "worst_layer")
    ]
    assert {each.least for each in found.margins if each.figure == "next_window" and each.on == name} == {0.985}
    assert all(each.share >= each.least for each in found.margins)
    line = parse(_line(found))
    assert line.evaluation.margins == found.margins
    assert line.evaluation.profile == ""


def test_margins_of_a_program_that_falls_short(task, bench):
    found = evaluate(ROOT / "seeds" / "random_placement.py", task, bench)
    assert not found.feasible
    assert min(each.share / each.least for each in found.margins) < 1


def test_a_line_with_margins_that_are_none_is_skipped(task, bench):
    found = evaluate(SEED, task, bench)
    assert parse(_line(found).replace(b'"figure": "each_call"', b'"figure": 7')) is None


def _line(evaluation):
    import json

    entry = Entry(evaluation, "2026-01-01T00:00:00+00:00")
    return json.dumps({"when": entry.when, "tier": "", "operators": [], **evaluation.as_dict()}).encode()
