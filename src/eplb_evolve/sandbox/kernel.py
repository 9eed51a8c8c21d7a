"""System calls that the standard library lacks, each as a function that raises OSError."""

import contextlib
import ctypes
import fcntl
import os
import struct

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18
F_ADD_SEALS, F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_FUTURE_WRITE = 1033, 1, 2, 4, 16

_PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 4, 22, 36, 38
_SECCOMP_MODE_FILTER = 2
_CAPABILITY_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
_libc.process_vm_readv.restype = ctypes.c_ssize_t


def _check(result: int, what: str) -> int:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")
    return result


def _prctl(option: int, value: int, pointer: object = None) -> None:
    _check(_libc.prctl(option, ctypes.c_ulong(value), pointer, None, None), f"prctl({option})")


def become_subreaper() -> None:
    """Orphaned descendants become children of this process."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def set_dumpable(allowed: bool) -> None:
    """Whether processes of the same user may read or trace this one (a change of uid forbids it)."""
    _prctl(_PR_SET_DUMPABLE, int(allowed))


def forbid_new_privileges() -> None:
    """No set-uid program or file capability has any effect from here on, in any descendant."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def drop_capabilities() -> None:
    """Empty this process's capability sets."""
    header = ctypes.create_string_buffer(struct.pack("=Ii", _CAPABILITY_VERSION_3, 0))
    _check(_libc.capset(header, ctypes.create_string_buffer(24)), "capset")


def install_filter(program: bytes) -> None:
    """Install a classic BPF program (8 bytes an instruction) as seccomp filter, for good and for every descendant."""
    code = ctypes.create_string_buffer(program, len(program))
    filter_ = ctypes.create_string_buffer(struct.pack("@HP", len(program) // 8, ctypes.addressof(code)))
    _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, filter_)


def unshare(flags: int) -> None:
    """Move this process (and, for the pid namespace, its next child) into new namespaces."""
    _check(_libc.unshare(flags), "unshare")


def mount(source: str | None, target: str, kind: str | None, flags: int, options: str | None = None) -> None:
    """mount(2)."""
    texts = [text.encode() if text is not None else None for text in (source, target, kind)]
    data = options.encode() if options is not None else None
    _check(_libc.mount(*texts, ctypes.c_ulong(flags), data), f"mount {target}")


def syscall(number: int, *arguments: object, what: str) -> int:
    """A system call by its number; pass size_t and pointers as ctypes objects."""
    return _check(_libc.syscall(ctypes.c_long(number), *arguments), what)


class _Span(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


def read_memory(pid: int, address: int, into: int, size: int) -> None:
    """Copy `size` bytes at `address` of another process to our own address `into`."""
    local, remote = _Span(into, size), _Span(address, size)
    one, none = ctypes.c_ulong(1), ctypes.c_ulong(0)
    copied = _libc.process_vm_readv(pid, ctypes.byref(local), one, ctypes.byref(remote), one, none)
    if _check(copied, "process_vm_readv") != size:
        raise OSError(f"process_vm_readv: {copied} of {size} bytes")


def same_bytes(address: int, contents: bytes) -> bool:
    """Whether our own memory at `address` holds these bytes; without a copy of either."""
    return not contents or _libc.memcmp(ctypes.c_void_p(address), contents, ctypes.c_size_t(len(contents))) == 0


def seal(descriptor: int, seals: int) -> None:
    """Forbid what `seals` names (shrinking, growing, writing through new mappings, ...) on a memfd, for good."""
    fcntl.fcntl(descriptor, F_ADD_SEALS, seals)


_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3


def keep_freed_memory() -> None:
    """Have malloc keep what is freed, in this process and its forks, as the allocator of a long-running server does.

    Otherwise large outputs are sometimes given back to the kernel and sometimes not, and a call costs up to 2 us for
    each page of them, or nothing, by chance. Without effect where libc is not glibc.
    """
    with contextlib.suppress(AttributeError):
        for option, value in ((_M_MMAP_THRESHOLD, 32 << 20), (_M_TRIM_THRESHOLD, 1 << 30), (_M_TOP_PAD, 16 << 20)):
            _libc.mallopt(option, value)
