"""The searches of examples/, without their frameworks: what those are told of a program, and how a search ends."""

import importlib.util
import json
import sys
import types

import pytest
from evaluations import evaluated
from support import ROOT, free_port

import eplb_evolve
from eplb_evolve.errors import EnvironmentProblem
from eplb_evolve.evaluation import measured

FEASIBLE = evaluated(0.5, balancedness_reference=0.8, balancedness_same=0.9, balancedness_worst_layer=0.7)
INFEASIBLE = evaluated(valid=True, combined_score=0.7, reason="balancedness is too low")
INVALID = evaluated()
FAILED = evaluated(evaluator_failed=True, reason="the disk is full")


@pytest.fixture
def example(monkeypatch):
    """Loads a script of examples/ as a module."""

    def load(name):
        spec = importlib.util.spec_from_file_location("example", ROOT / "examples" / name)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    monkeypatch.chdir(ROOT)
    return load


@pytest.fixture
def shinka_search(example, monkeypatch):
    """examples/shinka/search.py beside a stand-in for ShinkaEvolve."""
    for name, classes in {
        "core": ("EvolutionConfig", "ShinkaEvolveRunner"),
        "database": ("DatabaseConfig",),
        "launch": ("JobScheduler", "LocalJobConfig"),
    }.items():
        module = types.ModuleType(f"shinka.{name}")
        vars(module).update({each: type(each, (), {}) for each in classes})
        monkeypatch.setitem(sys.modules, f"shinka.{name}", module)
    return example("shinka/search.py")


def judged_as(monkeypatch, evaluation):
    """The library finds `evaluation` of every program; returns the programs that it was asked about."""
    asked = []

    def evaluate(program, workload):
        asked.append(program.read_text())
        return evaluation

    monkeypatch.setattr(eplb_evolve, "evaluate", evaluate, raising=False)
    return asked


@pytest.mark.parametrize("found", [FEASIBLE, INFEASIBLE, INVALID], ids=lambda found: found.status.value)
def test_both_are_told_the_score_and_why(example, monkeypatch, tmp_path, found):
    judged_as(monkeypatch, found)
    score, words = example("gepa/search.py").Judge(None)("a program")
    assert score == found.combined_score
    assert found.reason in words["verdict"]
    (program := tmp_path / "main.py").write_text("a program")
    told, correct, line = example("shinka/evaluate.py").judged(program, None)
    assert told["combined_score"] == found.combined_score
    assert words["verdict"] in told["text_feedback"]
    assert correct == {"correct": found.feasible, "error": found.reason or None}
    assert json.loads(json.dumps(told)) == told
    assert line.startswith(f"score {score:6.3f}  {words['time' if found.feasible else 'verdict'][:60]}")


def test_gepa_has_a_program_measured_once(example, monkeypatch, capsys):
    asked = judged_as(monkeypatch, FEASIBLE)
    judge = example("gepa/search.py").Judge(None)
    assert judge("one") == judge("one")
    judge("two")
    assert asked == ["one", "two"]
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_gepa_hears_with_a_parent_why_others_failed(example, monkeypatch):
    judge = example("gepa/search.py").Judge(None)
    judged_as(monkeypatch, FEASIBLE)
    before = judge("parent")
    for number in range(4):
        judged_as(monkeypatch, evaluated(reason=f"reason {number}"))
        judge(f"child {number}")
    after = judge("parent")
    assert after[0] == before[0]
    told = after[1].pop("other programs that failed")
    assert told.splitlines() == [f"Invalid: reason {number}." for number in (1, 2, 3)]
    assert after[1] == before[1]


def test_a_program_that_does_not_compile_is_a_low_score_with_the_reason(example, monkeypatch, tmp_path):
    """By the real library and sandbox, without the speedup over the seed, which takes long."""
    monkeypatch.setattr(measured, "seed_ratio", lambda *_: None)
    (program := tmp_path / "main.py").write_text("def rebalance_experts(:\n")
    arguments = ["--program_path", str(program), "--results_dir", str(tmp_path), "--workload", "gptoss20b-phased"]
    monkeypatch.setattr(sys, "argv", ["evaluate.py", *arguments])
    example("shinka/evaluate.py").main()
    told = json.loads((tmp_path / "metrics.json").read_text())
    assert told["combined_score"] == 0
    assert "SyntaxError" in told["text_feedback"]
    assert json.loads((tmp_path / "correct.json").read_text())["correct"] is False


