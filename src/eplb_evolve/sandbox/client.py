"""The harness's side of the sandbox: start the zygote, spawn workers, call them against a clock of our own."""

import contextlib
import dataclasses
import json
import mmap
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eplb_evolve.errors import CandidateFailure, EnvironmentProblem
from eplb_evolve.placement import Ints, Topology
from eplb_evolve.sandbox.limits import Limits
from eplb_evolve.sandbox.process import describe_exit
from eplb_evolve.sandbox.protocol import INPUT_BYTES, MESSAGE_BYTES

START_SECONDS = 60.0
LOG_BYTES = 2000


@dataclass(frozen=True)
class CallResult:
    """One answered call: wall-clock seconds, and the three arrays it returned, not yet verified."""

    seconds: float
    phy2log: Ints
    log2phy: Ints
    logcnt: Ints


class Zygote:
    """A clean process with torch and numba loaded, from which workers are forked in milliseconds."""

    def __init__(self) -> None:
        self.folder = tempfile.mkdtemp(prefix="eplb-sandbox-")
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "eplb_evolve.sandbox.zygote",
                    str(theirs.fileno()),
                    str(os.getpid()),
                    self.folder,
                ],
                pass_fds=[theirs.fileno()],
                env=_clean_environment(),
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                cwd="/",
            )
        self._control = ours
        self._control.settimeout(START_SECONDS)
        self._request_answer(None)

    @property
    def pid(self) -> int:
        """Process id of the zygote."""
        return self._process.pid

    def spawn(self, program: Path, limits: Limits) -> "Worker":
        """Fork a worker and import `program` in it. Raises CandidateFailure if that fails or takes too long."""
        worker = Worker(self, program, limits)
        try:
            worker.wait_until_ready()
        except CandidateFailure:
            worker.close()
            raise
        return worker

    def request(self, message: dict[str, Any], descriptors: list[int]) -> dict[str, Any]:
        """One control request, answered by the zygote."""
        try:
            socket.send_fds(self._control, [json.dumps(message).encode()], descriptors)
        except OSError as problem:
            raise EnvironmentProblem(f"the sandbox's zygote process is gone ({problem}); start again") from problem
        return self._request_answer(message)

    def _request_answer(self, message: dict[str, Any] | None) -> dict[str, Any]:
        try:
            data = self._control.recv(MESSAGE_BYTES)
        except OSError as problem:
            raise EnvironmentProblem(f"the sandbox's zygote process does not answer ({problem})") from problem
        if not data:
            what = "start" if message is None else "go on"
            raise EnvironmentProblem(
                f"the sandbox's zygote process could not {what}; see its message above, "
                f"or try: {sys.executable} -c 'import torch, numpy'"
            )
        answer: dict[str, Any] = json.loads(data)
        return answer

    def close(self) -> None:
        """End the zygote and, with it, every worker."""
        self._control.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)  # where a killed zygote could not do it itself


