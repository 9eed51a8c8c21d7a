"""The package as a library."""

import runpy
import subprocess
import sys

import pytest
from support import ROOT

import eplb_evolve
from eplb_evolve.errors import UsageError


def test_the_example_runs(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["docs/example.py"])
    runpy.run_path("docs/example.py", run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("gptoss20b-phased: ")
    assert " x the reference's balancedness, " in lines[1]
    assert "times the time of sglang_vec" in lines[2]
    assert any("deepseek seed" in line for line in lines[3:])


def test_names_come_from_the_project_and_others_are_refused():
    assert "dsv3-composite" in eplb_evolve.workload_names()
    assert eplb_evolve.load_workload("gptoss20b-phased").windows.ndim == 3
    with pytest.raises(UsageError, match="unknown workload 'gpt'"):
        eplb_evolve.load_workload("gpt")
    with pytest.raises(UsageError, match="split is search or holdout"):
        eplb_evolve.evaluate(ROOT / "initial_program.py", split="hold")


def test_importing_the_package_alone_loads_nothing_else():
    code = "import sys, eplb_evolve; print({name.split('.')[0] for name in sys.modules} & {'numpy', 'torch', 'scipy'})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'evaluat'"):
        eplb_evolve.evaluat  # noqa: B018
