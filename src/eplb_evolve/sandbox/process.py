"""Process control on top of /proc: descendants, hard kills, what happened to a process, what it used."""

import contextlib
import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path

from eplb_evolve import parent_death

die_with_parent = parent_death.die_with_parent


def threads(pid: int) -> list[int]:
    """Thread ids of a process, none if it is gone."""
    with contextlib.suppress(OSError):
        return [int(name) for name in os.listdir(f"/proc/{pid}/task")]
    return []


def children(pid: int) -> list[int]:
    """Direct children of a process, over all its threads."""
    found: list[int] = []
    for thread in threads(pid):
        with contextlib.suppress(OSError):
            found += [int(child) for child in Path(f"/proc/{pid}/task/{thread}/children").read_text().split()]
    return found


def descendants(pid: int) -> list[int]:
    """Children, their children, and so on."""
    found = children(pid)
    for child in found:
        found += children(child)  # the list grows while it is walked
    return found


def alive(pid: int) -> bool:
    """Whether any thread of a process can still run: the first one may be a zombie while others live on."""
    for thread in threads(pid):
        with contextlib.suppress(OSError, IndexError):
            state = Path(f"/proc/{pid}/task/{thread}/stat").read_bytes().rpartition(b")")[2].split()[0]
            if state not in (b"Z", b"X"):
                return True
    return False


def resident_bytes(pids: Iterable[int], count_files: bool = False) -> int:
    """Resident memory of these processes, bytes: their own and shared; pages of files and devices if `count_files`."""
    wanted = (b"RssAnon:", b"RssShmem:", b"RssFile:") if count_files else (b"RssAnon:", b"RssShmem:")
    kilobytes = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{pid}/status").read_bytes().splitlines()
            kilobytes += sum(int(line.split()[1]) for line in lines if line.startswith(wanted))
    return kilobytes << 10


def progress(pids: Iterable[int]) -> tuple[int, bool]:
    """Nanoseconds of processor time of all threads of these processes; whether one can run, or waits for a disk."""
    used, at_work = 0, False
    for pid in pids:
        for thread in threads(pid):
            with contextlib.suppress(OSError, ValueError, IndexError):
                state = Path(f"/proc/{pid}/task/{thread}/stat").read_bytes().rpartition(b")")[2].split()[0]
                at_work |= state in (b"R", b"D")
                used += int(Path(f"/proc/{pid}/task/{thread}/schedstat").read_text().split()[0])
    return used, at_work


def waited_ns(pid: int) -> int:
    """Nanoseconds for which the threads of a process were ready to run and had no processor."""
    total = 0
    for thread in threads(pid):
        with contextlib.suppress(OSError, ValueError, IndexError):
            total += int(Path(f"/proc/{pid}/task/{thread}/schedstat").read_text().split()[1])
    return total


def processor_seconds(pid: int) -> float:
    """Processor time of a process, its threads that have ended included. Raises OSError where it is gone."""
    return time.clock_gettime((~pid << 3) | 2)  # its CPUCLOCK_SCHED, see clock_getcpuclockid(3)


def kill_group(pid: int) -> int:
    """SIGKILL the process group led by our child `pid`, reap the child, return its raw wait status."""
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)
    return reap(pid)


def has_exited(pid: int) -> bool:
    """Whether a child of ours has ended; it stays to be reaped."""
    state = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    return state is not None and state.si_code in (os.CLD_EXITED, os.CLD_KILLED, os.CLD_DUMPED)


def reap(pid: int) -> int:
    """Wait for the end of a child; its raw wait status. One that made us its tracer reports mere stops before."""
    while os.WIFSTOPPED(status := os.waitpid(pid, 0)[1]):
        pass
    return status


def kill_strays(keep: set[int], patience_s: float = 5.0) -> None:
    """Kill and reap every child of this process that is not in `keep`, until no more of them turn up.

    A killed stray's own children come to us in turn (see kernel.become_subreaper), hence the loop. None is waited for
    alone: the first process of a pid namespace ends only when the others of it have been reaped, by us perhaps.
    """
    deadline = time.monotonic() + patience_s
    while (strays := set(children(os.getpid())) - keep) and time.monotonic() < deadline:
        for pid in strays:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pid in strays:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        time.sleep(0.0005)


def describe_exit(status: int) -> str:
    """A raw wait status in words."""
    if not os.WIFSIGNALED(status):
        return f"exited with code {os.waitstatus_to_exitcode(status)}"
    number = os.WTERMSIG(status)
    with contextlib.suppress(ValueError):
        return f"was killed by {signal.Signals(number).name}"
    return f"was killed by signal {number}"
