"""The evaluator's core needs torch, numpy, numba, scipy and PyYAML only: a GPU machine may have nothing else."""

import importlib.util
import re
import subprocess
import sys
import tomllib

import pytest
from support import ROOT

CORE = ("sandbox", "workload", "evaluation", "placement", "reference", "machine", "paths", "errors")
NEEDED = ("torch", "numpy", "numba", "scipy", "pyyaml", "pygments")  # the last one by pytest itself
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DEPENDENCIES = [re.match(r"[\w-]+", line)[0] for line in PROJECT["dependencies"]]
ABSENT = [*(name for name in DEPENDENCIES if name not in NEEDED), "psutil", "matplotlib"]

IMPORT_ALL = """
import importlib, pkgutil, runpy, sys
from pathlib import Path
for name in sys.argv[3].split(","):
    sys.modules[name] = None
sys.path.insert(0, sys.argv[1])
for name in sys.argv[2].split(","):
    module = importlib.import_module(f"eplb_evolve.{name}")
    for found in pkgutil.iter_modules(getattr(module, "__path__", [])):
        importlib.import_module(f"eplb_evolve.{name}.{found.name}")
for script in sys.argv[4:]:
    runpy.run_path(script, run_name="imported")
"""


@pytest.mark.parametrize("script", [None, "benchmarks/gpu.py", "tests/gpu/test_gpu.py", "tests/conftest.py"])
def test_nothing_else_is_imported(script):
    scripts = [str(ROOT / script)] if script else []
    command = [sys.executable, "-c", IMPORT_ALL, str(ROOT / "src"), ",".join(CORE), ",".join(ABSENT), *scripts]
    environment = {"PYTHONPATH": str(ROOT / "tests")}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr


def test_what_must_not_be_imported_could_be():
    assert set(NEEDED) < set(DEPENDENCIES)
    assert [name for name in ABSENT if importlib.util.find_spec(name) is None] == []
