"""The benchmark of faults: what it scripts, what it sees, and a small run of it."""

import importlib
import subprocess
import sys

import pytest
from openevolve.utils.code_utils import parse_full_rewrite
from support import ROOT

sys.path.append(str(ROOT / "benchmarks"))
faults = importlib.import_module("faults")

SMALL = """
import sys, faults
limits = {**faults.SHORT["limits"], "first_call_s": 2, "call_s": 1}
settings = {**faults.SHORT, "workload": "gptoss20b-phased", "checks": [], "limits": limits}
sys.exit(not faults.execute(6, sys.argv[1:], settings))
"""


@pytest.fixture
def run(tmp_path):
    return faults.Run(tmp_path, 1, {})


def test_forty_programs_hold_every_kind_twice_and_some_honest_ones():
    scripted = list(faults.script(40, list(faults.FAULTS)))
    kinds = [kind for kind, _ in scripted]
    assert {kind: kinds.count(kind) for kind in faults.FAULTS} == dict.fromkeys(faults.FAULTS, 2)
    assert kinds.count(faults.HONEST) == 40 - 2 * len(faults.FAULTS)
    assert len({program for _, program in scripted}) == 40


def test_openevolve_takes_each_program_as_it_is_and_its_first_line_names_the_kind():
    for kind, program in faults.script(40, list(faults.FAULTS)):
        assert parse_full_rewrite(f"```python\n{program}\n```") == program.strip()
        assert program.startswith(f"# {kind} | ")


def test_only_the_syntax_error_does_not_compile():
    def compiles(program):
        try:
            compile(program, "program", "exec")
        except SyntaxError:
            return False
        return True

    assert {kind for kind, program in faults.script(40, list(faults.FAULTS)) if not compiles(program)} == {
        "syntax error"
    }


def test_a_process_and_a_folder_that_were_left_are_seen(run):
    (run.temporary / "eplb-sandbox-left").mkdir()
    assert len(run.sandbox_folders()) == 1
    with subprocess.Popen(["sleep", "60"]) as left:
        assert left.pid in run.processes()
        left.kill()


def test_a_small_run_meets_every_target():
    kinds = ("endless loop", "parent killed", "huge outputs", "daemons")
    command = [sys.executable, "-c", SMALL, *kinds]
    done = subprocess.run(command, cwd=ROOT / "benchmarks", capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(f"{kind:18}  1  invalid" in done.stdout for kind in kinds)
    assert max(map(len, done.stdout.splitlines())) <= 80
