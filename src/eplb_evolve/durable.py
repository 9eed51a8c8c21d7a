"""Files that are either the old or the new one, whole, whatever ends the process or the machine meanwhile."""

import contextlib
import os
import tempfile
from pathlib import Path


def write_text(file: Path, text: str) -> None:
    """Replace `file` by one that holds `text` in UTF-8; see write_bytes."""
    write_bytes(file, text.encode("utf-8"))


def write_bytes(file: Path, data: bytes) -> None:
    """Replace `file` by one that holds `data`; on disk when this returns. Its folder is made if need be.

    Raises OSError, and leaves the old file, where that cannot be done.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{file.name}.", suffix=".tmp", dir=file.parent)
    try:
        with os.fdopen(descriptor, "wb") as new:
            new.write(data)
            new.flush()
            os.fsync(new.fileno())
            os.fchmod(new.fileno(), file.stat().st_mode & 0o777 if file.exists() else 0o644)
        os.replace(temporary, file)
    finally:
        with contextlib.suppress(OSError):  # it has become the file, unless something failed
            os.unlink(temporary)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # else the new name may be lost with the machine
    finally:
        os.close(folder)
