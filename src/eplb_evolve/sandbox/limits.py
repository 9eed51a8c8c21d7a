"""Limits of a candidate's process."""

import contextlib
import resource
from dataclasses import dataclass
from pathlib import Path

from eplb_evolve.checked import positive

PROCESSES = 256
"""Processes and threads that a candidate may have at once."""

OPEN_FILES = 512


@dataclass(frozen=True)
class Limits:
    """What one candidate may use.

    Attributes:
        first_call_s: seconds for its import, and again for its first call (compilers need time)
        call_s: seconds for any later call
        memory_mb: address space of its process, and resident memory of all its processes together, MiB; on a GPU
            the latter, and what torch takes of the GPU's memory
        output_mb: largest output of a call, MiB
        file_mb: largest file it may write, MiB (precompiled headers of torch take 300)
        disk_mb: all its files together, MiB
        threads: threads for torch, OpenMP and numba, and processors that a timed call may use
    """

    first_call_s: float = 90.0
    call_s: float = 20.0
    memory_mb: int = 8192
    output_mb: int = 64
    file_mb: int = 512
    disk_mb: int = 2048
    threads: int = 1

    def __post_init__(self) -> None:
        for name in ("first_call_s", "call_s", "memory_mb", "output_mb", "file_mb", "disk_mb", "threads"):
            positive(getattr(self, name), f"limits: {name}")

    def apply(self, address_space: bool, other_tasks: int) -> None:
        """Bind the calling process and its descendants. Only ever called in a worker.

        address_space: whether to bound it; CUDA reserves far more than it uses. other_tasks: processes and threads
        of other programs that the kernel counts against the same user.
        """
        if address_space:
            _set(resource.RLIMIT_AS, self.memory_mb << 20)
        _set(resource.RLIMIT_CORE, 0)
        _set(resource.RLIMIT_FSIZE, self.file_mb << 20)
        _set(resource.RLIMIT_NOFILE, OPEN_FILES)
        _set(resource.RLIMIT_NPROC, PROCESSES + other_tasks)
        with contextlib.suppress(OSError):  # where memory runs out all the same, the kernel takes this process first
            Path("/proc/self/oom_score_adj").write_text("1000")


def _set(which: int, value: int) -> None:
    hard = resource.getrlimit(which)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (value, value))
