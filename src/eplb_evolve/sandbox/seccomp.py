"""A deny-list of system calls, as a classic BPF program. x86-64 only: the numbers are the architecture's own."""

import errno
import platform
import struct

from eplb_evolve.sandbox import kernel

SUPPORTED = platform.machine() == "x86_64"

_AUDIT_ARCH_X86_64, _X32_BIT = 0xC000003E, 0x40000000
_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_IF_BITS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_REFUSE = _ERRNO | errno.EPERM
_SOCKET, _AF_UNIX = 41, 1
_CLONE, _CLONE3, _NEW_NAMESPACES = 56, 435, 0x7E020000

DENIED = {
    # other processes' memory and descriptors
    "ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311, "pidfd_getfd": 438, "kcmp": 312,
    "process_madvise": 440,
    # namespaces, mounts, other views of the file system
    "unshare": 272, "setns": 308, "mount": 165, "umount2": 166, "pivot_root": 155, "chroot": 161, "open_tree": 428,
    "move_mount": 429, "fsopen": 430, "fsmount": 432, "mount_setattr": 442, "open_by_handle_at": 304,
    # the kernel
    "bpf": 321, "perf_event_open": 298, "userfaultfd": 323, "io_uring_setup": 425, "kexec_load": 246,
    "kexec_file_load": 320, "init_module": 175, "finit_module": 313, "delete_module": 176, "reboot": 169,
    "swapon": 167, "syslog": 103, "acct": 163, "quotactl": 179, "personality": 135,
    # what outlives a process: keys and System V objects
    "add_key": 248, "request_key": 249, "keyctl": 250, "shmget": 29, "semget": 64, "msgget": 68, "mq_open": 240,
    # the clock and the processor: one thread is held from outside
    "sched_setaffinity": 203, "sched_setscheduler": 144, "sched_setattr": 314, "sched_setparam": 142,
    "clock_settime": 227, "settimeofday": 164, "adjtimex": 159, "clock_adjtime": 305,
}  # fmt: skip
"""Refused with EPERM, by name and number (Linux, arch/x86/entry/syscalls/syscall_64.tbl)."""


def _statement(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


def program() -> bytes:
    """The filter: kill foreign architectures, refuse what is denied, new namespaces, sockets other than Unix ones."""
    steps = [
        _statement(_LOAD, _ARCHITECTURE),
        _statement(_JUMP_EQUAL, _AUDIT_ARCH_X86_64, if_true=1),
        _statement(_RETURN, _KILL),
        _statement(_LOAD, _NUMBER),
        _statement(_JUMP_AT_LEAST, _X32_BIT, if_false=1),  # the x32 calls have numbers of their own
        _statement(_RETURN, _REFUSE),
    ]
    for number in DENIED.values():
        steps += [_statement(_JUMP_EQUAL, number, if_false=1), _statement(_RETURN, _REFUSE)]
    steps += [
        _statement(_JUMP_EQUAL, _CLONE3, if_false=1),  # its flags are out of reach here; libc falls back to clone
        _statement(_RETURN, _ERRNO | errno.ENOSYS),
        _statement(_JUMP_EQUAL, _CLONE, if_false=3),
        _statement(_LOAD, _FIRST_ARGUMENT),
        _statement(_JUMP_IF_BITS, _NEW_NAMESPACES, if_false=5),
        _statement(_RETURN, _REFUSE),
        _statement(_JUMP_EQUAL, _SOCKET, if_false=3),
        _statement(_LOAD, _FIRST_ARGUMENT),
        _statement(_JUMP_EQUAL, _AF_UNIX, if_true=1),
        _statement(_RETURN, _REFUSE),
        _statement(_RETURN, _ALLOW),
    ]
    return b"".join(steps)


def restrict() -> None:
    """Install the filter in this process and its descendants, for good."""
    kernel.install_filter(program())