class Worker:
    """One candidate in its own process. `close` kills it, whatever it is doing, and removes its files."""

    def __init__(self, zygote: Zygote, program: Path, limits: Limits) -> None:
        self.parameters = 0
        self._zygote, self._limits, self._called = zygote, limits, False
        self._workdir = Path(tempfile.mkdtemp(dir=zygote.folder))
        copy = shutil.copyfile(program, self._workdir / "candidate.py")
        input_fd, output_fd = os.memfd_create("input"), os.memfd_create("output")
        os.ftruncate(input_fd, INPUT_BYTES)
        os.ftruncate(output_fd, limits.file_mb << 20)
        self._inputs, self._outputs = (
            mmap.mmap(input_fd, INPUT_BYTES),
            mmap.mmap(output_fd, limits.file_mb << 20),
        )
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        spec = {"program": str(copy), "workdir": str(self._workdir), "limits": dataclasses.asdict(limits)}
        with theirs:
            answer = zygote.request({"spawn": spec}, [theirs.fileno(), input_fd, output_fd])
        os.close(input_fd)
        os.close(output_fd)
        self._pid: int | None = answer["pid"]

    def wait_until_ready(self) -> None:
        """Wait for the candidate's import; its own limit, not a call's."""
        ready = self._receive(time.monotonic() + self._limits.first_call_s, "import", self._limits.first_call_s)
        self.parameters = int(ready["ready"]["parameters"])

    def call(self, weight: NDArray[Any], topology: Topology, old_phy2log: Ints | None = None) -> CallResult:
        """Call the candidate on weight [L, E] (any dtype torch knows), and time it from here.

        old_phy2log [L, R] is passed when given. Raises CandidateFailure for a crash, an exception, a timeout, or
        outputs that are not three plain int64 tensors.
        """
        request: dict[str, Any] = {
            "shape": weight.shape,
            "dtype": weight.dtype.name,
            "topology": topology.as_arguments(),
        }
        request["old"] = self._write_inputs(weight, old_phy2log)
        data = json.dumps(request).encode()
        limit = self._limits.call_s if self._called else self._limits.first_call_s
        self._called = True
        start = time.perf_counter_ns()
        try:
            self._channel.send(data)
        except OSError:
            raise self._death("call") from None
        self._receive(time.monotonic() + limit, "call", limit)
        seconds = (time.perf_counter_ns() - start) / 1e9
        shapes = self._receive(time.monotonic() + self._limits.call_s, "output", self._limits.call_s)["shapes"]
        return CallResult(seconds, *self._read_outputs(shapes))

    def _write_inputs(self, weight: NDArray[Any], old_phy2log: Ints | None) -> dict[str, Any] | None:
        data = np.ascontiguousarray(weight).tobytes()
        self._inputs[: len(data)] = data
        if old_phy2log is None:
            return None
        offset = -(-len(data) // 64) * 64
        old = np.ascontiguousarray(old_phy2log).tobytes()
        self._inputs[offset : offset + len(old)] = old
        return {"shape": old_phy2log.shape, "offset": offset}

    def _read_outputs(self, shapes: list[list[int]]) -> list[Ints]:
        arrays, offset = [], 0
        for shape in shapes:
            count = int(np.prod(shape))
            array = np.frombuffer(self._outputs, np.int64, count, offset).copy()  # a copy: the candidate lives on
            arrays.append(array.reshape(shape))
            offset += count * 8
        return arrays

    def _receive(self, deadline: float, stage: str, limit: float) -> dict[str, Any]:
        self._channel.settimeout(max(deadline - time.monotonic(), 0.001))
        try:
            data = self._channel.recv(MESSAGE_BYTES)
        except TimeoutError:
            raise CandidateFailure(f"{stage}: took longer than {limit:g} s and was stopped") from None
        except OSError:
            data = b""
        if not data:
            raise self._death(stage)
        message: dict[str, Any] = json.loads(data)
        if "error" in message:
            raise CandidateFailure(f"{message['error']['stage']}: {message['error']['text']}")
        return message

    def _death(self, stage: str) -> CandidateFailure:
        status = self._end()
        how = describe_exit(status) if status is not None else "is gone"
        return CandidateFailure(f"{stage}: the candidate's process {how}")

    def _end(self) -> int | None:
        if self._pid is None:
            return None
        pid, self._pid = self._pid, None
        status: int = self._zygote.request({"end": pid}, [])["status"]
        return status

    def log_tail(self) -> str:
        """The end of what the candidate printed, for a person or a proposer to read."""
        with contextlib.suppress(OSError), (self._workdir / "log.txt").open("rb") as log:
            log.seek(max(0, os.fstat(log.fileno()).st_size - LOG_BYTES))
            return log.read(LOG_BYTES).decode("utf-8", "replace")
        return ""

    def close(self) -> None:
        """Kill the process group, drop the channel and mappings, remove the work directory."""
        with contextlib.suppress(EnvironmentProblem):
            self._end()
        self._channel.close()
        self._inputs.close()
        self._outputs.close()
        shutil.rmtree(self._workdir, ignore_errors=True)


def _clean_environment() -> dict[str, str]:
    """Nothing of ours but what Python and the compilers need: no API key, no path of a run."""
    keep = ("PATH", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "LD_LIBRARY_PATH")
    clean = {name: os.environ[name] for name in keep if name in os.environ}
    one_thread = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    return clean | dict.fromkeys(one_thread, "1") | {"PYTHONDONTWRITEBYTECODE": "1"}
