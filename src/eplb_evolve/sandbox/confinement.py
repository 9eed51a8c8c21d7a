"""What keeps one worker in, step by step: first the timekeeper's part, then, after the fork, the worker's own."""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from eplb_evolve.sandbox import kernel, landlock, readable, seccomp, user
from eplb_evolve.sandbox.levels import Level
from eplb_evolve.sandbox.limits import Limits

NAMESPACES = (
    kernel.CLONE_NEWUSER | kernel.CLONE_NEWPID | kernel.CLONE_NEWNET | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS
)

SYSTEM = (
    "/usr", "/lib", "/lib64", "/bin", "/sbin", "/opt",
    "/etc/alternatives", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/localtime",
    "/etc/nsswitch.conf", "/etc/passwd", "/etc/group", "/etc/os-release",
    "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/filesystems", "/proc/version", "/proc/sys",
    "/sys/devices/system", "/sys/fs/cgroup", "/dev/urandom", "/dev/random", "/dev/zero",
)  # fmt: skip
"""What compilers and libraries read besides Python's own folders. No home, no /tmp, no project, not our package."""

CUDA = (
    "/proc/driver/nvidia", "/proc/driver/nvidia-uvm", "/proc/driver/nvidia-caps", "/proc/devices", "/proc/modules",
    "/sys/bus/pci", "/sys/module", "/sys/devices", "/sys/class", "/etc/nvidia",
)  # fmt: skip
"""What the driver reads when it starts."""

CUDA_DEVICES = (
    "/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools", "/dev/nvidia-caps",
    *(f"/dev/nvidia{i}" for i in range(16)),
)  # fmt: skip
"""What it opens for writing. The nodes must exist: its set-uid helper that makes them has no effect in a sandbox."""


@dataclass(frozen=True)
class Confinement:
    """How one worker is kept in.

    Attributes:
        level: which mechanisms are used, see levels.MEANING
        uid: the user that it runs as; None to stay who we are
        workdir: its only writable folder, resolved
        device: "cpu" or "cuda"
        twin: whether it must not be the first process of its pid namespace, as all others are
    """

    level: Level
    uid: int | None
    workdir: str
    device: str = "cpu"
    twin: bool = False

    def enter_timekeeper(self) -> None:
        """Another user, new namespaces. The next child of this process is the first of its pid namespace."""
        if self.uid is not None:
            for path in (Path(self.workdir), *Path(self.workdir).iterdir()):
                os.chown(path, self.uid, self.uid)
            user.expose(self.uid, readable.interpreter_folders(), [self.workdir])
            user.become(self.uid)
        if self.level == "full":
            enter_namespaces()

    def enter_worker(self, limits: Limits) -> None:
        """Limits, files, capabilities, system calls; nothing of this can be undone by the worker."""
        other_tasks = 0
        if self.level != "full" and self.uid is None:
            other_tasks = _tasks_of(os.getuid())
        cuda = self.device == "cuda"
        limits.apply(address_space=not cuda, other_tasks=other_tasks)
        if self.level == "rlimits":
            return
        kernel.forbid_new_privileges()
        ourselves = os.path.realpath("/proc/self")
        read = [*SYSTEM, *readable.interpreter_folders(), ourselves]
        write = [self.workdir, "/dev/null"]
        if cuda:
            read += CUDA
            write += [*CUDA_DEVICES, f"{ourselves}/task"]  # the driver names its threads there, or does not start
        whole, listed = readable.without_our_package(read)
        landlock.restrict(whole, write, listed)
        kernel.drop_capabilities()
        seccomp.restrict()


def enter_namespaces() -> None:
    """New user, pid, net, ipc and uts namespaces, in which we keep our user and group id."""
    uid, gid = os.getuid(), os.getgid()
    kernel.unshare(NAMESPACES)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
    Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")


def _tasks_of(uid: int) -> int:
    """Processes and threads of a user: the kernel counts them all towards RLIMIT_NPROC."""
    count = 0
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if process.stat().st_uid == uid:
                count += sum(1 for _ in (process / "task").iterdir())
    return count
