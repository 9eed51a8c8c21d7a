"""The timekeeper: parent of one worker, which runs only while the timekeeper's clock runs.

A call hands the input over, starts the clock, lets the frozen worker continue, waits for its answer, which holds no
more than addresses and shapes, freezes it again, and stops the clock. Then the outputs are copied out of the frozen
process. Nothing that the worker says is believed beyond that.
"""

import contextlib
import ctypes
import json
import math
import mmap
import os
import resource
import secrets
import select
import signal
import socket
import struct
import time
import traceback
from collections.abc import Iterable
from typing import Any

from eplb_evolve.errors import MENDS, CandidateFailure, EnvironmentProblem, in_words
from eplb_evolve.sandbox import answers, kernel, process, protocol, worker
from eplb_evolve.sandbox.confinement import Confinement
from eplb_evolve.sandbox.in_force import InForce
from eplb_evolve.sandbox.limits import Limits
from eplb_evolve.sandbox.watch import Idle, Watch, trim_log

TICK = struct.pack("ll", 0, 100_000)
"""How often a running worker is looked at: a timeval of 100 ms."""

FREE_FLUSH_S = 0.01
"""A flush of a GPU's cache takes less than a millisecond; what it takes beyond this is charged to the next call."""

FREEZE_SECONDS = 2.0


def run(descriptors: list[int], program: str, confinement: Confinement, limits: Limits) -> None:
    """Serve one candidate from import to end. Descriptors: control socket, inputs, outputs, log."""
    control_fd, inputs, outputs, log = descriptors
    control = socket.socket(fileno=control_fd)
    keeper = Timekeeper(outputs, log, confinement, limits)
    try:
        parameters = keeper.start(program, inputs)
        protocol.send(control, {"ready": {"parameters": parameters}})
        while keeper.wait_for(control) and (request := protocol.receive(control)):
            if "flush" in request:
                keeper.flush(request["limit"], request["cpus"])
                protocol.send(control, {"flushed": True})
            elif "write_out" in request:
                keeper.write_out(request["limit"])
                protocol.send(control, {"written": True})
            else:
                protocol.send(control, keeper.call(request["call"], request["limit"], request["cpus"]))
    except CandidateFailure as failure:
        keeper.end()
        _tell(control, {"failed": str(failure), "public": failure.public})
    except EnvironmentProblem as problem:
        _tell(control, {"unavailable": str(problem)})
    except Exception as problem:  # the process boundary: a fault of the sandbox, not of the candidate
        if isinstance(problem, OSError) and problem.errno in MENDS:
            _tell(control, {"unavailable": f"the sandbox cannot run a program: {in_words(problem)}"})
        else:
            _tell(control, {"broken": traceback.format_exc(limit=-3)})
    finally:
        keeper.end()


def _tell(control: socket.socket, message: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):  # nobody listens any more
        protocol.send(control, message)


