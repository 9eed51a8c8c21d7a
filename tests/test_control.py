"""The control's report: curves, table and picture from the runs that are there."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def report():
    spec = importlib.util.spec_from_file_location("control_report", BENCHMARKS / "control_report.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["control_report"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["control_report"]


def evaluation(speedup, feasible=True, program="a"):
    return {"valid": True, "feasible": feasible, "speedup": speedup, "program": program}


def write_run(folder, model, seed, *evaluations, **proposer):
    (folder / "runs").mkdir(exist_ok=True)
    run = {"plan": {"model": model}, "machine": "a machine", "date": "2026-11-24", "seconds": 90}
    run |= {"proposer": proposer, "evaluations": evaluations}
    (folder / "runs" / f"{model}-{seed}.json").write_text(json.dumps(run))


def test_the_best_so_far_counts_feasible_programs_only(report):
    run = {"evaluations": [evaluation(None, False), evaluation(3.0), evaluation(9.0, False), evaluation(2.0)]}
    assert report.best_so_far(run) == (0.0, 3.0, 3.0, 3.0)


def test_a_run_that_ended_early_counts_with_its_last_best(report, tmp_path):
    write_run(tmp_path, "embedded", 1, evaluation(1.0), evaluation(5.0))
    write_run(tmp_path, "embedded", 2, evaluation(2.0), evaluation(2.0), evaluation(7.0))
    (curve,) = report.read_curves(tmp_path)
    assert curve.at(2) == [5.0, 2.0]
    assert curve.at(300) == [5.0, 7.0]


def test_the_report_keeps_what_people_wrote_around_its_figures(report, tmp_path):
    write_run(tmp_path, "embedded", 1, evaluation(1.0, program="a"), evaluation(40.0, program="b"), proposals=2)
    write_run(tmp_path, "random-edits", 1, evaluation(1.5), evaluation(1.0))
    report.write_report(tmp_path)
    readme = tmp_path / "README.md"
    readme.write_text(readme.read_text() + "\nWhat it shows.\n")
    report.write_report(tmp_path)
    text = readme.read_text()
    assert text.count("| embedded | 1 | 40.0 |") == 1
    assert text.endswith("What it shows.\n")
    assert "| random-edits | 2 | 2 | 100 % | 100 % | 50 % | none made |" in text
    assert "<svg" in (tmp_path / "control.svg").read_text()


def test_measurements_beside_the_seed_are_shown_when_there_are_some(report, tmp_path):
    write_run(tmp_path, "embedded", 1, evaluation(40.0, program="b"))
    figures = {"time_ms": 2.0, "ratio_to_reference": 0.5, "ratio_low": 0.4, "ratio_high": 0.6, "first_call_ms": 7000.0}
    figures |= {"balancedness": 0.75, "balancedness_reference": 0.75}
    again = {"machine": "a machine", "date": "2026-11-24", "seed": figures | {"ratio_to_reference": 50.0}}
    (tmp_path / "again.json").write_text(json.dumps(again | {"programs": {"embedded-1": figures}}))
    report.write_report(tmp_path)
    assert "| embedded-1 | 2.00 | 0.500 | 0.400 to 0.600 | 100.0 |" in (tmp_path / "README.md").read_text()
