"""Where a call's time goes, and how far the balance is from its limits, for a proposer to read."""

import re

import pytest
from conftest import HEADER
from support import SEED

from eplb_evolve.evaluation import profile
from eplb_evolve.evaluation.pipeline import evaluate

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
        "_inner = rebalance_experts\ndef rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus):\n"
        "    import sys\n    if sys.getprofile() is not None:\n        raise ValueError('watched')\n"
        "    return _inner(weight, num_replicas, num_groups, num_nodes, num_gpus)\n",
        "print('\\x1b[2J' * 4000)\n",
    ],
    ids=["refuses to be watched", "floods"],
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
