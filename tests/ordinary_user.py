"""Run a command as an ordinary user, with an interpreter that only root may read: for tests that start as root.

    python ordinary_user.py FOLDER COMMAND...

FOLDER becomes the command's writable temporary and home folder.
"""

import os
import shutil
import sys

UID = 59_999


def run(folder: str, command: list[str]) -> None:
    """Give up root and replace this process."""
    from eplb_evolve.sandbox import readable, user

    folder = os.path.realpath(folder)
    os.chown(folder, UID, UID)
    user.expose(UID, readable.interpreter_folders(), [folder])
    user.become(UID)
    os.environ.update(HOME=folder, TMPDIR=folder, XDG_CACHE_HOME=folder, PYTHONDONTWRITEBYTECODE="1")
    os.chdir(folder)
    os.execv(shutil.which(command[0]) or command[0], command)


if __name__ == "__main__":
    run(sys.argv[1], sys.argv[2:])
