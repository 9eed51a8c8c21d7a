"""The harness's side of the sandbox: start the zygote, spawn workers, call them."""

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
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from eplb_evolve import machine
from eplb_evolve.errors import CandidateFailure, EnvironmentProblem, machine_refuses
from eplb_evolve.hostile_text import without_places
from eplb_evolve.placement import Ints, Topology
from eplb_evolve.sandbox import kernel, leftovers, process
from eplb_evolve.sandbox.files import remove_tree
from eplb_evolve.sandbox.levels import STRONGEST_ON_GPU, Level
from eplb_evolve.sandbox.limits import Limits
from eplb_evolve.sandbox.probe import weaker
from eplb_evolve.sandbox.protocol import DTYPES, INPUT_BYTES, MESSAGE_BYTES
from eplb_evolve.sandbox.shortage import Shortage

START_SECONDS = 120.0
"""A cold disk gives a CUDA build of torch, gigabytes of it, slowly."""

BACKSTOP_SECONDS = 15.0
"""Beyond a call's own limit, which the timekeeper enforces."""

LOG_BYTES = 2000


@dataclass(frozen=True)
class CallResult:
    """One answered call, as the timekeeper saw it; the three arrays are not yet verified.

    Attributes:
        seconds: wall clock, from letting the worker continue until it was frozen again
        waited: seconds for which it was ready to run and had no processor
    """

    seconds: float
    waited: float
    phy2log: Ints
    log2phy: Ints
    logcnt: Ints


