"""What the machine itself may run out of, so that a program that fails meanwhile is not blamed for it."""

import errno
import os
import tempfile
from pathlib import Path

from eplb_evolve.errors import in_words

LEAST_BYTES = 1 << 20
LEAST_FILES = 32


class Shortage:
    """Looks at the machine from the start of one program on. folder: where its files lie."""

    def __init__(self, folder: str, memory_mb: int) -> None:
        self._folder, self._memory_mb, self._kills = folder, memory_mb, _killed_for_memory()

    def problem(self) -> str | None:
        """What the machine lacks, in a sentence; None where nothing is known to be missing."""
        try:
            lack = lacks_room(self._folder, LEAST_BYTES)
        except OSError as problem:
            return f"a program's folder cannot be written to: {in_words(problem)}"
        if lack:
            return f"the disk of {self._folder} {lack}; make room there, or set TMPDIR to a folder on another disk"
        if _killed_for_memory() > self._kills:
            return (
                "the machine ran out of memory and its kernel killed a process; free memory, or lower "
                f"eplb.limits.memory_mb, now {self._memory_mb}"
            )
        return None


def lacks_room(folder: str, size: int) -> str | None:
    """Why a file of `size` bytes and LEAST_FILES small ones would not fit into a folder; None if they do.

    OSError where nothing can be written there whatever its size.
    """
    disk = os.statvfs(folder)
    if disk.f_bavail * disk.f_frsize < size:  # root could still write, its programs' other user could not
        return f"has {disk.f_bavail * disk.f_frsize >> 20} MiB left, and {size >> 20} are needed"
    if disk.f_files and disk.f_favail < LEAST_FILES:
        return f"has room for {disk.f_favail} more files, and {LEAST_FILES} are needed"
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            os.posix_fallocate(file.fileno(), 0, size)  # a quota shows only here
    except OSError as problem:
        if problem.errno in (errno.ENOSPC, errno.EDQUOT):
            return f"takes no {size >> 20} MiB more: {problem.strerror}"
        if problem.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
            raise
    return None


def _killed_for_memory() -> int:
    """Processes that the kernel has killed since the machine started because memory, or a cgroup's share, ran out."""
    try:
        lines = Path("/proc/vmstat").read_bytes().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(b"oom_kill ")), 0)