def test_a_failed_evaluator_is_no_score(example, monkeypatch, tmp_path):
    judged_as(monkeypatch, FAILED)
    with pytest.raises(EnvironmentProblem, match="the disk is full"):
        example("gepa/search.py").Judge(None)("a program")
    (program := tmp_path / "main.py").write_text("a program")
    with pytest.raises(EnvironmentProblem, match="the disk is full"):
        example("shinka/evaluate.py").judged(program, None)


def test_a_machine_that_cannot_judge_ends_a_search_of_gepa_with_one_sentence(example, monkeypatch, capsys, tmp_path):
    script = example("gepa/search.py")
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")
    monkeypatch.setattr(script, "search", lambda _ask, _proposals, workload, _output: script.Judge(workload)("x = 1"))
    monkeypatch.setenv("OPENAI_API_KEY", "any")
    monkeypatch.setattr(sys, "argv", ["search.py", "--model", "m", "--output", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        script.main()
    assert ended.value.code == 3
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert said[0].startswith("search.py: ")
    assert "/dev/null" in said[0]


def test_a_machine_that_cannot_judge_ends_a_search_of_shinka_with_one_sentence(
    example, shinka_search, monkeypatch, capsys, tmp_path
):
    (program := tmp_path / "main.py").write_text("x = 1")
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")
    monkeypatch.setattr(sys, "argv", ["evaluate.py", "--program_path", str(program), "--results_dir", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        example("shinka/evaluate.py").main()
    assert ended.value.code == 3
    assert not (tmp_path / "metrics.json").exists()
    sentence = capsys.readouterr().err
    monkeypatch.setattr(shinka_search.os, "_exit", sys.exit)
    with pytest.raises(SystemExit) as ended:
        shinka_search.told({"metrics": {}, "stderr_log": sentence}, str(tmp_path))
    assert ended.value.code == 3
    assert capsys.readouterr().err == f"search.py: the evaluator failed: {sentence}"


@pytest.mark.parametrize("name", ["gepa/search.py", "shinka/search.py"])
def test_a_model_without_a_key_is_refused(example, shinka_search, monkeypatch, capsys, name):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setattr(sys, "argv", ["search.py", "--model", "m"])
    with pytest.raises(SystemExit) as ended:
        example(name).main()
    assert ended.value.code == 2
    assert "OPENAI_API_KEY is not set" in capsys.readouterr().err


def test_a_search_of_gepa_ends_where_the_endpoint_does_not_answer(example, monkeypatch, capsys):
    script = example("gepa/search.py")
    monkeypatch.setattr(script, "RETRIES", 0)
    ask = script.model("m", f"http://127.0.0.1:{free_port()}/v1", "none")
    with pytest.raises(SystemExit) as ended:
        ask("a program, please")
    assert ended.value.code == 3
    assert capsys.readouterr().err.startswith("search.py: no reply from http://127.0.0.1:")


def test_shinka_goes_on_after_a_bad_program(shinka_search, capsys):
    results = {"metrics": {"combined_score": 0.0}, "stdout_log": "score  0.000  Invalid: it raised\n", "stderr_log": ""}
    assert shinka_search.told(results, "run/gen_3/results") is results
    assert capsys.readouterr().out == "  3  score  0.000  Invalid: it raised\n"


def test_the_scripted_endpoint_gives_whole_programs_of_seeds(example):
    from openai import OpenAI

    scripted = example("scripted.py")
    with scripted.endpoint() as server:
        client = OpenAI(base_url=server.api_base, api_key="none")
        asked = [{"role": "user", "content": "a program, please"}]
        replies = [client.chat.completions.create(model="m", messages=asked) for _ in (*scripted.PROGRAMS, "more")]
    for name, reply in zip((*scripted.PROGRAMS, scripted.PROGRAMS[-1]), replies, strict=True):
        assert (ROOT / "seeds" / f"{name}.py").read_text() in reply.choices[0].message.content
