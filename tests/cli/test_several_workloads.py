"""Several workloads in one configuration, on the command line."""

import json

import pytest
import yaml
from clocked import Clocked, taking
from support import ROOT

from eplb_evolve.cli import compare as compare_command
from eplb_evolve.cli import evaluate as evaluate_command
from eplb_evolve.evaluation.pipeline import evaluate

NAMES = ["gptoss20b-phased", "dsv2lite-esft"]


@pytest.fixture
def several(project):
    """The project of other tests, whose configuration times on two workloads."""
    file = project / "evolve_config.yaml"
    document = yaml.safe_load(file.read_text())
    document["eplb"]["workload"] = NAMES
    file.write_text(yaml.safe_dump(document))
    return project


@pytest.fixture
def no_clock(monkeypatch):
    for command in (compare_command, evaluate_command):
        monkeypatch.setattr(command, "open_bench", lambda _: Clocked())
    monkeypatch.setattr(evaluate_command, "is_deepseek_form", lambda _: False)
    monkeypatch.setattr(evaluate_command, "evaluate_with_speedup", lambda *given: evaluate(*given[:3]))


@pytest.mark.parametrize("how", [[], ["--workload", "+".join(NAMES)]])
def test_evaluate_shows_each_workload_and_the_mean(eplb, several, no_clock, program, how):
    code, out, _ = eplb("evaluate", program(taking(0.02)), *how)
    assert code == 0, out
    assert "feasible" in out
    assert all(f"\n{name}" in out for name in NAMES)
    assert "ratio_to_reference" in out
    assert "ratio_worst" in out
    assert all(len(line) <= 80 for line in out.splitlines() if not line.startswith(str(several)))


def test_json_has_one_object_with_both(eplb, several, no_clock, program):
    code, out, _ = eplb("evaluate", program(taking(0.02)), "--json")
    assert code == 0
    (found,) = json.loads(out)
    assert found["workload"] == "+".join(NAMES)
    assert [each["workload"] for each in found["on"]] == NAMES
    assert [each["ratio_to_reference"] for each in found["on"]] == pytest.approx([2.0, 2.0])


def test_compare_says_what_comes_of_all(eplb, several, no_clock):
    for name, seconds in (("one", 0.02), ("two", 0.04)):
        (several / f"{name}.py").write_text(taking(seconds))
    code, out, _ = eplb("compare", "one.py", "two.py")
    assert code == 0, out
    assert out.count("one is 2 times as fast as two") == 2
    assert "Over the 2 workloads (geometric mean) one takes 0.5 times as long as two" in " ".join(out.split())


def test_check_lists_them(eplb, several):
    code, _, err = eplb("check", several / "evolve_config.yaml")
    assert code == 0, err
    assert err.count("  workload  ") == 2


def test_a_topology_for_several_is_refused(eplb, several):
    code, _, err = eplb("evaluate", ROOT / "seeds" / "adrs_snake.py", "--replicas", "80")
    assert code == 2
    assert "a topology is of one workload" in err


@pytest.mark.parametrize(
    ("workload", "sentence"),
    [
        ("[gptoss20b-phased, gptoss20b-phased]", "'gptoss20b-phased' is there twice"),
        ("[]", "the list is empty"),
        ("[3]", "eplb.workload"),
        ("{a: b}", "eplb.workload must be text, or a list"),
        ("[gptoss20b-phased, nowhere]", "nowhere"),
    ],
)
def test_a_wrong_list_is_one_sentence(eplb, project, workload, sentence):
    file = project / "evolve_config.yaml"
    document = yaml.safe_load(file.read_text())
    document["eplb"]["workload"] = yaml.safe_load(workload)
    file.write_text(yaml.safe_dump(document))
    code, _, err = eplb("check", file)
    assert code == 2
    assert sentence in err
    assert "Traceback" not in err


def test_the_shipped_configuration_names_all_four(eplb, project):
    code, _, err = eplb("check", ROOT / "configs" / "general.yaml")
    assert code == 0, err
    assert err.count("  workload  ") == 4
