"""`eplb run`: what it tells openevolve-run, how it ends, and that it leaves nothing behind."""

import dataclasses
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml
from ledgers import append, entry, started
from searches import BLIND, processes_of
from support import ROOT, SEED, free_port
from terminal import Terminal

from eplb_evolve.cli import run as command
from eplb_evolve.cli.supervisor import Supervised
from eplb_evolve.errors import EnvironmentProblem
from eplb_evolve.runs import same_task
from eplb_evolve.runs.ledger import Ledger
from eplb_evolve.runs.run_info import add_start, read_starts

EPLB = Path(sys.executable).with_name("eplb")
SEED_SHA256 = hashlib.sha256(SEED.read_bytes()).hexdigest()


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Let `eplb run` start a program of ours instead of openevolve-run; the file that it writes its arguments to."""
    told = tmp_path / "told.json"

    def write(body=""):
        program = tmp_path / "stand-in"
        header = f"#!{sys.executable}\nimport json, os, sys\n"
        tell = f"open({str(told)!r}, 'w').write(json.dumps([os.getcwd(), *sys.argv[1:]]))\n"
        program.write_text(header + tell + body)
        program.chmod(0o755)
        monkeypatch.setattr(command, "EXECUTABLE", program)
        return told

    return write


@pytest.fixture
def boards(monkeypatch):
    """The leaderboards that were asked for instead of measured."""
    asked = []
    monkeypatch.setattr(command.leaderboard, "leaderboard", lambda **given: asked.append(given))
    return asked


def test_it_starts_the_stock_command_that_it_prints_and_shows_the_leaderboard(
    eplb, configured, tmp_path, stand_in, boards
):
    told, config, run = stand_in(), configured(free_port()), tmp_path / "run"
    code, out, err = eplb("run", SEED, "--config", config, "--output", run, "--iterations", 7)
    assert (code, out) == (0, "")
    plain = f"initial_program.py evaluator.py --config {config} --output {run} --iterations 7"
    assert f"{config} is fine." in err
    assert f"\nopenevolve-run {plain}\n" in err
    assert json.loads(told.read_text()) == [str(ROOT), *plain.split()]
    assert boards == [{"run": run, "config": config}]


def test_defaults_are_those_of_the_project(eplb, stand_in, boards, monkeypatch, tmp_path):
    """From any folder of the project; the check of the configuration is another test's."""
    monkeypatch.setattr(command.check, "check", lambda _: None)
    monkeypatch.chdir(ROOT / "docs")
    made = []
    monkeypatch.setattr(command, "Supervised", lambda line, folder, _: made.append((line, folder)) or sys.exit(9))
    assert eplb("run")[0] == 9
    ((line, folder),) = made
    assert folder == ROOT
    assert line[1:4] == ["initial_program.py", "evaluator.py", "--config"]
    assert line[4] == "evolve_config.yaml"
    assert line[6].startswith("results/runs/2")
    assert line[7:] == ["--iterations", "30"]


def test_no_leaderboard_on_demand(eplb, configured, tmp_path, stand_in, boards):
    stand_in()
    run = tmp_path / "run"
    code, _, err = eplb("run", "--config", configured(free_port()), "--output", run, "--no-leaderboard")
    assert (code, boards) == (0, [])
    assert err.endswith("No evaluation yet.\n")


def test_what_the_search_prints_is_passed_on_without_control_characters_and_kept(
    eplb, configured, tmp_path, stand_in, boards
):
    stand_in(r"print('eplb    1  feasible', flush=True); print('invalid: \x1b[2J gone', file=sys.stderr, end='')")
    run = tmp_path / "run"
    _, _, err = eplb("run", "--config", configured(free_port()), "--output", run)
    assert "\neplb    1  feasible\n" in err
    assert "\ninvalid: \\x1b[2J gone\n" in err
    assert "\x1b" not in err
    assert (run / "search.log").read_text() == "eplb    1  feasible\ninvalid: \x1b[2J gone"


