"""The zygote: imports torch and numba once, then forks one worker per candidate and kills it on request.

Started by `client.Zygote` as `python -m eplb_evolve.sandbox.zygote FD PARENT FOLDER`; FOLDER holds the workers' files
and is removed at the end. It runs no candidate code itself and
never holds a trace, so what a worker inherits from it is clean. Control messages are JSON on a socket:

    {"spawn": {program, workdir, limits}} + 3 descriptors -> {"pid": N}
    {"end": N}                                            -> {"status": raw wait status}
"""

import contextlib
import importlib
import json
import os
import select
import shutil
import signal
import socket
import sys

from eplb_evolve.sandbox import process, worker
from eplb_evolve.sandbox.protocol import MESSAGE_BYTES


def main(control_fd: int, parent: int, folder: str) -> None:
    """Serve until the parent process or its end of the socket is gone, then kill all workers and remove their files."""
    process.adopt_orphans()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the harness, which ends us in order
    control = socket.socket(fileno=control_fd)
    _preload()
    # A pidfd, not PDEATHSIG: that one fires when the *thread* that started us ends.
    parent_gone = os.pidfd_open(parent)
    control.send(json.dumps({"ready": True}).encode())
    workers: set[int] = set()
    poll = select.poll()
    poll.register(control, select.POLLIN)
    poll.register(parent_gone, select.POLLIN)
    while True:
        events = dict(poll.poll())
        if parent_gone in events or not _serve(control, workers):
            break
    for pid in workers:
        process.kill_group(pid)
    process.kill_strays(keep=set())
    shutil.rmtree(folder, ignore_errors=True)


def _preload() -> None:
    import torch

    torch.set_num_threads(1)
    with contextlib.suppress(ImportError):
        importlib.import_module("numba")


def _serve(control: socket.socket, workers: set[int]) -> bool:
    """Answer one request; False when the other end is closed."""
    data, descriptors, _, _ = socket.recv_fds(control, MESSAGE_BYTES, 3)
    if not data:
        return False
    request = json.loads(data)
    if "spawn" in request:
        pid = _fork_worker(control, descriptors, request["spawn"])
        workers.add(pid)
        answer = {"pid": pid}
    else:
        pid = request["end"]
        workers.discard(pid)
        answer = {"status": process.kill_group(pid)}
        process.kill_strays(keep=workers)
    control.send(json.dumps(answer).encode())
    return True


def _fork_worker(control: socket.socket, descriptors: list[int], spec: dict[str, object]) -> int:
    zygote = os.getpid()
    pid = os.fork()
    if pid:
        for descriptor in descriptors:
            os.close(descriptor)
        return pid
    control.close()
    process.die_with_parent(zygote)
    worker.run(descriptors, spec)
    os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
