"""The weakened evaluators: one that does everything right, as long as nothing is missing, and two that hardly begin to.

The first runs the candidate in a forked process against its own clock, stops that process as soon as it has answered,
and reads the outputs out of its memory. The others run it in their own process, one of them behind a pipe.
"""

import contextlib
import ctypes
import json
import mmap
import os
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import weakened_worker
from weakened_rules import (
    EXPERTS,
    LAYERS,
    TIMED,
    TOPOLOGY,
    WARM_UP,
    Invalid,
    check,
    inputs_of_calls,
    judge,
    outcome,
    verify,
    windows,
    with_weight,
)

from eplb_evolve import reference
from eplb_evolve.evaluation.inputs import CallInputs, perturb
from eplb_evolve.placement import initial_phy2log

CALL_SECONDS = 1.0
LATE_SECONDS = 0.08  # how long an evaluator takes to read outputs, where that makes it weak
LARGEST_OUTPUT = 1 << 20
REPLAYED = 2
PR_SET_CHILD_SUBREAPER, PR_SET_PTRACER = 36, 0x59616D61


def evaluate(missing: str, folder: Path) -> dict[str, object]:
    """What the evaluator without `missing` says of the folder's candidate.py."""
    if missing == "same-process":
        return in_process(folder)
    if missing == "stdout-protocol":
        return behind_a_pipe(folder)
    try:
        return apart(missing, folder)
    except Invalid as problem:
        return outcome(str(problem))


def in_process(folder: Path) -> dict[str, object]:
    """Reference, candidate and harness share one process and numpy's global random state."""
    seconds, calls, loads = [], [], windows()
    os.chdir(folder)
    try:
        rebalance = weakened_worker.load(folder)
        for _ in range(WARM_UP + TIMED):
            now = np.random.randint(len(loads) - 1)
            rng = np.random.default_rng(np.random.randint(1 << 31))
            inputs = perturb(loads[now], loads[now + 1], TOPOLOGY.groups, rng)
            weight = torch.from_numpy(inputs.weight)
            reference.plan(inputs.weight.astype(np.float64), *TOPOLOGY.as_arguments())  # to be timed beside it
            start = time.perf_counter()
            result = rebalance(weight, *TOPOLOGY.as_arguments())
            seconds.append(time.perf_counter() - start)
            placement = verify("", *(tensor.numpy() for tensor in result))
            calls.append((with_weight(inputs, weight.numpy()), placement))
        return outcome("", judge("", calls), seconds[WARM_UP:])
    except Exception as problem:
        return outcome(f"{type(problem).__name__}: {problem}")


def behind_a_pipe(folder: Path) -> dict[str, object]:
    """The last line that a process with the candidate and the harness in it prints is the result."""
    read, write = os.pipe()
    if not (pid := os.fork()):
        os.dup2(write, 1)
        result = in_process(folder)
        print(json.dumps(result), flush=True)
        sys.exit(0)
    os.close(write)
    with open(read, errors="replace") as stream:
        lines = stream.read().splitlines()
    os.waitpid(pid, 0)
    for line in reversed(lines):
        with contextlib.suppress(ValueError):
            return dict(json.loads(line))
    return outcome("no result")


