"""Whole runs of the stock openevolve-run with the embedded proposer; tests/test_faults.py has one with faults."""

import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import ledgers
import psutil
import pytest
from searches import BLIND, OPENEVOLVE, processes_of
from support import ROOT, SEED, free_port

from eplb_evolve.runs.ledger import Ledger
from eplb_evolve.runs.run_info import read_starts
from eplb_evolve.sandbox import Limits, Zygote
from eplb_evolve.search import open_search

EPLB = OPENEVOLVE.with_name("eplb")


def command(config, run, iterations):
    return [
        *(str(OPENEVOLVE), str(SEED), str(ROOT / "evaluator.py"), "--config", str(config)),
        *("--output", str(run), "--iterations", str(iterations)),
    ]


def test_orphans_would_be_seen(tmp_path, monkeypatch):
    """The check above sees a zygote, a timekeeper and its worker."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with closing(Zygote()) as zygote, closing(zygote.spawn(SEED, Limits())):
        assert len(processes_of(tmp_path)) == 3


def test_the_embedded_search_runs_with_no_key_and_can_be_watched(configured, tmp_path, no_orphans):
    config = configured(free_port())
    run, cache = tmp_path / "run", tmp_path / "cache"
    environment = os.environ | {"XDG_CACHE_HOME": str(cache)}
    run.mkdir()
    watching = subprocess.Popen([EPLB, "watch", run], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    with watching:
        assert watching.stdout.readline() == "Waiting for the first evaluation: there is no ledger yet.\n"
        done = subprocess.run(
            command(config, run, 2), capture_output=True, text=True, timeout=300, check=False, env=environment
        )
        assert done.returncode == 0, done.stdout + done.stderr
        lines = watching.communicate(timeout=60)[0].splitlines()
    assert watching.returncode == 0
    assert [line.split()[1] for line in lines[:3]] == ["1", "2", "3"]
    assert lines[3] == "The search has ended."
    assert lines[4].startswith("3 of 3 evaluations in ")
    assert "the embedded proposer (no LLM is used)" in done.stderr
    entries = Ledger(run).entries()
    assert len(entries) == 3
    assert entries[0].operators == ()
    assert all(entry.operators and entry.tier in ("T0", "T1") for entry in entries[1:])
    assert entries[0].evaluation.feasible
    (seed,) = (json.loads(file.read_text()) for file in cache.rglob("measured-*.json"))
    for found in (entry.evaluation for entry in entries if entry.evaluation.valid):
        assert found.timing.speedup_over_seed == pytest.approx(
            seed["ratio_to_reference"] / found.timing.ratio_to_reference
        )
    assert all((run / entry.evaluation.program).is_file() for entry in entries)
    (start,) = read_starts(run)
    assert (start.iterations, start.workload, start.objective, start.resumed) == (2, "gptoss20b-phased", "time", False)
    assert start.seed_sha256 == hashlib.sha256(SEED.read_bytes()).hexdigest()
    assert start.command[:3] == ("openevolve-run", "initial_program.py", "evaluator.py")
    assert str(tmp_path) not in " ".join(start.command)  # nor any other folder of this machine
    assert "gptoss20b-phased" in start.config


def test_a_run_of_openevolve_0_4_0_is_resumed(configured, tmp_path):
    """The run in results/data: two iterations of `random-edits` on the seed under 0.4.0, trace and logs removed."""
    run = shutil.copytree(Path(__file__).parent / "runs" / "data" / "openevolve-0.4.0", tmp_path / "run")
    before = Ledger(run).entries()
    line = command(configured(free_port(), llm=BLIND, checkpoint_interval=1), run, 1)
    line += ["--checkpoint", str(run / "checkpoints" / "checkpoint_2")]
    done = subprocess.run(line, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert Ledger(run).entries()[:-1] == before
    known = {file.stem for file in (run / "checkpoints" / "checkpoint_2" / "programs").iterdir()}
    saved = {file.stem for file in (run / "checkpoints" / "checkpoint_3" / "programs").iterdir()}
    assert saved > known
    assert len(saved) == len(known) + 1


def test_kill_9_of_the_main_process_leaves_no_process(configured, tmp_path, no_orphans):
    run = tmp_path / "run"
    with subprocess.Popen(
        command(configured(free_port(), llm=BLIND), run, 500), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as main:
        deadline = time.monotonic() + 60
        while len(Ledger(run).entries()) < 2 and time.monotonic() < deadline:
            time.sleep(0.1)
        family = psutil.Process(main.pid).children(recursive=True)
        assert len(family) >= 4, "proposer, worker, two zygotes"
        os.kill(main.pid, signal.SIGKILL)
    _, alive = psutil.wait_procs(family, timeout=15)
    assert not alive
    assert len(Ledger(run).entries()) >= 2


@pytest.mark.parametrize(
    ("settings", "code", "sentence"),
    [
        ({"eplb": {"worklod": "x"}}, 2, "unknown key 'eplb.worklod' (did you mean 'workload'?)"),
        ({"eplb": {"workload": "dsv3"}}, 2, "unknown workload 'dsv3'"),
        ({"random_sed": 1, "random_seed": 1}, 2, "unknown key 'random_sed' (did you mean 'random_seed'?)"),
    ],
)
def test_a_wrong_configuration_ends_the_run_with_one_sentence(configured, tmp_path, settings, code, sentence):
    config = configured(free_port(), **settings)
    done = subprocess.run(command(config, tmp_path / "run", 1), capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == code
    assert sentence in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_busy_port_ends_the_run_with_one_sentence(configured, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        config = configured(port)
        run = command(config, tmp_path / "run", 1)
        done = subprocess.run(run, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 3
    assert f"port {port} is held by another process" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_openevolve_without_a_configuration_is_refused(tmp_path):
    run = [str(OPENEVOLVE), str(SEED), str(ROOT / "evaluator.py"), "--output", str(tmp_path)]
    done = subprocess.run(run, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "add --config evolve_config.yaml" in done.stderr


@pytest.fixture
def opened(monkeypatch, configured):
    """Open a search as openevolve-run would in its main process: `opened(config, run, *more)`; no gateway is needed."""

    def open_it(config, run, *more):
        line = ["openevolve-run", str(SEED), str(ROOT / "evaluator.py"), "--config", config, "--output", run, *more]
        monkeypatch.setattr(sys, "argv", list(map(str, line)))
        return open_search(str(ROOT / "evaluator.py"))

    return open_it


def elsewhere(**settings):
    """Settings of a search whose model is served by others."""
    return {"llm": {"models": [{"name": "m", "weight": 1.0}]}} | settings


def test_the_runs_copy_of_a_configuration_has_absolute_paths_and_run_json_the_text(opened, configured, tmp_path):
    """So that a resumed search tells its model the task, wherever the configuration lay."""
    config, run = configured(1, **elsewhere()), tmp_path / "results" / "run"
    shutil.copytree(ROOT / "prompts", tmp_path / "templates")
    text = "# mine\n" + config.read_text().replace(str(ROOT / "prompts"), "templates")
    config.write_text(text)
    opened(config, run)
    kept = (run / "config.yaml").read_text()
    assert kept == text.replace("template_dir: templates", f'template_dir: "{tmp_path / "templates"}"')
    (start,) = read_starts(run)
    assert start.config == text
    opened(run / "config.yaml", run, "--checkpoint", run / "checkpoints" / "checkpoint_1")
    assert (run / "config.yaml").read_text() == kept
    assert [each.resumed for each in read_starts(run)] == [False, True]


@pytest.mark.parametrize("resumed", [(), ("--checkpoint", "{run}/checkpoints/checkpoint_1")])
def test_a_search_goes_on_with_its_own_task_alone(opened, configured, tmp_path, capsys, resumed):
    run, more = tmp_path / "run", [part.format(run=tmp_path / "run") for part in resumed]
    opened(configured(1, **elsewhere()), run)
    ledgers.append(run, ledgers.entry(1, 5.0, workload="gptoss20b-phased"))
    before = (run / "config.yaml").read_text(), (run / "run.json").read_text()
    with pytest.raises(SystemExit) as end:
        opened(configured(1, **elsewhere(eplb={"objective": "balance"})), run, *more)
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert f"\neplb: {run} holds a search on another task" in "\n" + said
    assert "objective is time there, balance now" in said
    assert before == ((run / "config.yaml").read_text(), (run / "run.json").read_text())
    same = {"max_iterations": 99, "checkpoint_interval": 3, "database": {"num_islands": 5}, "random_seed": 7}
    changed = configured(1, llm={"models": [{"name": "n", "weight": 1.0}]}, eplb={"gateway": {"record": False}}, **same)
    opened(changed, run, *more)
    assert len(read_starts(run)) == 2


def test_a_checkpoint_of_another_task_is_not_gone_on_with_elsewhere(opened, configured, tmp_path, capsys):
    opened(configured(1, **elsewhere()), tmp_path / "run")
    ledgers.append(tmp_path / "run", ledgers.entry(1, 5.0, workload="gptoss20b-phased"))
    other = configured(1, **elsewhere(eplb={"profile": "strict"}))
    with pytest.raises(SystemExit) as end:
        opened(other, tmp_path / "new", "--checkpoint", tmp_path / "run" / "checkpoints" / "checkpoint_1")
    assert end.value.code == 2
    assert "thresholds.same_window is 0.95 there, 0.99 now" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_a_program_longer_than_the_limit_is_not_started_from(opened, configured, tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        opened(configured(1, **elsewhere(max_code_length=1000)), tmp_path / "run")
    assert end.value.code == 2
    assert "max_code_length is 1000, but " in capsys.readouterr().err
