"""Landlock: which files a process and its descendants can reach. Unprivileged, Linux 5.13 or newer."""

import contextlib
import ctypes
import os
import stat
import struct
from collections.abc import Iterable

from eplb_evolve.sandbox import kernel

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same numbers on every architecture
_RULE_PATH_BENEATH, _VERSION = 1, 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_MAKE_CHAR, _MAKE_BLOCK, _TRUNCATE, _IOCTL_DEV = 64, 2048, 16384, 32768
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_RIGHTS_OF_ABI = {1: 13, 2: 14, 3: 15, 4: 15}
_TCP_SINCE, _SCOPES_SINCE = 4, 6


def abi() -> int:
    """Version that this kernel speaks; 0 where there is none."""
    with contextlib.suppress(OSError):
        return kernel.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION, what="landlock")
    return 0


def restrict(read: Iterable[str], write: Iterable[str], listed: Iterable[str] = ()) -> None:
    """Confine this process to reading (and executing) below `read`, and to anything but device nodes below `write`.

    Below `listed` it sees the names of files, but reads none.

    From version 4 of the interface TCP is closed too; from 6 on, signals and abstract sockets end at the border.
    Paths that do not exist are left out. Raises OSError where the kernel has no landlock.
    """
    version = abi()
    if not version:
        raise OSError("landlock is not enabled in this kernel")
    handled = (1 << _RIGHTS_OF_ABI.get(version, 16)) - 1
    tcp, scopes = (3 if version >= _TCP_SINCE else 0), (3 if version >= _SCOPES_SINCE else 0)
    size = 24 if version >= _SCOPES_SINCE else 16 if version >= _TCP_SINCE else 8
    attributes = ctypes.create_string_buffer(struct.pack("=QQQ", handled, tcp, scopes))
    ruleset = kernel.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(size), 0, what="landlock_create_ruleset")
    try:
        for path in read:
            _allow(ruleset, path, _READ & handled)
        for path in listed:
            _allow(ruleset, path, _READ_DIR)
        for path in write:
            _allow(ruleset, path, handled & ~(_MAKE_CHAR | _MAKE_BLOCK))
        kernel.syscall(_RESTRICT_SELF, ruleset, 0, what="landlock_restrict_self")
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            rights &= _OF_FILES
        rule = ctypes.create_string_buffer(struct.pack("=Qi", rights, place))
        kernel.syscall(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, rule, 0, what=f"landlock_add_rule {path}")
    finally:
        os.close(place)