class Zygote:
    """A clean process with torch and numba loaded, from which workers are forked in milliseconds.

    highest: the strongest sandbox level to use; `level` is the one that this machine allows up to that. twin: give
    workers another process id than those of other zygotes, even where each is alone in its pid namespace. environment:
    variables that workers get beside the few that they always get.
    """

    command: ClassVar[tuple[str, ...]] = (sys.executable, "-m", "eplb_evolve.sandbox.zygote")

    def __init__(
        self,
        highest: Level = "full",
        device: str = "cpu",
        twin: bool = False,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.twin = twin
        self.device = device
        highest = highest if device == "cpu" else weaker(highest, STRONGEST_ON_GPU)
        environment = _clean_environment(device) | dict(environment or {})
        with machine_refuses("the sandbox cannot start"):
            leftovers.sweep()
            self.folder, self._lock = leftovers.new_folder()
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                self._process = self._start(theirs.fileno(), highest, environment)
        self._control = ours
        self._control.settimeout(START_SECONDS)
        self.level: Level = self._answer("start")["level"]
        if self.level != "full" and os.getuid():
            kernel.set_dumpable(False)  # workers run as our own user: none may reach into this process

    def _start(self, control: int, highest: Level, environment: dict[str, str]) -> subprocess.Popen[bytes]:
        """The zygote's process, with nothing of ours but its end of the control socket and this environment."""
        return subprocess.Popen(
            [*self.command, str(control), str(os.getpid()), self.folder, highest],
            pass_fds=[control],
            env=environment,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )

    @property
    def pid(self) -> int:
        """Process id of the zygote."""
        return self._process.pid

    def spawn(self, program: Path, limits: Limits) -> "Worker":
        """Fork a worker and import `program` in it. Raises CandidateFailure if that fails or takes too long."""
        with machine_refuses("the sandbox cannot take in a program"):
            worker = Worker(self, program, limits)
        try:
            worker.wait_until_ready()
        except BaseException:
            worker.close()
            raise
        return worker

    def request(self, message: dict[str, Any], descriptors: list[int]) -> dict[str, Any]:
        """One control request, answered by the zygote."""
        try:
            socket.send_fds(self._control, [json.dumps(message).encode()], descriptors)
        except OSError as problem:
            raise EnvironmentProblem(f"the sandbox's zygote process is gone ({problem}); start again") from problem
        return self._answer("go on")

    def _answer(self, what: str) -> dict[str, Any]:
        try:
            data = self._control.recv(MESSAGE_BYTES)
        except OSError as problem:
            raise EnvironmentProblem(f"the sandbox's zygote process does not answer ({problem})") from problem
        if not data:
            raise EnvironmentProblem(
                f"the sandbox's zygote process could not {what}; see its message above, "
                f"or try: {sys.executable} -c 'import torch, numpy'"
            )
        answer: dict[str, Any] = json.loads(data)
        if "unavailable" in answer:
            raise EnvironmentProblem(answer["unavailable"])
        return answer

    def close(self) -> None:
        """End the zygote and, with it, every worker."""
        self._control.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        remove_tree(self.folder)  # where a killed zygote could not do it itself
        os.close(self._lock)


class Worker:
    """One candidate in its own process. `close` kills it, whatever it is doing, and removes its files."""

    def __init__(self, zygote: Zygote, program: Path, limits: Limits) -> None:
        self.parameters = 0
        self.level = zygote.level
        self._zygote, self._limits, self._called = zygote, limits, False
        self._shortage = Shortage(zygote.folder, limits.memory_mb)
        self._workdir = tempfile.mkdtemp(dir=zygote.folder)
        copy = shutil.copyfile(program, os.path.join(self._workdir, "candidate.py"))
        Path(copy).chmod(0o444)
        input_fd, self._inputs = _shared("inputs", INPUT_BYTES, sealed=True)
        output_fd, self._outputs = _shared("outputs", limits.output_mb << 20, sealed=False)
        self._log = os.memfd_create("log")
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        spec = {
            "program": copy,
            "workdir": self._workdir,
            "device": zygote.device,
            "twin": zygote.twin,
            "limits": dataclasses.asdict(limits),
        }
        try:
            answer = zygote.request({"spawn": spec}, [theirs.fileno(), input_fd, output_fd, self._log])
        finally:
            theirs.close()
            os.close(input_fd)
            os.close(output_fd)
        self._timekeeper: int | None = answer["pid"]

    def wait_until_ready(self) -> None:
        """Wait for the candidate's import; its own limit, not a call's."""
        self.parameters = int(self._receive("import", self._limits.first_call_s)["ready"]["parameters"])

    def call(
        self,
        weight: NDArray[Any],
        topology: Topology,
        old_phy2log: Ints | None = None,
        cpus: list[int] | None = None,
    ) -> CallResult:
        """Call the candidate on weight [L, E] (a dtype of protocol.DTYPES); the worker is frozen before and after.

        old_phy2log [L, R] is passed when given; cpus are the processors that the call may use, None for all. Raises
        CandidateFailure for a crash, an exception, a timeout, a process left running, or outputs that are not three
        plain int64 tensors.
        """
        limit = self._limits.call_s if self._called else self._limits.first_call_s
        self._called = True
        if self._zygote.device != "cpu":
            self._request({"flush": True}, limit, cpus)
        call: dict[str, Any] = {
            "dtype": DTYPES.index(weight.dtype.name),
            "layers": weight.shape[0],
            "experts": weight.shape[1],
            "replicas": topology.replicas,
            "groups": topology.groups,
            "nodes": topology.nodes,
            "gpus": topology.gpus,
            "old_offset": self._write_inputs(weight, old_phy2log),
        }
        answer = self._request({"call": call}, limit, cpus)
        return CallResult(answer["seconds"], answer["waited"], *self._read_outputs(answer["shapes"]))

    def _request(self, message: dict[str, Any], limit: float, cpus: list[int] | None) -> dict[str, Any]:
        with contextlib.suppress(OSError):  # a dead timekeeper has said why, or says nothing: _receive knows
            self._control.send(json.dumps(message | {"limit": limit, "cpus": cpus}).encode())
        return self._receive("call", limit)

    def _write_inputs(self, weight: NDArray[Any], old_phy2log: Ints | None) -> int:
        """Where old_phy2log lies, -1 if there is none."""
        data = np.ascontiguousarray(weight).tobytes()
        self._inputs[: len(data)] = data
        if old_phy2log is None:
            return -1
        offset = -(-len(data) // 64) * 64
        old = np.ascontiguousarray(old_phy2log).tobytes()
        self._inputs[offset : offset + len(old)] = old
        return offset

    def _read_outputs(self, shapes: list[list[int]]) -> list[Ints]:
        arrays, offset = [], 0
        for shape in shapes:
            count = int(np.prod(shape))
            array = np.frombuffer(self._outputs, np.int64, count, offset).copy()  # the next call overwrites it
            arrays.append(array.reshape(shape))
            offset += count * 8
        return arrays

    def _receive(self, stage: str, limit: float) -> dict[str, Any]:
        self._control.settimeout(limit + BACKSTOP_SECONDS)
        data = b""
        with contextlib.suppress(OSError):
            data = self._control.recv(MESSAGE_BYTES)
        message: dict[str, Any] = {"failed": f"{stage}: the candidate's process is gone"}
        with contextlib.suppress(ValueError):  # nothing, or cut off
            message = json.loads(data)
        if "broken" in message:
            raise EnvironmentProblem(f"the sandbox failed: {message['broken']}")
        if "unavailable" in message:
            raise EnvironmentProblem(message["unavailable"])
        if "failed" in message:
            if shortage := self._shortage.problem():
                raise EnvironmentProblem(shortage)
            reason = without_places(message["failed"], self._workdir)
            raise CandidateFailure(reason, message.get("public", reason))
        return message

    def used(self) -> tuple[float, int]:
        """Seconds of processor time and minor page faults of the candidate's process until now, threads that ended too.

        Zeros where the system does not tell.
        """
        seconds, faults = 0.0, 0
        with contextlib.suppress(OSError, ValueError, IndexError):
            for pid in process.children(self._timekeeper or 0):
                faults += int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[7])
                seconds += process.processor_seconds(pid)
        return seconds, faults

    def write_out(self) -> None:
        """Have the candidate's process write what it printed to the log; untimed. Raises CandidateFailure."""
        self._request({"write_out": True}, self._limits.call_s, None)

    def log_tail(self) -> str:
        """The end of what the candidate printed, for a person or a proposer to read."""
        size = os.fstat(self._log).st_size
        text = os.pread(self._log, LOG_BYTES, max(0, size - LOG_BYTES)).decode("utf-8", "replace")
        return without_places(text, self._workdir)

    def close(self) -> None:
        """Kill everything that the candidate started, drop channel and mappings, remove the work directory."""
        self._control.close()
        if self._timekeeper is not None:
            timekeeper, self._timekeeper = self._timekeeper, None
            with contextlib.suppress(EnvironmentProblem):
                self._zygote.request({"end": timekeeper}, [])
            self._inputs.close()
            self._outputs.close()
            os.close(self._log)
        remove_tree(self._workdir)


def _shared(name: str, size: int, sealed: bool) -> tuple[int, mmap.mmap]:
    """Memory to share with a worker's timekeeper; sealed, no one but the present mapping can write or resize it."""
    descriptor = os.memfd_create(name, os.MFD_ALLOW_SEALING | os.MFD_CLOEXEC)
    os.ftruncate(descriptor, size)
    mapping = mmap.mmap(descriptor, size)
    seals = kernel.F_SEAL_SHRINK | kernel.F_SEAL_GROW
    if sealed:
        seals |= kernel.F_SEAL_FUTURE_WRITE | kernel.F_SEAL_SEAL
    kernel.seal(descriptor, seals)
    return descriptor, mapping


def _clean_environment(device: str) -> dict[str, str]:
    """Nothing of ours but what Python and the compilers need: no API key, no path of a run.

    Of all GPUs only the one that is locked and named in results is to be seen, and none on a CPU.
    """
    keep = ("PATH", "LANG", "LC_ALL", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "CUDA_HOME")
    clean = {name: os.environ[name] for name in keep if name in os.environ}
    if path := os.environ.get("PYTHONPATH"):  # the zygote starts in another folder
        clean["PYTHONPATH"] = os.pathsep.join(os.path.abspath(place) for place in path.split(os.pathsep) if place)
    clean["CUDA_VISIBLE_DEVICES"] = machine.gpu_index() if device != "cpu" else ""
    clean["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # nvidia-smi's
    one_thread = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    return clean | dict.fromkeys(one_thread, "1") | {"PYTHONDONTWRITEBYTECODE": "1"}
