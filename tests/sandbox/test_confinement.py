"""What a candidate cannot reach, level by level, as root and as an ordinary user."""

import json
import os
import subprocess
import sys
from contextlib import ExitStack, closing

import numpy as np
import pytest
from support import ROOT

from eplb_evolve.placement import Topology
from eplb_evolve.sandbox import LEVELS, Limits

LOADS = np.arange(12, dtype=np.float32).reshape(2, 6)
TOPOLOGY = Topology(8, 1, 1, 4)
CALL = "honest(weight, num_replicas, num_groups, num_nodes, num_gpus)"

REFUSED = """
import ctypes, os, socket
libc = ctypes.CDLL(None, use_errno=True)

def refused(attempt):
    try:
        return attempt() == -1
    except (OSError, ValueError):
        return True
"""

ATTEMPTS = {
    # name: (expression that is true when the attempt is refused, levels at which it must be)
    "read the project": (f"refused(lambda: os.listdir({str(ROOT / 'workloads')!r}))", ("full", "no-userns")),
    "read a home": ("refused(lambda: os.listdir(os.path.expanduser('~root')))", ("full", "no-userns")),
    "write to /tmp": ("refused(lambda: open('/tmp/eplb-escape', 'w'))", ("full", "no-userns")),
    "write to /dev/shm": ("refused(lambda: open('/dev/shm/eplb-escape', 'w'))", ("full", "no-userns")),
    "read the parent's memory": ("refused(lambda: open(f'/proc/{max(os.getppid(), 1)}/mem', 'rb'))", LEVELS),
    "read the parent's environment": (
        "refused(lambda: open(f'/proc/{max(os.getppid(), 1)}/environ').read())",
        ("full", "no-userns"),
    ),
    "signal the parent": (
        "os.getppid() == 0 or refused(lambda: os.kill(os.getppid(), 0))",
        ("full", "no-userns"),
    ),
    "trace the parent": ("refused(lambda: libc.ptrace(16, os.getppid(), 0, 0))", LEVELS),
    "make namespaces": ("refused(lambda: libc.unshare(0x10000000))", ("full", "no-userns")),
    "clone into namespaces": (
        "refused(lambda: libc.syscall(56, 0x10000000 | 17, 0, 0, 0, 0))",
        ("full", "no-userns"),
    ),
    "mount": ("refused(lambda: libc.mount(b'x', b'/tmp', b'tmpfs', 0, None))", ("full", "no-userns")),
    "reach the network": ("refused(lambda: socket.socket(socket.AF_INET))", ("full", "no-userns")),
    "keep System V memory": ("refused(lambda: libc.shmget(0, 4096, 0o1600))", ("full", "no-userns")),
    "choose processors": ("refused(lambda: os.sched_setaffinity(0, {0}))", ("full", "no-userns")),
    "raise its priority": ("refused(lambda: os.setpriority(os.PRIO_PROCESS, 0, -5))", ("full", "no-userns")),
    "raise a limit": (
        "refused(lambda: __import__('resource').setrlimit(6, (100000, 100000)))",
        ("full", "no-userns"),
    ),
    "become root": ("refused(lambda: os.setuid(0))", ("full", "no-userns")),
}


def attempts(zygote, write):
    """Names of the attempts that succeeded although they must be refused at the zygote's level."""
    succeeded = []
    for name, (expression, levels) in ATTEMPTS.items():
        if zygote.level not in levels:
            continue
        body = f"{REFUSED}\nassert {expression}, 'reached'\nreturn {CALL}"
        with closing(zygote.spawn(write(wrapping=body), Limits())) as worker:
            try:
                worker.call(LOADS, TOPOLOGY)
            except Exception as problem:
                succeeded.append(f"{name}: {problem}")
    return succeeded


@pytest.fixture(scope="module", params=LEVELS)
def zygote(request, zygotes):
    with closing(zygotes(request.param)) as zygote:
        assert zygote.level == request.param
        yield zygote


def test_what_a_candidate_cannot_reach(zygote, program):
    assert attempts(zygote, program) == []


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become an ordinary user")
@pytest.mark.parametrize("level", LEVELS)
def test_an_ordinary_user_is_as_safe(tmp_path, level):
    """With an interpreter that this user could not read without help (where root's home holds it)."""
    command = [sys.executable, str(ROOT / "tests" / "ordinary_user.py"), str(tmp_path)]
    code = "import sys, json; sys.path.insert(0, sys.argv[1]); from sandbox_attempts import main; main(sys.argv[2])"
    done = subprocess.run(
        [*command, sys.executable, "-c", code, str(ROOT / "tests"), level],
        check=False,
        capture_output=True,
        text=True,
    )
    assert json.loads(done.stdout) == {"level": level, "root": False, "succeeded": []}, done.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="only root changes users")
def test_each_worker_of_root_is_another_user(program, zygotes):
    body = f"import os\nprint(os.getuid(), flush=True)\nreturn {CALL}"
    file = program(wrapping=body)
    with closing(zygotes()) as zygote, ExitStack() as stack:
        workers = [stack.enter_context(closing(zygote.spawn(file, Limits()))) for _ in range(3)]
        for worker in workers:
            worker.call(LOADS, TOPOLOGY)
        users = {worker.log_tail() for worker in workers}
    assert len(users) == 3
    assert "0\n" not in users


def test_our_package_cannot_be_imported(zygote, program):
    body = "try:\n    import eplb_evolve.reference\nexcept ImportError:\n    return "
    body += f"{CALL}\nraise AssertionError('imported')"
    with closing(zygote.spawn(program(wrapping=body), Limits())) as worker:
        worker.call(LOADS, TOPOLOGY)