@pytest.mark.parametrize(
    ("body", "code", "how"),
    [
        ("sys.exit(2)", 2, "failed with exit code 2"),
        ("sys.exit(3)", 3, "failed with exit code 3"),
        ("sys.exit(1)", 3, "failed with exit code 1"),
        ("os.kill(os.getpid(), 9)", 3, "was killed by signal 9"),
    ],
)
def test_a_failed_search_says_so_and_shows_no_leaderboard(
    eplb, configured, tmp_path, stand_in, boards, body, code, how
):
    stand_in(f"print('its last words', flush=True)\n{body}")
    run = tmp_path / "run"
    found, _, err = eplb("run", "--config", configured(free_port()), "--output", run)
    assert (found, boards) == (code, [])
    assert err.endswith(f"its last words\neplb: openevolve-run {how}; all that it said is in {run / 'search.log'}\n")


def test_on_a_terminal_a_failed_search_shows_its_last_lines_and_warnings_appear_at_once(configured, tmp_path, stand_in):
    stand_in("print('2026 - WARNING - no answer'); [print(f'line {i}') for i in range(40)]; sys.exit(1)")
    script = "import sys; from pathlib import Path; from eplb_evolve.cli import main, run\n"
    script += f"run.EXECUTABLE = Path({str(command.EXECUTABLE)!r}); main.main()"
    line = [sys.executable, "-c", script, "run", "--config", configured(free_port()), "--output", tmp_path / "run"]
    terminal = Terminal(list(map(str, line)), folder=ROOT)
    assert terminal.wait() == 3
    shown = terminal.screen()
    assert "\n2026 - WARNING - no answer\n" in shown
    assert "\nline 28\nline 29\n" in shown
    assert "\nline 27\n" not in shown
    assert "eplb: openevolve-run failed with exit code 1" in shown


def test_what_is_wrong_with_a_configuration_is_said_before_anything_starts(eplb, configured, tmp_path, stand_in):
    told, config = stand_in(), configured(free_port(), eplb={"workload": "dsv3"})
    code, _, err = eplb("run", "--config", config, "--output", tmp_path / "run")
    assert code == 2
    assert "unknown workload 'dsv3'" in err
    assert not told.exists()
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nothing.py"], "there is no program nothing.py to start from; give its path: eplb run SEED"),
        (["--output", "{run}"], "{run} holds a search already; choose another --output, or go on with it by --resume"),
        (["--resume", "{run}-2"], "cannot resume {run}-2: it does not exist"),
        (["--resume", "{run}", "--output", "x"], "--resume {run} goes on in that folder; leave --output away"),
    ],
)
def test_wrong_use_is_one_sentence(eplb, configured, tmp_path, stand_in, arguments, sentence):
    told, run = stand_in(), tmp_path / "run"
    append(run, entry(1, 5.0))
    given = [argument.format(run=run) for argument in arguments]
    code, _, err = eplb("run", *given, "--config", configured(free_port()))
    assert code == 2
    assert err.startswith(f"eplb: {sentence.format(run=run)}")
    assert not told.exists()


@pytest.fixture(autouse=True)
def first_evaluation(monkeypatch):
    """Runs that say nothing of their evaluation's version count as the first."""
    monkeypatch.setattr(same_task, "EVALUATION_VERSION", 1)


@pytest.fixture
def interrupted(tmp_path, configured):
    """A run with two complete checkpoints and a torn one, which began from a program that was changed since."""
    run, config = tmp_path / "run", configured(free_port())
    append(run, entry(1, 5.0))
    seed = tmp_path / "seed.py"
    seed.write_text("changed = True\n")
    digest = hashlib.sha256(b"x = 1\n").hexdigest()
    (run / "programs").mkdir()
    (run / "programs" / f"{digest[:12]}.py").write_text("x = 1\n")
    started(run, 0, 50, seed_program=str(seed), seed_sha256=digest, config=config.read_text())
    for number in (20, 100):
        (run / "checkpoints" / f"checkpoint_{number}").mkdir(parents=True)
        (run / "checkpoints" / f"checkpoint_{number}" / "metadata.json").touch()
    (run / "checkpoints" / "checkpoint_120").mkdir()
    return run