def apart(missing: str, folder: Path) -> dict[str, object]:
    """Call the candidate in a process of its own, and ask another one, the twin, for some of the same plans."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    ctypes.CDLL(None).prctl(PR_SET_PTRACER, ctypes.c_ulong(-1), 0, 0, 0)
    calls, answers, all_seconds = [], [], []
    old = initial_phy2log(LAYERS, EXPERTS, TOPOLOGY.replicas)
    with tempfile.TemporaryFile() as data:  # open, as a harness's files are
        coming = inputs_of_calls(missing)
        np.savez(data, *[inputs.weight for inputs in coming])
        data.flush()
        with Worker(missing, folder, coming) as worker:
            for number, inputs in enumerate(coming):
                seconds, arrays = worker.call(inputs, old)
                all_seconds.append(seconds)
                if number and missing == "first-output-only":
                    continue
                placement = verify(missing, *arrays)
                seen = with_weight(inputs, worker.weight_now()) if missing == "input-by-reference" else inputs
                calls.append((seen, placement))
                answers.append((inputs, old, placement.phy2log))
                old = placement.phy2log
        if missing != "no-twin":
            with Worker(missing, folder, coming) as twin:
                for inputs, before, phy2log in answers[: -REPLAYED - 1 : -1]:
                    again = verify(missing, *twin.call(inputs, before)[1])
                    check(np.array_equal(again.phy2log, phy2log), "another process gives another placement")
    return outcome("", judge(missing, calls), all_seconds[WARM_UP:])


class Worker:
    """A process with the candidate in it, stopped outside of calls."""

    def __init__(self, missing: str, folder: Path, coming: list[CallInputs]) -> None:
        self.missing = missing
        memory = os.memfd_create("input")
        os.ftruncate(memory, 1 << 16)
        self.mapping = mmap.mmap(memory, 1 << 16)
        self.channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.pid = os.fork()
        if not self.pid:
            self.channel.close()
            known = coming if missing == "shared-memory-data" else []
            weakened_worker.serve(missing, folder, theirs, self.mapping, known)
        theirs.close()
        os.close(memory)

    def __enter__(self) -> "Worker":
        try:
            self.receive()
            self.freeze()
        except Invalid:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ChildProcessError, ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        end_children()
        self.channel.close()

    def call(self, inputs: CallInputs, old: np.ndarray) -> tuple[float, list[np.ndarray]]:
        """Seconds and outputs of one call."""
        self.mapping[: LAYERS * EXPERTS * 4] = inputs.weight.tobytes()
        cpu, start = self.cpu_seconds(), time.perf_counter()
        os.kill(self.pid, signal.SIGCONT)
        with contextlib.suppress(BrokenPipeError):
            self.channel.send(json.dumps(old.tolist()).encode())
        answer = self.receive()
        seconds = time.perf_counter() - start
        if self.missing == "any-type":  # that was the message that the call has returned
            answer = self.receive()
        self.freeze()
        if self.missing != "two-threads":
            seconds = max(seconds, self.cpu_seconds() - cpu)
        if self.missing == "candidate-clock":
            seconds = float(answer["seconds"])
        if self.missing != "children-allowed":
            check(not children(self.pid) and children(os.getpid()) == {self.pid}, "a child process is running")
        if self.missing in ("no-freeze", "children-allowed"):
            time.sleep(LATE_SECONDS)
        outputs = answer.get("outputs")
        check(isinstance(outputs, list) and len(outputs) == 3, "its process does not keep to the protocol")
        return seconds, [self.read(shape, pointer) for shape, pointer in outputs]

    def cpu_seconds(self) -> float:
        """CPU time that the process has used, all threads together."""
        return time.clock_gettime((~self.pid << 3) | 2)

    def weight_now(self) -> np.ndarray:
        return np.frombuffer(self.mapping, np.float32, LAYERS * EXPERTS).reshape(LAYERS, EXPERTS).copy()

    def receive(self) -> dict[str, object]:
        """The next message; Invalid if there is none in time."""
        self.channel.settimeout(None if self.missing == "no-deadline" else CALL_SECONDS)
        try:
            data = self.channel.recv(1 << 16)
        except TimeoutError:
            if self.missing == "soft-kill":
                os.kill(self.pid, signal.SIGTERM)
                os.waitpid(self.pid, 0)
            raise Invalid("too late") from None
        except OSError:
            data = b""
        check(data, "its process ended")
        try:
            answer = dict(json.loads(data))
        except (ValueError, TypeError):
            raise Invalid("its process does not keep to the protocol") from None
        check("error" not in answer, str(answer.get("error")))
        return answer

    def freeze(self) -> None:
        if self.missing == "no-freeze":
            return
        pid, deadline = 0, time.monotonic() + CALL_SECONDS
        while not pid:
            check(time.monotonic() < deadline, "its process does not stop")
            os.kill(self.pid, signal.SIGSTOP)  # again and again: somebody may wake it at once
            pid, status = os.waitpid(self.pid, os.WUNTRACED | os.WNOHANG)
        check(os.WIFSTOPPED(status), "its process ended")

    def read(self, shape: list[int], pointer: int) -> np.ndarray:
        """An output out of the memory of the process, which is stopped."""
        if self.missing == "shape-only":
            return np.broadcast_to(0, shape)
        size = 8 * int(np.prod(shape, dtype=object))
        if self.missing == "no-limits" and size > LARGEST_OUTPUT:
            return np.empty(shape)
        check(size <= LARGEST_OUTPUT, "an output is too large")
        try:
            with open(f"/proc/{self.pid}/mem", "rb", 0) as memory:
                memory.seek(pointer)
                dtype = np.float64 if self.missing == "any-dtype" else np.int64
                return np.frombuffer(memory.read(size), dtype).reshape(shape)
        except (OSError, ValueError, OverflowError):
            raise Invalid("an output cannot be read") from None


def children(pid: int) -> set[int]:
    """Living children of a process, whichever of its threads started them."""
    found = set()
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            with contextlib.suppress(OSError):
                if Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX":
                    found.add(int(child))
    return found


def end_children() -> None:
    """Kill all descendants: orphans become children of this process, a subreaper."""
    while alive := children(os.getpid()):
        for child in alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        time.sleep(0.005)
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
