"""The endpoint: what it answers, and how it is started, found and ended."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest
from proposer.programs import ALL
from proposer.test_prompt import ask

from eplb_evolve.errors import EnvironmentProblem
from eplb_evolve.proposer import lifecycle
from eplb_evolve.proposer.embedded import EmbeddedModel
from eplb_evolve.proposer.server import Server

START = """
import sys, time, os, subprocess
from pathlib import Path
from eplb_evolve.proposer import ensure_running
endpoint = ensure_running(sys.argv[1], 7, Path(sys.argv[2]))
again = subprocess.run([sys.executable, "-c", (
    "import sys; from pathlib import Path; from eplb_evolve.proposer import ensure_running;"
    "found = ensure_running(sys.argv[1], 7, Path(sys.argv[2])); print(found.pid, found.started_here)"
), *sys.argv[1:3]], capture_output=True, text=True).stdout.strip()
print(endpoint.pid, again, flush=True)
time.sleep(60)
"""


@pytest.fixture
def served(tmp_path):
    log = tmp_path / "log.jsonl"
    server = Server(0, EmbeddedModel(11, log))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", log
    server.shutdown()
    server.server_close()


@pytest.fixture
def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    monkeypatch.delenv(lifecycle.RUNNING, raising=False)


def post(url, body):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url + "/v1/chat/completions", data)) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def chat(prompt, **more):
    return {"model": "some-name", "messages": [{"role": "user", "content": prompt}]} | more


def test_a_prompt_is_answered_in_the_form_of_the_openai_api(served):
    url, log = served
    status, answer = post(url, chat(ask(ALL["grid"]), seed=3))
    assert status == 200
    assert answer["model"] == "some-name"
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert "<<<<<<< SEARCH" in answer["choices"][0]["message"]["content"]
    line = json.loads(log.read_text())
    assert line["counter"] == 1
    assert set(line) == {"counter", "seed", "operators", "tier", "milliseconds"}


def test_two_servers_with_one_seed_propose_the_same_and_none_twice():
    first, second = EmbeddedModel(1), EmbeddedModel(1)
    answers = [[model.answer(ask(ALL["assignment"])) for _ in range(6)] for model in (first, second)]
    assert answers[0] == answers[1]
    assert len({json.dumps(choices) for choices in answers[0]}) == 6


def test_health_identifies_the_server(served):
    url, _ = served
    with urllib.request.urlopen(url + "/health") as response:
        health = json.load(response)
    assert health == {"name": lifecycle.NAME, "pid": os.getpid(), "seed": 11, "proposals": 0}
    with urllib.request.urlopen(url + "/v1/models") as response:
        assert json.load(response)["data"][0]["id"] == "embedded"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{", "not JSON"),
        ([], "not a JSON object"),
        ({"model": "m"}, "no list of messages"),
        (chat(None), "no user message"),
        (chat("improve this"), "# Current Program"),
        (chat(ask("def f(:")), "does not parse"),
        (chat(ask("pass")), "no operator"),
    ],
)
def test_a_request_that_cannot_be_answered_is_refused_in_one_sentence(served, body, reason):
    status, answer = post(served[0], body)
    assert status == 400
    assert reason in answer["error"]["message"]
    assert "\n" not in answer["error"]["message"]


def test_a_busy_port_ends_the_server_with_code_3(served):
    port = served[0].rpartition(":")[2]
    command = [sys.executable, "-m", "eplb_evolve.proposer.server", "--port", port]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert done.stderr == f"port {port} on 127.0.0.1 is already in use\n"


def test_the_module_prints_one_ready_line_and_listens_on_the_loopback_only(free_port):
    command = [sys.executable, "-m", "eplb_evolve.proposer.server", "--port", str(free_port), "--seed", "5"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:
        assert server.stdout.readline() == f"ready: {lifecycle.NAME} on http://127.0.0.1:{free_port}/v1, seed 5\n"
        listening = [c.laddr.ip for c in psutil.Process(server.pid).net_connections() if c.status == "LISTEN"]
        assert listening == ["127.0.0.1"]
        modules = Path(f"/proc/{server.pid}/maps").read_text()
        assert "libtorch" not in modules
        server.kill()


def test_kill_9_of_the_starter_ends_the_server_which_children_find_and_do_not_start_again(tmp_path, free_port):
    api_base = f"http://127.0.0.1:{free_port}/v1"
    secret = os.environ | {"OPENAI_API_KEY": "secret"}
    command = [sys.executable, "-c", START, api_base, str(tmp_path / "log.jsonl")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=secret) as starter:
        pid, found, started_here = starter.stdout.readline().split()
        assert (found, started_here) == (pid, "False")
        assert "OPENAI_API_KEY" not in psutil.Process(int(pid)).environ()
        assert lifecycle.health(free_port)["seed"] == 7
        starter.send_signal(signal.SIGKILL)
    for _ in range(200):
        if lifecycle.health(free_port) is None:
            break
        time.sleep(0.02)
    assert lifecycle.health(free_port) is None


def test_a_port_of_another_process_is_reported(tmp_path, served, free_port):
    port = served[0].rpartition(":")[2]
    with pytest.raises(lifecycle.PortBusy, match=f"port {port} is held by the proposer of another run") as problem:
        lifecycle.ensure_running(f"http://127.0.0.1:{port}/v1", 1, tmp_path / "log")
    assert isinstance(problem.value, EnvironmentProblem)
    with socket.socket() as other:
        other.bind(("127.0.0.1", free_port))
        other.listen()
        with pytest.raises(lifecycle.PortBusy, match=f"port {free_port} is held by another process"):
            lifecycle.ensure_running(f"http://127.0.0.1:{free_port}/v1", 1, tmp_path / "log")


def test_other_machines_are_left_alone(tmp_path):
    assert lifecycle.ensure_running("https://api.example.com/v1", 1, tmp_path / "log") is None
