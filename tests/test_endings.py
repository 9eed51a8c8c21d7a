"""Searches that cannot go on end soon, say why, keep what they have, and go on with it later."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path
from threading import Timer

import pytest
from gateway.scripted_upstream import answer, error, upstream
from searches import OPENEVOLVE, processes_of, write_config
from support import ROOT, SEED, free_port

from eplb_evolve import config, search_run
from eplb_evolve.ending import end, forget_ending, read_ending
from eplb_evolve.restart import complete_checkpoint
from eplb_evolve.runs.ledger import Ledger

EPLB = Path(sys.executable).with_name("eplb")
TALK = answer("I would rather not", 100, 10)


def adds(name):
    """A reply whose diff adds a line to any program of these searches."""
    return answer(f"<<<<<<< SEARCH\nimport torch\n=======\nimport torch\n{name} = 1\n>>>>>>> REPLACE", 100, 10)


def configured(folder, endpoint, **gateway):
    """A configuration whose only model is the endpoint's, which reads OpenEvolve's own prompts."""
    llm = {"models": [{"name": "m", "weight": 1.0}], "timeout": 60, "retries": 0}
    models = {"m": {"api_base": endpoint.api_base}}
    section = {"gateway": {"models": models, "retry_seconds": 1.0, "request_timeout_s": 5.0} | gateway}
    section["prompt"] = {"write": False}
    return write_config(folder, free_port(), llm=llm, eplb=section)


def eplb_run(*arguments):
    return subprocess.run(
        [EPLB, "run", *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )


def test_a_search_without_programs_ends_and_goes_on_from_its_ledger_with_none_measured_twice(tmp_path):
    run = tmp_path / "run"
    with upstream(adds("A"), TALK, TALK, adds("B"), adds("C"), TALK) as endpoint:
        config = configured(tmp_path, endpoint, give_up_after=2)
        first = eplb_run("--config", config, "--output", run, "--iterations", 50)
        again = eplb_run("--resume", run, "--iterations", 50)
    sentence = "eplb: 2 requests in a row brought no program (give_up_after); the last: the endpoint of m, "
    for done in (first, again):
        assert done.returncode == 3
        assert f"{sentence}{endpoint.api_base}: the reply makes no program (failed_replies/)\n" in done.stderr
        assert done.stderr.endswith(f"  eplb run --resume {run}   goes on with it\n")
    assert f"--checkpoint {run / 'checkpoints' / 'checkpoint_1'}\n" in again.stderr
    sources = [(run / entry.evaluation.program).read_text() for entry in Ledger(run).entries()]
    assert len(sources) == len(set(sources)) == 4
    assert sources[0] == SEED.read_text()
    assert [name in sources[1 + number] for number, name in enumerate(("A = 1", "B = 1", "C = 1"))] == [True] * 3
    usage = json.loads((run / "usage.json").read_text())["models"]["m"]
    assert (usage["exchanges"], usage["prompt_tokens"], usage["completion_tokens"]) == (7, 700, 70)
    assert len((run / "exchanges.jsonl").read_text().splitlines()) == 7
    assert not processes_of(tmp_path)
    checkpoint = complete_checkpoint(run, run / "config.yaml")
    programs = [json.loads(file.read_text())["code"] for file in (checkpoint / "programs").glob("*.json")]
    assert sorted(programs) == sorted(sources)
    assert complete_checkpoint(run, run / "config.yaml") == checkpoint
    (checkpoint / "metadata.json").write_text("{")
    assert complete_checkpoint(run, run / "config.yaml") == checkpoint
    assert len(list((checkpoint / "programs").glob("*.json"))) == 4


def test_a_search_that_is_over_before_it_is_given_up_says_why_no_program_came(tmp_path):
    run = tmp_path / "run"
    with upstream(TALK) as endpoint:
        done = eplb_run("--config", configured(tmp_path, endpoint), "--output", run, "--iterations", 2)
    assert done.returncode == 3
    sentence = f"no program came of 2 requests; the last: the endpoint of m, {endpoint.api_base}: the reply makes no"
    assert f"eplb: {sentence}" in done.stderr
    assert read_ending(run).sentence.startswith(sentence)


def test_a_search_whose_endpoint_is_gone_ends_before_the_seed_and_begins_when_it_is_back(tmp_path):
    run = tmp_path / "run"
    with upstream(error(401, "no"), models=error(401, "no such key")) as endpoint:
        config = configured(tmp_path, endpoint)
        done = eplb_run("--config", config, "--output", run, "--iterations", 1)
        assert done.returncode == 3
        assert f"eplb: the endpoint of m, {endpoint.api_base}: 401: no such key; it may want a key" in done.stderr
        assert not Ledger(run).entries()
        assert not endpoint.bodies
        endpoint.models, endpoint.steps = (200, '{"data": []}', {}), [adds("A")]
        done = eplb_run("--resume", run, "--iterations", 1, "--no-leaderboard")
    assert done.returncode == 0, done.stderr
    assert "--checkpoint" not in done.stderr
    assert len(Ledger(run).entries()) == 2
    assert read_ending(run) is None


@pytest.mark.parametrize(
    ("seed", "reason"),
    [
        ("def rebalance_experts(:\n", "SyntaxError"),
        ("import no_such_module\n", "no_such_module"),
        ("x = 1\n", "rebalance_experts"),
    ],
)
def test_a_seed_that_is_invalid_ends_the_stock_command(tmp_path, seed, reason):
    (tmp_path / "seed.py").write_text(seed)
    with upstream(TALK) as endpoint:
        config = configured(tmp_path, endpoint)
        line = [OPENEVOLVE, tmp_path / "seed.py", "evaluator.py", "--config", config, "--output", tmp_path / "run"]
        done = subprocess.run(list(map(str, line)), cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
        assert not endpoint.bodies
    assert done.returncode == 1, done.stderr
    assert "\neplb: the program that the search starts from is invalid: " in done.stderr
    assert reason in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not processes_of(tmp_path)


def test_a_worker_that_ends_its_search_hands_over_its_own_evaluation_first(tmp_path, monkeypatch):
    waits, sent = [], []

    class Held(Timer):
        def start(self):
            waits.append(self)

    monkeypatch.setattr(search_run.threading, "Timer", Held)
    monkeypatch.setattr(os, "kill", lambda *told: sent.append(told))
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: "OpenEvolve's")
    found = search_run.Search(config.read(write_config(tmp_path, free_port())), ROOT, tmp_path / "run")
    found.end("at the floor", 0)
    assert read_ending(tmp_path / "run").sentence == "at the floor"  # a gateway is told at once
    assert not sent
    (wait,) = waits
    assert wait.interval > 0
    assert not wait.daemon  # the worker does not end before it has told
    wait.function(*wait.args)
    assert sent == [(os.getppid(), signal.SIGTERM)]


def test_the_first_reason_counts_until_the_next_start(tmp_path, capfd):
    end(tmp_path, "this is wrong", 3)
    end(tmp_path, "and that", 1)
    assert capfd.readouterr().err == "eplb: this is wrong\n"
    found = read_ending(tmp_path)
    assert (found.sentence, found.exit_code) == ("this is wrong", 3)
    forget_ending(tmp_path)
    assert read_ending(tmp_path) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"when": 1}', "\xff"])
def test_a_torn_file_is_no_reason(tmp_path, text):
    (tmp_path / "ending.json").write_text(text, encoding="latin-1")
    assert read_ending(tmp_path) is None
