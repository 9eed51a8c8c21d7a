"""The zygote: imports torch and numba once, then forks one timekeeper per candidate, which forks the worker.

Started by `client.Zygote` as `python -m eplb_evolve.sandbox.zygote FD PARENT FOLDER HIGHEST`: FOLDER holds the
workers' files and is removed at the end, HIGHEST is the strongest level to use. It runs no candidate code itself and
never holds a trace, so what a worker inherits from it is clean. See protocol.py for the messages.
"""

import contextlib
import importlib
import os
import select
import signal
import socket
import sys
from typing import Any, cast

from eplb_evolve.errors import EnvironmentProblem, in_words
from eplb_evolve.sandbox import kernel, probe, process, protocol, timekeeper
from eplb_evolve.sandbox.confinement import Confinement
from eplb_evolve.sandbox.files import remove_tree
from eplb_evolve.sandbox.levels import Level
from eplb_evolve.sandbox.limits import Limits
from eplb_evolve.sandbox.user import FIRST_UID, UIDS

PATIENCE_MS = 5000


def main(control_fd: int, parent: int, folder: str, highest: Level) -> None:
    """Serve until the parent process or its end of the socket is gone, then kill all workers and remove their files."""
    try:
        _serve(socket.socket(fileno=control_fd), os.pidfd_open(parent), folder, highest)
    except (BrokenPipeError, ProcessLookupError):
        pass  # the parent died while we started
    finally:
        remove_tree(folder)


def _serve(control: socket.socket, parent_gone: int, folder: str, highest: Level) -> None:
    """parent_gone: a pidfd, not PDEATHSIG: that one fires when the *thread* that started us ends."""
    kernel.become_subreaper()
    kernel.keep_freed_memory()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the harness, which ends us in order
    findings = probe.probe(folder)
    level = probe.weaker(probe.strongest(findings), highest)
    other_user = os.getuid() == 0 and all(found.works for found in findings if found.mechanism == "another user")
    _preload()
    protocol.send(control, {"level": level})
    zygote = Zygote(control, folder, level, other_user)
    poll = select.poll()
    poll.register(control, select.POLLIN)
    poll.register(parent_gone, select.POLLIN)
    while parent_gone not in (ready := dict(poll.poll(1000))):
        if not ready:
            zygote.bury()
        elif not zygote.serve():
            break
    zygote.end()


class Zygote:
    """Forks timekeepers, and makes sure that nothing of them stays."""

    def __init__(self, control: socket.socket, folder: str, level: Level, other_user: bool) -> None:
        self._control, self._folder, self._level, self._other_user = control, folder, level, other_user
        self._keepers: set[int] = set()
        self._forked = 0

    def serve(self) -> bool:
        """Answer one request; False when the other end is closed."""
        message, descriptors = _receive_with_descriptors(self._control)
        if message is None:
            return False
        if "spawn" in message:
            try:
                pid = self._fork(descriptors, message["spawn"])
            except EnvironmentProblem as problem:
                protocol.send(self._control, {"unavailable": str(problem)})
                return True
            self._keepers.add(pid)
            protocol.send(self._control, {"pid": pid})
        else:
            self._end(message["end"])
            protocol.send(self._control, {"ended": message["end"]})
        return True

    def _fork(self, descriptors: list[int], spec: dict[str, Any]) -> int:
        zygote, uid = os.getpid(), FIRST_UID + self._forked % UIDS
        self._forked += 1
        pid, refusal = -1, ""
        try:
            pid = os.fork()
        except OSError as problem:
            refusal = f"the sandbox cannot start a process: {in_words(problem)}"
        if pid:
            for descriptor in descriptors:
                os.close(descriptor)
            if refusal:
                raise EnvironmentProblem(refusal)
            return pid
        self._control.close()
        confinement = Confinement(
            self._level, uid if self._other_user else None, spec["workdir"], spec["device"], spec["twin"]
        )
        process.die_with_parent(zygote)
        timekeeper.run(descriptors, spec["program"], confinement, Limits(**spec["limits"]))
        os._exit(0)

    def _end(self, pid: int) -> None:
        """A timekeeper whose control socket is closed ends by itself; one that does not is killed."""
        if pid in self._keepers:
            self._keepers.discard(pid)
            with contextlib.closing(_Pidfd(pid)) as gone:
                if not gone.wait(PATIENCE_MS):
                    os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        process.kill_strays(keep=self._keepers)

    def bury(self) -> None:
        """A timekeeper that died takes its worker along; what else it left behind comes to us, and ends here."""
        for pid in [pid for pid in self._keepers if not process.alive(pid)]:
            self._end(pid)

    def end(self) -> None:
        """Kill everything."""
        for pid in self._keepers:
            os.kill(pid, signal.SIGKILL)
        process.kill_strays(keep=set())


class _Pidfd:
    def __init__(self, pid: int) -> None:
        self._descriptor = os.pidfd_open(pid)

    def wait(self, milliseconds: int) -> bool:
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        return bool(poll.poll(milliseconds))

    def close(self) -> None:
        os.close(self._descriptor)


def _receive_with_descriptors(control: socket.socket) -> tuple[dict[str, Any] | None, list[int]]:
    import json

    data, descriptors, _, _ = socket.recv_fds(control, protocol.MESSAGE_BYTES, 4)
    return (json.loads(data) if data else None), descriptors


def _preload() -> None:
    import torch

    torch.set_num_threads(1)
    with contextlib.suppress(ImportError):
        importlib.import_module("numba")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], cast(Level, sys.argv[4]))
