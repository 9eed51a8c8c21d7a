"""Faults of a machine, provoked for real in a child process that may mount, change its user and lower its limits."""

import json
import os
import stat
import sys
import tempfile
import traceback
from pathlib import Path

import pytest

from eplb_evolve.sandbox import kernel

NOBODY = 58_911
"""A user id without an entry in /etc/passwd."""


def in_child(attempt, said=None):
    """What `attempt()` returns in a child with mounts of its own, or its exit code where it ends the child.

    said: a file for what the child prints.
    """
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            kernel.unshare(kernel.CLONE_NEWNS)
            kernel.mount(None, "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
            tempfile.tempdir = None
            if said is not None:
                printed = os.open(said, os.O_WRONLY | os.O_CREAT, 0o666)
                os.dup2(printed, 1)
                os.dup2(printed, 2)
                sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
            answer = json.dumps(attempt())
        except SystemExit as end:
            answer = json.dumps(end.code or 0)
        except BaseException:
            answer = json.dumps(traceback.format_exc())
        sys.stdout.flush()
        sys.stderr.flush()
        os.write(writer, answer.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        answer = pipe.read()
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return json.loads(answer) if answer else code


def mount(place, options="", flags=0):
    """A tmpfs on `place`, which is made if need be; the folder."""
    Path(place).mkdir(parents=True, exist_ok=True)
    kernel.mount("tmpfs", str(place), "tmpfs", flags, options)
    return place


def devices(null_mode=0o666):
    """A /dev of these two alone."""
    mount("/dev", "mode=755")
    for name, minor, mode in (("null", 3, null_mode), ("urandom", 9, 0o666)):
        os.mknod(f"/dev/{name}", stat.S_IFCHR, os.makedev(1, minor))
        os.chmod(f"/dev/{name}", mode)


def become_nobody(home=None):
    """A user without a passwd entry and without a cache of its own; /tmp is fresh and open to all."""
    mount("/tmp", "mode=1777")
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    for name in ("HOME", "XDG_CACHE_HOME", "TMPDIR", "USER", "LOGNAME"):
        os.environ.pop(name, None)
    if home is not None:
        os.environ["HOME"] = home


def _can_mount():
    return os.getuid() == 0 and in_child(lambda: True) is True


needs_mounts = pytest.mark.skipif(not _can_mount(), reason="only root that may mount can provoke these faults")
