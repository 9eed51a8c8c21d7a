"""The local models behind the gateway; how it is started, found and ended."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest
from gateway.conftest import KEY
from gateway.scripted_upstream import answer, upstream
from proposer.programs import ALL
from proposer.test_prompt import ask

from eplb_evolve.errors import EnvironmentProblem
from eplb_evolve.gateway import lifecycle
from eplb_evolve.gateway.lifecycle import PROCESS
from eplb_evolve.gateway.server import listen
from eplb_evolve.gateway.settings import NAME, GatewaySettings, Service
from eplb_evolve.proposer.embedded import EmbeddedModel

START = """
import sys, time, os, subprocess
from pathlib import Path
from eplb_evolve.gateway.lifecycle import ensure_running
from eplb_evolve.gateway.settings import ForwardedModel, GatewaySettings, Service
settings = GatewaySettings(models={"m": ForwardedModel(sys.argv[3], "TEST_KEY")})
endpoint = ensure_running(sys.argv[1], Service(0, 7, sys.argv[2], settings))
again = subprocess.run([sys.executable, "-c", (
    "import sys; from eplb_evolve.gateway.lifecycle import ensure_running, Service;"
    "found = ensure_running(sys.argv[1], Service(0, 7)); print(found.pid, found.started_here)"
), *sys.argv[1:3]], capture_output=True, text=True).stdout.strip()
print(endpoint.pid, again, flush=True)
time.sleep(60)
"""
SERVER = [sys.executable, "-P", "-m", PROCESS]


@pytest.fixture
def served(serve, tmp_path):
    return serve(Service(0, seed=11, run=str(tmp_path))), tmp_path / "proposer.jsonl"


def post(url, body):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url + "/v1/chat/completions", data)) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def chat(prompt, **more):
    return {"model": "embedded", "messages": [{"role": "user", "content": prompt}]} | more


def test_a_prompt_is_answered_in_the_form_of_the_openai_api(served):
    url, log = served
    status, answer = post(url, chat(ask(ALL["grid"]), seed=3))
    assert status == 200
    assert answer["model"] == "embedded"
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert "<<<<<<< SEARCH" in answer["choices"][0]["message"]["content"]
    line = json.loads(log.read_text())
    assert line["counter"] == 1
    assert not (log.parent / "exchanges.jsonl").exists()


def test_a_local_exchange_is_recorded_when_asked(serve, tmp_path):
    url = serve(Service(0, run=str(tmp_path), gateway=GatewaySettings(record=True)))
    _, answer = post(url, chat(ask(ALL["grid"])))
    line = json.loads((tmp_path / "exchanges.jsonl").read_text())
    assert line["reply"] == answer["choices"][0]["message"]["content"]
    assert (line["model"], line["parsed"], line["usage"]) == ("embedded", True, None)
    assert not (tmp_path / "usage.json").exists()


def test_each_local_model_answers_under_its_name_and_others_are_unknown(served):
    status, answer = post(served[0], chat(ask(ALL["grid"])) | {"model": "random-edits"})
    assert (status, answer["model"]) == (200, "random-edits")
    status, answer = post(served[0], chat(ask(ALL["grid"])) | {"model": "embeded"})
    assert status == 404
    assert answer["error"]["message"] == "there is no model 'embeded' here (did you mean 'embedded'?)"


def test_two_servers_with_one_seed_propose_the_same_and_none_twice():
    first, second = EmbeddedModel(1), EmbeddedModel(1)
    answers = [[model.answer(ask(ALL["assignment"])) for _ in range(6)] for model in (first, second)]
    assert answers[0] == answers[1]
    assert len({json.dumps(choices) for choices in answers[0]}) == 6


def test_health_identifies_the_server(served):
    url, _ = served
    with urllib.request.urlopen(url + "/health") as response:
        health = json.load(response)
    assert health == {"name": NAME, "pid": os.getpid(), "seed": 11, "proposals": 0, "in_vain": ""}
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


def run_server(service, **more):
    process = subprocess.Popen(SERVER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **more)
    process.stdin.write(json.dumps(service))
    process.stdin.close()
    return process


def test_a_busy_port_ends_the_server_with_code_3(served):
    port = int(served[0].rpartition(":")[2])
    with run_server({"port": port}) as server:
        assert server.stdout.read() == f"failed: port {port} on 127.0.0.1 is already in use\n"
    assert server.returncode == 3


def test_the_process_prints_one_ready_line_listens_on_the_loopback_only_and_loads_no_torch(free_port):
    with run_server({"port": free_port, "seed": 5}) as server:
        assert server.stdout.readline() == f"ready: {NAME} on http://127.0.0.1:{free_port}/v1, seed 5\n"
        listening = [c.laddr.ip for c in psutil.Process(server.pid).net_connections() if c.status == "LISTEN"]
        assert listening == ["127.0.0.1"]
        assert "libtorch" not in Path(f"/proc/{server.pid}/maps").read_text()
        server.kill()


def test_kill_9_of_the_starter_ends_the_server_which_children_find_and_do_not_start_again(tmp_path, free_port):
    api_base = f"http://127.0.0.1:{free_port}/v1"
    secret = os.environ | {"OPENAI_API_KEY": "secret"}
    with (
        upstream(answer("a")) as endpoint,
        subprocess.Popen(
            [sys.executable, "-c", START, api_base, str(tmp_path), endpoint.api_base],
            stdout=subprocess.PIPE,
            text=True,
            env=secret,
        ) as starter,
    ):
        pid, found, started_here = starter.stdout.readline().split()
        assert (found, started_here) == (pid, "False")
        gateway = psutil.Process(int(pid))
        assert "OPENAI_API_KEY" not in gateway.environ()
        assert gateway.environ()["TEST_KEY"] == KEY
        assert KEY not in " ".join(gateway.cmdline())
        assert lifecycle.health(free_port)["seed"] == 7
        starter.send_signal(signal.SIGKILL)
    for _ in range(200):
        if lifecycle.health(free_port) is None:
            break
        time.sleep(0.02)
    assert lifecycle.health(free_port) is None


def test_a_port_of_another_process_is_reported(served, free_port):
    port = served[0].rpartition(":")[2]
    with pytest.raises(lifecycle.PortBusy, match=f"port {port} is held by the gateway of another run") as problem:
        lifecycle.ensure_running(f"http://127.0.0.1:{port}/v1", Service(0))
    assert isinstance(problem.value, EnvironmentProblem)
    with socket.socket() as other:
        other.bind(("127.0.0.1", free_port))
        other.listen()
        with pytest.raises(lifecycle.PortBusy, match=f"port {free_port} is held by another process"):
            lifecycle.ensure_running(f"http://127.0.0.1:{free_port}/v1", Service(0))


def test_other_machines_are_left_alone():
    assert lifecycle.ensure_running("https://api.example.com/v1", Service(0)) is None


def test_a_reply_is_sent_at_once():
    """Its headers and its body are two writes; by default the kernel holds the second back for 40 ms."""
    with listen(0) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