def test_resuming_takes_the_last_complete_checkpoint_and_the_runs_own_seed_and_configuration(
    eplb, interrupted, stand_in, boards
):
    told = stand_in()
    assert eplb("run", "--resume", interrupted, "--iterations", 5)[0] == 0
    arguments = json.loads(told.read_text())[1:]
    assert Path(arguments[0]).read_text() == "x = 1\n"
    assert arguments[1:] == [
        "evaluator.py",
        *("--config", str(interrupted / "config.yaml"), "--output", str(interrupted), "--iterations", "5"),
        *("--checkpoint", str(interrupted / "checkpoints" / "checkpoint_100")),
    ]


@pytest.mark.parametrize("changed", [False, True])
def test_resuming_a_run_whose_copy_has_relative_paths_uses_its_configuration_if_unchanged(
    eplb, interrupted, stand_in, boards, tmp_path, changed
):
    """Runs kept a mere copy once: beside it there are no templates."""
    told, config, conf = stand_in(), interrupted / "config.yaml", tmp_path / "conf"
    shutil.copytree(ROOT / "prompts", conf / "prompts")
    text = config.read_text().replace(str(ROOT / "prompts"), "prompts")
    (conf / "config.yaml").write_text(text + "# changed" * changed)
    command = ("openevolve-run", "seed.py", "evaluator.py", "--config", str(conf / "config.yaml"), "--output", "run")
    started(interrupted, 1, 50, seed_program=str(SEED), seed_sha256=SEED_SHA256, config=text, command=command)
    code, _, err = eplb("run", "--resume", interrupted)
    if changed:
        assert code == 2
        assert f"eplb: {config}: prompt.template_dir: there is no folder {interrupted / 'prompts'}" in err
        assert not told.exists()
    else:
        assert code == 0
        assert json.loads(told.read_text())[4] == str(conf / "config.yaml")


def test_resuming_with_a_program_and_a_configuration_uses_those(eplb, interrupted, stand_in, boards, configured):
    told, config = stand_in(), configured(free_port())
    assert eplb("run", SEED, "--resume", interrupted, "--config", config)[0] == 0
    arguments = json.loads(told.read_text())
    assert arguments[1] == "initial_program.py"
    assert arguments[4] == str(config)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"workload": "gptoss20b-mixed"}, "workload is gptoss20b-phased there, gptoss20b-mixed now"),
        ({"topology": {"replicas": 64, "groups": 1, "nodes": 1, "gpus": 8}}, "topology.replicas is 40 there, 64 now"),
        ({"profile": "strict"}, "thresholds.same_window is 0.95 there, 0.99 now"),
        ({"objective": "balance"}, "objective is time there, balance now"),
    ],
)
def test_resuming_with_another_task_is_refused_before_anything_starts(
    eplb, interrupted, stand_in, configured, changes, sentence
):
    told, config = stand_in(), configured(free_port(), eplb=changes)
    code, _, err = eplb("run", "--resume", interrupted, "--config", config)
    assert code == 2
    assert f"\neplb: {interrupted} holds a search on another task, whose scores cannot be compared ({sentence}" in err
    assert not told.exists()


def test_a_program_longer_than_the_limit_is_said_before_anything_starts(eplb, configured, tmp_path, stand_in):
    told = stand_in()
    code, _, err = eplb("run", "--config", configured(free_port(), max_code_length=1000), "--output", tmp_path / "run")
    assert code == 2
    assert "max_code_length is 1000, but " in err
    assert not told.exists()


def test_resuming_without_the_programs_text_asks_for_it(eplb, interrupted, stand_in):
    told = stand_in()
    for file in (interrupted / "programs").iterdir():
        file.unlink()
    code, _, err = eplb("run", "--resume", interrupted)
    assert code == 2
    assert "is not there any more; give one: eplb run SEED --resume ..." in err
    assert not told.exists()


