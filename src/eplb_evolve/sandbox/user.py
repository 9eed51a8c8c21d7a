"""The user that candidates run as: another than root's, to whom the interpreter must be readable."""

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from eplb_evolve.sandbox import kernel

FIRST_UID, UIDS = 61_000, 1_000
"""Each worker of a root-owned sandbox gets an id of its own, so that none can signal another."""


def blocked_at(path: str, uid: int) -> str | None:
    """The first folder on the way to `path`, a resolved one, that user `uid` may not enter; None if all is open."""
    place = Path(path)
    for folder in (*reversed(place.parents), place):
        found = folder.stat()
        search, read = (stat.S_IXUSR, stat.S_IRUSR) if found.st_uid == uid else (stat.S_IXOTH, stat.S_IROTH)
        needed = search | (read if folder == place else 0)
        if found.st_mode & needed != needed:
            return str(folder)
    return None


def expose(uid: int, read: Iterable[str], write: Iterable[str]) -> None:
    """In a mount namespace of our own, let user `uid` reach these folders by their own paths, and nothing beside them.

    Each blocked ancestor is covered by an empty tmpfs, on which the folder is mounted again: read-only, or writable.
    Raises OSError without CAP_SYS_ADMIN.
    """
    wanted = [(path, True) for path in read] + [(path, False) for path in write]
    blocked = [(path, read_only, at) for path, read_only in wanted if (at := blocked_at(path, uid)) is not None]
    if not blocked:
        return
    kernel.unshare(kernel.CLONE_NEWNS)
    kernel.mount(None, "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    handles = [os.open(path, os.O_PATH | os.O_CLOEXEC) for path, _, _ in blocked]
    for cover in sorted({at for _, _, at in blocked}):
        kernel.mount("tmpfs", cover, "tmpfs", 0, "mode=755,size=1m")
    for handle, (path, read_only, _) in zip(handles, blocked, strict=True):
        Path(path).mkdir(mode=0o755, parents=True, exist_ok=True)
        kernel.mount(f"/proc/self/fd/{handle}", path, None, kernel.MS_BIND | kernel.MS_REC)
        if read_only:
            flags = kernel.MS_BIND | kernel.MS_REMOUNT | kernel.MS_RDONLY
            kernel.mount(None, path, None, flags)
        os.close(handle)


def become(uid: int) -> None:
    """Give up root for good. The kernel then forbids reading /proc/self as before; hence dumpable."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    kernel.set_dumpable(True)
