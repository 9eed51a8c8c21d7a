"""benchmarks/gpu.py: a sentence where there is no GPU, and, with a stand-in for one, what it writes."""

import importlib.util
import json
import os
import subprocess
import sys

import pytest
from fake_gpu import STAND_IN, install_nvidia_smi
from support import ROOT

from eplb_evolve import machine
from eplb_evolve.evaluation.settings import Settings, Timing
from eplb_evolve.runs.origin import declared_device
from eplb_evolve.sandbox import Zygote

SCRIPT = ROOT / "benchmarks" / "gpu.py"


@pytest.fixture
def gpu(monkeypatch):
    specification = importlib.util.spec_from_file_location("gpu_benchmark", SCRIPT)
    module = importlib.util.module_from_spec(specification)
    monkeypatch.setitem(sys.modules, "gpu_benchmark", module)
    specification.loader.exec_module(module)
    return module


@pytest.mark.parametrize("arguments", [["--check"], []])
def test_without_a_gpu_it_ends_with_one_sentence(tmp_path, arguments):
    environment = os.environ | {"PATH": str(tmp_path), "PYTHONPATH": str(ROOT / "src")}
    before = sorted((ROOT / "results").rglob("*"))
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], check=False, capture_output=True, text=True, env=environment
    )
    assert done.returncode == 3
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "nvidia-smi is not on PATH" in done.stderr
    assert sorted((ROOT / "results").rglob("*")) == before


def test_what_it_writes(gpu, monkeypatch, tmp_path):
    install_nvidia_smi(tmp_path / "bin", monkeypatch)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    machine.describe.cache_clear()
    monkeypatch.setattr(Zygote, "command", STAND_IN)
    monkeypatch.setattr(gpu, "WORKLOAD", "gptoss20b-phased")
    monkeypatch.setattr(gpu, "CHECKS", ())
    runnable = {name: file for name, file in gpu.PROGRAMS.items() if declared_device(file) == "cpu"}
    monkeypatch.setattr(gpu, "PROGRAMS", runnable)
    reports = [gpu.measure("cuda", Settings(timing=Timing(pairs_fast=4, pairs_slow=3)), repeats=2)]
    gpu.write(reports, tmp_path / "results")
    machine.describe.cache_clear()
    readme = (tmp_path / "results" / "README.md").read_text()
    written = json.loads((tmp_path / "results" / "benchmark.json").read_text())
    assert "NVIDIA H100 80GB HBM3, driver 580.159.04, 1980/2619 MHz" in readme
    assert "clocks just after the timed calls: 1755/2618 MHz" in readme
    (report,) = written["reports"]
    assert set(report["rows"]) == set(gpu.PROGRAMS)
    assert all(row["feasible"] for row in report["rows"].values())
    assert all(f"| {name} | cuda |" in readme for name in gpu.PROGRAMS)
    assert report["null_ms"] > 0
    assert report["start_ms"] > 0
    assert report["ratio_sd"] > 0