def test_resuming_takes_the_runs_own_copy_of_a_program_of_an_island_that_is_gone(eplb, interrupted, stand_in, boards):
    told, config, gone = stand_in(), interrupted / "config.yaml", interrupted / "elsewhere" / "program.py"
    source = b"y = 2\n"
    copy = Ledger(interrupted).keep_program(source, hashlib.sha256(source).hexdigest())
    document = yaml.safe_load(config.read_text())
    document["database"]["island_initial_programs"] = [None, str(gone)]
    seeds = (("program.py", hashlib.sha256(source).hexdigest()),)
    own = read_starts(interrupted)[-1]
    add_start(interrupted, dataclasses.replace(own, island_programs=seeds), yaml.safe_dump(document))
    assert eplb("run", "--resume", interrupted)[0] == 0
    assert json.loads(told.read_text())[4] == str(config)
    assert yaml.safe_load(config.read_text())["database"]["island_initial_programs"] == [None, str(copy)]


def test_resuming_a_run_that_says_nothing_asks_for_the_configuration(eplb, interrupted, stand_in):
    stand_in()
    (interrupted / "config.yaml").unlink()
    code, _, err = eplb("run", "--resume", interrupted)
    assert (code, err) == (2, f"eplb: {interrupted} does not say which configuration it ran with; add --config\n")


def child(tmp_path, body):
    """A supervised Python program that has begun, and the file that it wrote then."""
    ready = tmp_path / "ready"
    text = f"import os, pathlib, signal, time\n{body}\npathlib.Path({str(ready)!r}).write_text(str(os.getpid()))\n"
    search = Supervised([sys.executable, "-c", text + "time.sleep(600)"], tmp_path, tmp_path / "run" / "search.log")
    wait_for(lambda: ready.exists() and ready.read_text())
    return search


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_handed_on(tmp_path, number):
    search = child(tmp_path, "signal.signal(signal.SIGTERM, lambda *_: os._exit(7))")
    with search.signals_forwarded():
        os.kill(os.getpid(), number)
        assert search.ended_within(60)
    assert (search.exit_code, search.asked_to_stop, search.killed) == (7, number, False)


def test_the_second_signal_kills_it_and_its_group(tmp_path):
    stubborn = "signal.signal(signal.SIGTERM, lambda *_: pathlib.Path('asked').touch())\n"
    search = child(tmp_path, f"{stubborn}\nif os.fork() == 0: time.sleep(600)")
    family = psutil.Process(int((tmp_path / "ready").read_text())).children()
    with search.signals_forwarded():
        os.kill(os.getpid(), signal.SIGINT)
        wait_for((tmp_path / "asked").exists)
        assert not search.ended_within(0.1)
        os.kill(os.getpid(), signal.SIGTERM)
        assert search.ended_within(60)
    assert (search.exit_code, search.asked_to_stop, search.killed) == (-9, signal.SIGINT, True)
    assert len(family) == 1
    assert not psutil.wait_procs(family, timeout=10)[1]


def test_an_error_of_ours_ends_the_child_and_gives_the_signals_back(tmp_path):
    before = signal.getsignal(signal.SIGINT)
    search = child(tmp_path, "")
    with pytest.raises(ZeroDivisionError), search.signals_forwarded():
        raise ZeroDivisionError
    assert search.exit_code == -9
    assert signal.getsignal(signal.SIGINT) is before


def test_two_searches_in_one_folder_are_refused(tmp_path):
    search = child(tmp_path, "")
    with search.signals_forwarded(), pytest.raises(EnvironmentProblem, match="already at work in"):
        Supervised(["true"], tmp_path, tmp_path / "run" / "search.log")


def test_a_program_that_cannot_start_is_named(tmp_path):
    with pytest.raises(EnvironmentProblem, match="cannot start a search: no-such-program: No such file"):
        Supervised(["no-such-program"], tmp_path, tmp_path / "run" / "search.log")