class Timekeeper:
    """Owns the worker process, frozen whenever no call of ours is waiting for it."""

    def __init__(self, outputs: int, log: int, confinement: Confinement, limits: Limits) -> None:
        self._confinement, self._limits, self._log = confinement, limits, log
        self._outputs = mmap.mmap(outputs, os.fstat(outputs).st_size)
        self._address = ctypes.addressof(ctypes.c_char.from_buffer(self._outputs))
        signal.signal(signal.SIGALRM, _on_alarm)
        self._processors = sorted(os.sched_getaffinity(0))
        self._pid = 0
        self._first = 0
        self._owed = 0.0
        self._called = False
        self._in_force = InForce()
        self._packet = bytearray(protocol.MESSAGE_BYTES)

    def start(self, program: str, inputs: int) -> int:
        """Confine, fork, import the program; its number of parameters. The worker is frozen afterwards."""
        zygote = os.getppid()
        kernel.become_subreaper()
        self._confinement.enter_timekeeper()
        process.die_with_parent(zygote)
        if self._confinement.level == "full" and self._confinement.twin:
            self._first = _fork_first_process()
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours = os.getpid()
        self._pid = os.fork()
        if self._pid == 0:
            self._channel.close()
            process.die_with_parent(0 if self._confinement.level == "full" else ours)
            worker.run(theirs, inputs, self._log, program, self._confinement, self._limits)
            os._exit(0)
        theirs.close()
        os.close(inputs)
        kernel.set_dumpable(False)  # a worker of the same user must not reach into this process
        pinned = self._confinement.device == "cuda"
        self._watch = Watch(self._pid, self._confinement.workdir, self._limits, count_files=pinned)
        self._gone = os.pidfd_open(self._pid)
        self._await_confinement()
        self._channel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, TICK)
        nonce = _nonce()
        packet = json.dumps({"nonce": nonce}).encode()
        answer, _ = self._exchange(packet, nonce, "import", self._limits.first_call_s)
        parameters = answer.get("parameters")
        if parameters not in (5, 6):
            raise CandidateFailure("import: the candidate's process sent an answer that its worker does not send")
        return int(parameters)

    def _await_confinement(self) -> None:
        """Until the worker has confined itself nothing untrusted runs, and a failure is the sandbox's own."""
        confined = protocol.receive(self._channel)
        if confined is not None and "unavailable" in confined:
            raise EnvironmentProblem(confined["unavailable"])
        if confined is None or confined["confined"]:
            raise OSError(f"a worker could not be confined: {confined}")
        self._freeze("import")

    def wait_for(self, control: socket.socket) -> bool:
        """Wait for a request; raises CandidateFailure if the frozen worker dies meanwhile."""
        poll = select.poll()
        poll.register(control, select.POLLIN)
        poll.register(self._gone, select.POLLIN)
        if self._gone in dict(poll.poll()):
            raise self._death("call")
        return True

    def flush(self, limit: float, cpus: list[int] | None) -> None:
        """Empty the device's caches. The next call's input must not be there yet: the worker runs, and is not timed."""
        self._hold(cpus or self._processors)
        nonce = _nonce()
        _, seconds = self._exchange(json.dumps({"nonce": nonce, "flush": True}).encode(), nonce, "call", limit)
        self._owed = max(0.0, seconds - FREE_FLUSH_S)

    def write_out(self, limit: float) -> None:
        """Let the worker write what it printed. That can run code of the program: never between timed calls."""
        self._hold(self._processors)
        nonce = _nonce()
        self._exchange(json.dumps({"nonce": nonce, "write_out": True}).encode(), nonce, "call", limit)
        trim_log(self._log)

    def call(self, call: dict[str, Any], limit: float, cpus: list[int] | None) -> dict[str, Any]:
        """One call; `cpus` are the processors it may use, None for all."""
        self._hold(cpus or self._processors)
        nonce, hold, on_host = _nonce(), self._in_force.hold_next(), self._confinement.device == "cpu"
        packet = protocol.pack_call(protocol.Call(nonce, hold, **call))
        waited = process.waited_ns(self._pid)
        answer, seconds = self._exchange(packet, nonce, "call", limit, copy=not on_host)
        waited = process.waited_ns(self._pid) - waited
        self._check_held(cpus or self._processors)
        if on_host:  # what a GPU holds cannot be read from here; there the worker keeps it all the same
            self._in_force.check(self._pid)
        claims = answer["copied"] if "copied" in answer else self._copy_outputs(answer)
        if on_host:
            self._in_force.add(claims, self._outputs, hold)
        trim_log(self._log)
        self._called = True
        seconds, self._owed = seconds + self._owed, 0.0
        return {"seconds": seconds, "waited": waited / 1e9, "shapes": [shape for _, _, shape in claims]}

    def _exchange(
        self, packet: bytes, nonce: str, stage: str, limit: float, copy: bool = False
    ) -> tuple[dict[str, Any], float]:
        """Send while the worker is frozen, let it run until it answers, freeze it; the answer and the seconds between.

        Between the two readings of the clock there is nothing but a signal, a wait for the packet, a signal, and a
        wait for the stop. copy: stop the clock only when the outputs have been copied as well (a device may still be
        writing them).
        """
        try:
            self._channel.send(packet)
        except OSError:
            raise self._death(stage) from None
        start = time.perf_counter_ns()
        os.kill(self._pid, signal.SIGCONT)
        size = self._wait(stage, limit)
        self._freeze(stage)
        stop = time.perf_counter_ns()
        self._check_alone(stage)  # before anything else: what runs on now could still change the answer
        answer = answers.parse(bytes(self._packet[:size]), nonce, stage)
        if copy:
            answer["copied"] = self._copy_outputs(answer)
            stop = time.perf_counter_ns()
        self._check_nothing_else(stage)
        return answer, (stop - start) / 1e9

    def _wait(self, stage: str, limit: float) -> int:
        """The size of the worker's next packet, which is in `_packet`. A call within a tick does the least there is."""
        start, idle = time.monotonic(), None
        while True:
            try:
                size = self._channel.recv_into(self._packet)
            except BlockingIOError:  # a tick has passed
                size = None
            except OSError:
                size = 0
            if size:
                return size
            if size == 0 or process.has_exited(self._pid):
                raise self._death(stage)
            if time.monotonic() - start > limit:
                raise CandidateFailure(f"{stage}: took longer than {limit:g} s and was stopped")
            idle = idle or Idle(self._pid)
            complaint = self._watch.complaint() or (None if self._called else idle.complaint())
            if complaint:
                raise CandidateFailure(f"{stage}: {complaint} and was stopped")

    def _freeze(self, stage: str) -> None:
        """Stop the worker. A process that is being traced stops in other ways: an alarm ends the wait for it."""
        try:
            signal.setitimer(signal.ITIMER_REAL, FREEZE_SECONDS)
            os.kill(self._pid, signal.SIGSTOP)
            state = os.waitid(os.P_PID, self._pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
            signal.setitimer(signal.ITIMER_REAL, 0)
        except OSError:
            signal.setitimer(signal.ITIMER_REAL, 0)
            state = None
        if state is None or state.si_code != os.CLD_STOPPED:
            raise self._death(stage)

    def _check_alone(self, stage: str) -> None:
        """No process is left that could work on while the worker is frozen."""
        others = {child for pid in (self._pid, self._first, os.getpid()) for child in process.children(pid)}
        others -= {self._pid, self._first}
        if count := sum(process.alive(pid) for pid in others):
            raise CandidateFailure(f"{stage}: left {count} processes running; all must have ended when a call ends")

    def _check_nothing_else(self, stage: str) -> None:
        """One answer per message, and no limit overstepped."""
        if self._poll_channel():
            raise CandidateFailure(f"{stage}: the candidate's process answered more than once")
        if complaint := self._watch.complaint():
            raise CandidateFailure(f"{stage}: {complaint}")

    def _poll_channel(self) -> bool:
        try:
            return bool(self._channel.recv(1, socket.MSG_DONTWAIT | socket.MSG_PEEK))
        except OSError:
            return False

    def _hold(self, cpus: Iterable[int]) -> None:
        """Keep the worker on these processors, and ourselves as well: waking each other is quickest on the same one."""
        os.sched_setaffinity(0, cpus)
        for thread in process.threads(self._pid):
            with contextlib.suppress(OSError):
                os.sched_setaffinity(thread, cpus)

    def _check_held(self, cpus: Iterable[int]) -> None:
        for thread in process.threads(self._pid):
            with contextlib.suppress(OSError):
                if not os.sched_getaffinity(thread) <= set(cpus):
                    raise CandidateFailure("call: changed which processors it runs on")

    def _copy_outputs(self, answer: dict[str, Any]) -> list[answers.Claim]:
        """Lay the three arrays, which lie anywhere in the frozen worker, end to end in the output mapping."""
        offset, claims = 0, answers.claimed_outputs(answer, len(self._outputs))
        for name, address, shape in claims:
            size = math.prod(shape) * 8
            if offset + size > len(self._outputs):
                raise CandidateFailure(
                    f"call: {name} of shape {shape} is larger than the {len(self._outputs) >> 20} MiB allowed"
                )
            if size:
                try:
                    kernel.read_memory(self._pid, address, self._address + offset, size)
                except OSError as problem:
                    raise CandidateFailure(f"call: {name} cannot be read from the candidate's memory") from problem
            offset += size
        return claims

    def _death(self, stage: str) -> CandidateFailure | EnvironmentProblem:
        status = self.end()
        allowed = resource.getrlimit(resource.RLIMIT_CPU)[0]
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        if allowed != resource.RLIM_INFINITY and used.ru_utime + used.ru_stime >= 0.9 * allowed:
            return EnvironmentProblem(
                f"this machine gives a process {allowed} s of processor time; lift that (ulimit -t unlimited)"
            )
        return CandidateFailure(f"{stage}: the candidate's process {process.describe_exit(status)}")

    def end(self) -> int:
        """Kill the worker and all its descendants; its raw wait status. Safe to call twice."""
        if not self._pid:
            return 0
        pid, self._pid = self._pid, 0
        status = process.reap(pid) if process.has_exited(pid) else process.kill_group(pid)
        process.kill_strays(keep=set())  # among them the first process of a twin's namespace
        return status


def _nonce() -> str:
    return secrets.token_hex(protocol.NONCE_BYTES)


def _on_alarm(_number: int, _frame: object) -> None:
    raise OSError("no answer in time")


def _fork_first_process() -> int:
    """The first process of a new pid namespace, which does nothing but bury orphans; killed, it ends all others."""
    pid = os.fork()
    if pid == 0:
        process.die_with_parent(0)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        os.closerange(0, os.sysconf("SC_OPEN_MAX"))
        while True:
            signal.pause()
    return pid
