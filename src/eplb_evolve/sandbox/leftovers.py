"""The folder of a zygote: locked while its owner lives, so that what a killed run left can be told and removed.

A zygote removes its folder when its owner dies. Only when both are killed at once does it stay.
"""

import contextlib
import fcntl
import os
import stat
import tempfile
import time
from pathlib import Path

from eplb_evolve.sandbox.files import remove_tree

PREFIX = "eplb-sandbox-"
YOUNG_S = 60.0
"""A folder that was just made may not be locked yet."""


def new_folder() -> tuple[str, int]:
    """A fresh folder, and the descriptor that holds its lock: to be closed when the folder is removed."""
    folder = os.path.realpath(tempfile.mkdtemp(prefix=PREFIX))
    Path(folder).chmod(0o711)  # workers, which are other users, reach their own folder below it
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    return folder, lock


def sweep() -> None:
    """Remove the folders of ours, in the temporary directory, that no living owner holds."""
    for place in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):  # somebody else's, or gone already
            _sweep(place)


def _sweep(place: Path) -> None:
    found = place.lstat()
    ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
    if not ours or time.time() - found.st_mtime < YOUNG_S or _named_by_a_process(place):
        return
    lock = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        remove_tree(str(place))
    finally:
        os.close(lock)


def _named_by_a_process(place: Path) -> bool:
    """Whether a command line names the folder, as a zygote's does: versions before the lock have no other sign."""
    name = str(place).encode()
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if name in file.read_bytes():
                return True
    return False
