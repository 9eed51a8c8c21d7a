"""Start the gateway as a child that dies with the process that started it."""

import dataclasses
import json
import os
import select
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import TypeAdapter

from eplb_evolve.errors import EnvironmentProblem
from eplb_evolve.gateway.proxies import VARIABLES
from eplb_evolve.gateway.settings import FAILED, LOOPBACK, NAME, READY, Service

RUNNING = "EPLB_EVOLVE_GATEWAY"
"""Environment variable that tells child processes about the running gateway, as `port:pid`."""
PROCESS = "eplb_evolve.gateway_process"
"""The module that runs it."""
_START_SECONDS = 25.0
_PASSED_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR")
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class PortBusy(EnvironmentProblem):
    """Another process holds the port of the gateway."""


class GatewayFailed(EnvironmentProblem):
    """The gateway did not start."""


@dataclass(frozen=True)
class Endpoint:
    """A running gateway. started_here: whether this call started it."""

    port: int
    pid: int
    started_here: bool


def ensure_running(api_base: str, service: Service) -> Endpoint | None:
    """The gateway at `api_base`, started if need be; None when `api_base` is on another machine.

    To be called in OpenEvolve's main process before its first request, and from the main thread: the gateway is
    killed when the thread that started it ends. Processes started afterwards find the same gateway by the
    environment. Raises `PortBusy` when the port belongs to another process, `GatewayFailed` when an endpoint that it
    is to forward to cannot answer. service: what it is to do; port and parent are filled in here.
    """
    address = urlsplit(api_base)
    if address.hostname not in LOOPBACK or address.scheme != "http":
        return None
    port = address.port or 80
    known = _from_environment(port)
    if known is not None:
        return known
    stranger = health(port)
    if stranger is not None:
        raise PortBusy(_busy_message(port, stranger))
    process = _start(dataclasses.replace(service, port=port, parent=os.getpid()))
    _wait_until_ready(process, port)
    os.environ[RUNNING] = f"{port}:{process.pid}"
    return Endpoint(port, process.pid, started_here=True)


def health(port: int) -> dict[str, Any] | None:
    """What the server on a local port says of itself: {} when it is no gateway, None when there is none."""
    try:
        with _DIRECT.open(f"http://127.0.0.1:{port}/health", timeout=1.0) as response:
            answer = json.load(response)
    except urllib.error.HTTPError:
        return {}
    except (OSError, urllib.error.URLError) as error:
        refused = isinstance(getattr(error, "reason", error), ConnectionRefusedError)
        return None if refused else {}
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) and answer.get("name") == NAME else {}


def _from_environment(port: int) -> Endpoint | None:
    """The gateway that an ancestor of this process started, if it still runs."""
    known_port, _, pid = os.environ.get(RUNNING, "").partition(":")
    if known_port != str(port) or not pid.isdigit():
        return None
    answer = health(port)
    if answer is None or answer.get("pid") != int(pid):
        return None
    return Endpoint(port, int(pid), started_here=False)


def _start(service: Service) -> "subprocess.Popen[bytes]":
    keys = [model.api_key_env for model in service.gateway.models.values() if model.api_key_env is not None]
    names = (*_PASSED_ENVIRONMENT, *VARIABLES, *map(str.lower, VARIABLES), *keys)
    environment = {name: os.environ[name] for name in names if name in os.environ}
    environment["PYTHONPATH"] = str(Path(__file__).resolve().parents[2])
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", PROCESS],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # a Ctrl-C is for OpenEvolve, which still finishes its iteration
    )
    assert process.stdin is not None
    process.stdin.write(TypeAdapter(Service).dump_json(service))
    process.stdin.close()
    return process


def _wait_until_ready(process: "subprocess.Popen[bytes]", port: int) -> None:
    assert process.stdout is not None
    with process.stdout as output:
        ready, _, _ = select.select([output], [], [], _START_SECONDS)
        line = output.readline().decode().strip() if ready else ""
    if line.startswith(READY):
        return
    process.kill()
    process.wait()
    if line.startswith(f"{FAILED}port ") and "already in use" in line:
        raise PortBusy(_busy_message(port, {}))
    if line.startswith(FAILED):
        raise GatewayFailed(line.removeprefix(FAILED))
    raise GatewayFailed(f"the gateway did not start: it said {line or 'nothing'} within {_START_SECONDS:.0f} s")


def _busy_message(port: int, answer: dict[str, Any]) -> str:
    owner = f"the gateway of another run (pid {answer['pid']})" if answer.get("pid") else "another process"
    return f"port {port} is held by {owner}; stop it, or set another port in llm.api_base"
