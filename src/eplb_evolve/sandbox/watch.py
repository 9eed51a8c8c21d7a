"""What resource limits do not bound: memory and disk over all processes of a candidate, and a log that grows."""

import contextlib
import os
import stat
import time
from collections.abc import Iterable

from eplb_evolve.sandbox import process
from eplb_evolve.sandbox.limits import Limits

MOST_FILES = 20_000
IDLE_S = 10.0
LOG_KEPT, LOG_ROOM = 4096, 1 << 20


class Watch:
    """Looks at one worker and everything that descends from it.

    count_files: count resident pages of files and devices as well: memory pinned for a GPU is among them.
    """

    def __init__(self, pid: int, workdir: str, limits: Limits, count_files: bool = False) -> None:
        self._pid, self._workdir, self._limits, self._count_files = pid, workdir, limits, count_files

    def complaint(self) -> str | None:
        """Why the candidate has to be stopped now, None if it may go on."""
        family = [self._pid, *process.descendants(self._pid)]
        if process.resident_bytes(family, self._count_files) > self._limits.memory_mb << 20:
            return f"used more than {self._limits.memory_mb} MiB of memory"
        files, size = self._disk()
        if size + _unlinked_bytes(family) > self._limits.disk_mb << 20:
            return f"wrote more than {self._limits.disk_mb} MiB of files"
        if files > MOST_FILES:
            return f"wrote more than {MOST_FILES} files, or hid them from sight"
        return None

    def _disk(self) -> tuple[int, int]:
        """Files, and bytes that they take up. A folder that cannot be looked into counts as too many files."""
        files = size = 0
        folders = [self._workdir]
        while folders and files <= MOST_FILES:
            try:
                with os.scandir(folders.pop()) as entries:
                    for entry in entries:
                        files += 1
                        with contextlib.suppress(FileNotFoundError):
                            size += entry.stat(follow_symlinks=False).st_blocks * 512
                        if entry.is_dir(follow_symlinks=False):
                            folders.append(entry.path)
            except FileNotFoundError:  # removed while we looked
                pass
            except OSError:
                return MOST_FILES + 1, size
        return files, size


class Idle:
    """Whether a candidate stands still: no process of it gains processor time, no thread can run or waits for a disk.

    A deadlock at the import or the first call would otherwise cost as long as a compiler may take.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._used, self._since = -1, time.monotonic()

    def complaint(self) -> str | None:
        """Why the candidate has to be stopped now, None if it may go on."""
        used, at_work = process.progress([self._pid, *process.descendants(self._pid)])
        now = time.monotonic()
        if at_work or used != self._used:
            self._used, self._since = used, now
        if now - self._since >= IDLE_S:
            return f"did nothing for {IDLE_S:g} s, every thread asleep,"
        return None


def _unlinked_bytes(pids: Iterable[int]) -> int:
    """Bytes of regular files that these processes hold open and that have no name any more."""
    seen: dict[tuple[int, int], int] = {}
    for pid in pids:
        with contextlib.suppress(OSError):
            for name in os.listdir(f"/proc/{pid}/fd"):
                with contextlib.suppress(OSError):
                    found = os.stat(f"/proc/{pid}/fd/{name}")
                    if stat.S_ISREG(found.st_mode) and found.st_nlink == 0:
                        seen[found.st_dev, found.st_ino] = found.st_blocks * 512
    return sum(seen.values())


def trim_log(log: int) -> None:
    """Keep only the end of a log that has grown large; its writer must be frozen."""
    size = os.fstat(log).st_size
    if size > LOG_ROOM:
        end = os.pread(log, LOG_KEPT, size - LOG_KEPT)
        os.ftruncate(log, 0)
        os.lseek(log, 0, os.SEEK_SET)
        os.write(log, end)