def test_a_search_on_a_terminal_is_shown_stopped_and_resumed(configured, tmp_path, no_orphans):
    """Ctrl-C after two evaluations; one more iteration from the checkpoint then."""
    run, config = tmp_path / "run", configured(free_port(), llm=BLIND, checkpoint_interval=1)
    given = ["--config", str(config), "--output", str(run), "--iterations", "500"]
    terminal = Terminal([str(EPLB), "run", *given], folder=ROOT)
    saved = run / "checkpoints" / "checkpoint_1" / "metadata.json"
    assert terminal.read_until(lambda _: saved.exists() and saved.read_text().endswith("}"), 180)
    terminal.press_ctrl_c()
    assert terminal.wait() == 130
    shown = terminal.screen()
    assert "local random-edits (no LLM is used)" in shown
    assert " of 501, " in shown
    assert "x the seed's speed, " in shown
    assert "\nStopped. " in shown
    assert f"eplb run --resume {run}" in " ".join(shown.split())
    assert "Traceback" not in shown
    assert max(map(len, shown.split(" of 501, ")[1].split("Stopped. ")[0].splitlines())) <= 80
    before = len(Ledger(run).entries())
    again = [EPLB, "run", "--resume", run, "--iterations", "1", "--no-leaderboard"]
    done = subprocess.run(again, cwd=ROOT, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    assert f"--checkpoint {run / 'checkpoints' / 'checkpoint_'}" in done.stderr
    assert f"{before + 1} of {before + 1} evaluations in " in done.stderr


def test_kill_9_of_the_supervisor_leaves_no_process(configured, tmp_path, no_orphans):
    run = tmp_path / "run"
    line = [str(EPLB), "run", "--config", str(configured(free_port())), "--output", str(run)]
    with subprocess.Popen(line, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as supervisor:
        wait_for(lambda: len(processes_of(tmp_path)) >= 5, 120)  # supervisor, search, zygote, timekeeper, worker
        family = psutil.Process(supervisor.pid).children(recursive=True)
        os.kill(supervisor.pid, signal.SIGKILL)
    assert len(family) >= 4
    assert not psutil.wait_procs(family, timeout=15)[1]


def test_make_evolve_is_eplb_run():
    given = ["ITERATIONS=3", "CONFIG=c.yaml", "SEED=s.py t.py", "OUT=o"]
    said = subprocess.run(
        ["make", "--no-print-directory", "-n", "evolve", *given], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert said.endswith("bin/eplb run s.py t.py --config c.yaml --output o --iterations 3\n")


def test_several_programs_have_an_island_each(eplb, configured, tmp_path, stand_in, boards):
    told, config, run = stand_in(), configured(free_port()), tmp_path / "run"
    more = [ROOT / "seeds" / f"{name}.py" for name in ("vllm_batched", "adrs_snake")]
    code, _, err = eplb("run", SEED, *more, "--config", config, "--output", run, "--iterations", 7)
    assert code == 0
    assert "eplb: 3 islands instead of 2, which exchange programs after every program of their own: one for each" in err
    assert json.loads(told.read_text())[1:5] == [
        "initial_program.py",
        "evaluator.py",
        "--config",
        str(run / "config.yaml"),
    ]
    database = yaml.safe_load((run / "config.yaml").read_text())["database"]
    assert database["island_initial_programs"] == [None, *map(str, more)]
    assert (database["num_islands"], database["migration_interval"]) == (3, 1)


def test_the_records_may_be_what_a_search_starts_from(eplb, tmp_path, stand_in, boards, monkeypatch):
    monkeypatch.setattr(command.check, "check", lambda _: None)
    told, run = stand_in(), tmp_path / "run"
    code, _, err = eplb("run", "--from-records", "--output", run)
    assert code == 0, err
    started_from = json.loads(told.read_text())[1]
    others = yaml.safe_load((run / "config.yaml").read_text())["database"]["island_initial_programs"][1:]
    assert started_from.startswith("results/records/")
    assert others
    assert all(Path(other).name == "program.py" for other in others)
    asking_less = ROOT / "results" / "records" / "embedded-net-throughput"  # found where balance may be traded
    assert str(asking_less / "program.py") not in others


@pytest.mark.parametrize(("islands", "keeps"), [({"num_islands": 2, "migration_interval": 15}, True), ({}, False)])
def test_islands_with_programs_of_the_configurations_own_stay_as_they_are(
    eplb, configured, tmp_path, stand_in, boards, monkeypatch, islands, keeps
):
    monkeypatch.setattr(command.check, "check", lambda _: None)
    told, config, run = stand_in(), configured(free_port()), tmp_path / "run"
    document = yaml.safe_load(config.read_text())
    llm = {"models": [{"name": "m", "weight": 1.0}], "api_base": "http://127.0.0.1:9/v1"}
    programs = {"island_initial_programs": [None, str(ROOT / "seeds" / "adrs_snake.py")]} if keeps else {}
    document["database"] |= islands | programs
    config.write_text(yaml.safe_dump(document | {"llm": document["llm"] | llm}))
    _, _, err = eplb("run", "--config", config, "--output", run, "--iterations", 7)
    assert json.loads(told.read_text())[4] == str(config if keeps else run / "config.yaml")
    assert ("eplb: one island instead of 2, for 7 iterations" in err) is not keeps


@pytest.mark.parametrize(
    ("programs", "sentence"),
    [
        ([SEED, SEED], "are the same program; name it once"),
        ([SEED, "no/such.py"], "there is no program no/such.py to start from"),
        ([SEED] * 9, "9 programs to start from; 8 at most"),
        (["--from-records", SEED], "--from-records names the programs of a new search"),
    ],
)
def test_programs_that_make_no_start_are_one_sentence(eplb, configured, tmp_path, programs, sentence):
    code, _, err = eplb("run", *programs, "--config", configured(free_port()), "--output", tmp_path / "run")
    assert code == 2
    assert sentence in err
    assert not (tmp_path / "run").exists()


def test_an_ending_that_is_no_failure_leads_to_the_leaderboard(eplb, configured, tmp_path, stand_in, boards):
    run = tmp_path / "run"
    ending = {"when": "2026-01-01T00:00:00+00:00", "sentence": "at the floor", "exit_code": 0}
    stand_in(f"open({str(run / 'ending.json')!r}, 'w').write({json.dumps(ending)!r})")
    assert eplb("run", "--config", configured(free_port()), "--output", run)[0] == 0
    assert len(boards) == 1


@pytest.mark.parametrize(
    ("islands", "interval", "iterations", "said", "adapted"),
    [
        (3, 20, 16, "eplb: one island instead of 3, for 16 iterations\n", (1, 20)),
        (3, 20, 60, "eplb: 2 islands instead of 3, which exchange programs every 6 of their own, for 60", (2, 6)),
        (2, 90, 60, "eplb: islands exchange programs every 6 of their own instead of 90, for 60", (2, 6)),
        (1, 20, 16, "", None),
    ],
)
def test_islands_of_a_search_with_an_llm_fit_its_iterations(
    eplb, configured, tmp_path, stand_in, boards, islands, interval, iterations, said, adapted
):
    stand_in()
    llm = {"models": [{"name": "m", "weight": 1.0}], "timeout": 1200}
    database = {"num_islands": islands, "migration_interval": interval}
    models = {"m": {"api_base": "http://127.0.0.1:9/v1"}}
    config = configured(free_port(), llm=llm, database=database, eplb={"gateway": {"models": models}})
    code, _, err = eplb("run", "--config", config, "--output", tmp_path / "run", "--iterations", iterations)
    assert code == 0, err
    assert said in err
    kept = tmp_path / "run" / "config.yaml"
    assert kept.exists() == (adapted is not None)
    if adapted:
        found = yaml.safe_load(kept.read_text())["database"]
        assert (found["num_islands"], found["migration_interval"]) == adapted
