"""Start the embedded proposer as a child that dies with the process that started it."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..errors import EnvironmentProblem

NAME = "eplb-evolve embedded proposer"
"""How the server identifies itself."""
RUNNING = "EPLB_EVOLVE_PROPOSER"
"""Environment variable that tells child processes about the running proposer, as `port:pid`."""
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_START_SECONDS = 5.0
_POLL_SECONDS = 0.02
_PASSED_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH")


class PortBusy(EnvironmentProblem):
    """Another process holds the port of the embedded proposer."""


class ProposerFailed(EnvironmentProblem):
    """The embedded proposer did not start."""


@dataclass(frozen=True)
class Endpoint:
    """A running embedded proposer."""

    port: int
    pid: int
    started_here: bool
    """Whether this call started it."""

    @property
    def api_base(self) -> str:
        """What OpenEvolve's `llm.api_base` has to say."""
        return f"http://127.0.0.1:{self.port}/v1"


def ensure_running(api_base: str, seed: int, log_path: Path) -> Endpoint | None:
    """The embedded proposer at `api_base`, started if need be; None when `api_base` is on another machine.

    To be called in OpenEvolve's main process before its first request, and from the main thread: the proposer is
    killed when the thread that started it ends. Processes started afterwards find the same proposer by the
    environment. Raises `PortBusy` when the port belongs to another process.
    """
    address = urlsplit(api_base)
    if address.hostname not in _LOOPBACK or address.scheme != "http":
        return None
    port = address.port or 80
    known = _from_environment(port)
    if known is not None:
        return known
    stranger = health(port)
    if stranger is not None:
        raise PortBusy(_busy_message(port, stranger))
    process = _start(port, seed, log_path)
    endpoint = _wait_until_ready(process, port)
    os.environ[RUNNING] = f"{port}:{process.pid}"
    return endpoint


def health(port: int) -> dict[str, Any] | None:
    """What the server on a local port says of itself: {} when it is no proposer, None when there is none."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1.0) as response:
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
    """The proposer that an ancestor of this process started, if it still runs."""
    known_port, _, pid = os.environ.get(RUNNING, "").partition(":")
    if known_port != str(port) or not pid.isdigit():
        return None
    answer = health(port)
    if answer is None or answer.get("pid") != int(pid):
        return None
    return Endpoint(port, int(pid), started_here=False)


def _start(port: int, seed: int, log_path: Path) -> "subprocess.Popen[str]":
    log_path = log_path.resolve()
    log_path.parent.mkdir(parents=True, exist_ok=True)
    environment = {name: os.environ[name] for name in _PASSED_ENVIRONMENT if name in os.environ}
    environment["PYTHONPATH"] = str(Path(__file__).resolve().parents[2])
    command = [sys.executable, "-P", "-m", "eplb_evolve.proposer.server"]
    command += ["--port", str(port), "--seed", str(seed), "--log", str(log_path), "--parent", str(os.getpid())]
    return subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # a Ctrl-C is for OpenEvolve, which still finishes its iteration
    )


def _wait_until_ready(process: "subprocess.Popen[str]", port: int) -> Endpoint:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            assert process.stderr is not None
            message = process.stderr.read().strip() or f"it exited with code {process.returncode}"
            if "already in use" in message:
                raise PortBusy(_busy_message(port, {}))
            raise ProposerFailed(f"the embedded proposer did not start: {message.splitlines()[-1]}")
        answer = health(port)
        if answer is not None and answer.get("pid") == process.pid:
            return Endpoint(port, process.pid, started_here=True)
        time.sleep(_POLL_SECONDS)
    process.kill()
    process.wait()
    raise ProposerFailed(f"the embedded proposer did not answer on port {port} within {_START_SECONDS:.0f} s")


def _busy_message(port: int, answer: dict[str, Any]) -> str:
    owner = f"the proposer of another run (pid {answer['pid']})" if answer.get("pid") else "another process"
    return f"port {port} is held by {owner}; stop it, or set another port in llm.api_base"
