"""Removing what a candidate left, whatever it is."""

import contextlib
import os
import shutil
import subprocess


def remove_tree(folder: str) -> None:
    """Remove a folder with everything in it: read-only folders and trees too deep for recursion as well."""
    with contextlib.suppress(RecursionError):
        shutil.rmtree(folder, ignore_errors=True)
    if os.path.lexists(folder):
        for command in (["chmod", "-R", "u+rwX", "--", folder], ["rm", "-rf", "--", folder]):
            subprocess.run(command, check=False, stdin=subprocess.DEVNULL, capture_output=True)
