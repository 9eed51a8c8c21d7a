"""At the cap a stock openevolve-run, with an evaluator that is not ours, ends as if it had done its iterations."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import yaml
from gateway.scripted_upstream import answer, upstream

from eplb_evolve.gateway import stop
from eplb_evolve.gateway.settings import GatewaySettings, Service
from eplb_evolve.gateway.stop import Cap, Stop

OPENEVOLVE = Path(sys.executable).with_name("openevolve-run")
EVALUATOR = """
import multiprocessing, time
from pathlib import Path
from eplb_evolve.gateway.lifecycle import ensure_running
from eplb_evolve.gateway.settings import ForwardedModel, GatewaySettings, Service

HERE = Path(__file__).parent
if multiprocessing.parent_process() is None:
    model = ForwardedModel({api_base!r}, None, 1.0, 1.0)
    settings = GatewaySettings(max_cost=2.0, models={{"m": model}})
    service = Service(0, run=str(HERE / "run"), gateway=settings)
    endpoint = ensure_running("http://127.0.0.1:{port}/v1", service)
    (HERE / "pid").write_text(str(endpoint.pid))


def evaluate(path):
    time.sleep(0.5)
    with open(HERE / "evaluated", "a") as file:
        file.write(Path(path).read_text() + "\\n")
    return {{"combined_score": float(len(Path(path).read_text()))}}
"""


def test_the_search_stops_cleanly_and_keeps_the_evaluation_of_the_last_reply(tmp_path, free_port):
    steps = [answer(f"```python\nx = {'1' * number}\n```", 1_000_000, 0) for number in (2, 3)]
    with upstream(*steps) as endpoint:
        (tmp_path / "evaluator.py").write_text(EVALUATOR.format(api_base=endpoint.api_base, port=free_port))
        (tmp_path / "program.py").write_text("x = 1\n")
        llm = {"api_base": f"http://127.0.0.1:{free_port}/v1", "api_key": "none", "models": [{"name": "m"}]}
        config = {
            "llm": llm,
            "diff_based_evolution": False,
            "language": "python",
            "checkpoint_interval": 1,
            "log_level": "WARNING",
        }
        config["evaluator"] = {"parallel_evaluations": 1, "cascade_evaluation": False}
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
        command = [str(OPENEVOLVE), "program.py", "evaluator.py", "-c", "config.yaml", "-o", "run", "-i", "50"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "eplb gateway: stopped the search at 2.00 USD (max_cost 2.00)\n" in done.stderr
    assert done.stderr.count("stopped the search") == 1
    assert len(endpoint.bodies) == 2
    assert (tmp_path / "evaluated").read_text().splitlines() == ["x = 1", "", "x = 11", "x = 111"]
    assert (tmp_path / "run" / "best" / "best_program.py").read_text() == "x = 111"
    checkpoint = tmp_path / "run" / "checkpoints" / "checkpoint_2"
    assert json.loads((checkpoint / "best_program_info.json").read_text())["metrics"]["combined_score"] == 7
    _, left = psutil.wait_procs(running_in(tmp_path), timeout=5)
    assert not left


def running_in(folder):
    """The processes that have `folder` as working directory: OpenEvolve, its workers, the gateway."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.cwd() == str(folder):
                found.append(process)
    return found


def test_a_process_that_was_left_would_be_seen(tmp_path):
    with subprocess.Popen(["sleep", "60"], cwd=tmp_path) as left:
        assert [process.pid for process in running_in(tmp_path)] == [left.pid]
        left.kill()


class FakeTotals:
    cost_usd = 3.0


def test_the_parent_gets_one_signal_and_only_when_every_worker_has_come_back(monkeypatch, capfd):
    sent = []
    monkeypatch.setattr(stop, "TAKEN_IN_S", 0.0)
    monkeypatch.setattr(os, "kill", lambda *arguments: sent.append(arguments))
    service = Service(0, gateway=GatewaySettings(max_cost=2.0), parent=os.getppid(), workers=2)

    async def hold():
        search, say = Stop(service), Cap(service, FakeTotals()).say
        first = asyncio.create_task(search.hold(say))
        await asyncio.sleep(0.05)
        assert not sent
        await search.hold(say)
        await first
        await search.hold(say)

    asyncio.run(hold())
    assert sent == [(os.getppid(), signal.SIGTERM)]
    assert capfd.readouterr().err == "eplb gateway: stopped the search at 3.00 USD (max_cost 2.00)\n"


def test_without_a_search_nobody_is_signalled(monkeypatch):
    monkeypatch.setattr(os, "kill", lambda *_: pytest.fail("a signal was sent"))
    asyncio.run(Stop(Service(0)).hold(lambda: pytest.fail("something was said")))


def test_local_models_fall_silent_only_when_the_search_ends():
    settings = GatewaySettings(max_cost=2.0)
    assert Cap(Service(0, gateway=settings, parent=1), FakeTotals()).stops_all
    assert not Cap(Service(0, gateway=settings), FakeTotals()).stops_all
