"""Limits of a candidate's process."""

import resource
from dataclasses import dataclass

from eplb_evolve.errors import UsageError

LEVEL = "rlimits"
"""What keeps a candidate in: resource limits and a hard kill of its process group and stray descendants."""


@dataclass(frozen=True)
class Limits:
    """What one candidate may use.

    Attributes:
        first_call_s: seconds for its import, and again for its first call (compilers need time)
        call_s: seconds for any later call
        memory_mb: address space, MiB
        file_mb: largest file it may write, its output included, MiB
        threads: threads for torch, OpenMP and numba
    """

    first_call_s: float = 90.0
    call_s: float = 20.0
    memory_mb: int = 8192
    file_mb: int = 64
    threads: int = 1

    def __post_init__(self) -> None:
        for name in ("first_call_s", "call_s", "memory_mb", "file_mb", "threads"):
            if getattr(self, name) <= 0:
                raise UsageError(f"limits: {name} must be positive, not {getattr(self, name)}")

    def apply(self) -> None:
        """Bind the calling process and its descendants. Only ever called in a worker."""
        _set(resource.RLIMIT_CORE, 0)
        _set(resource.RLIMIT_AS, self.memory_mb << 20)
        _set(resource.RLIMIT_FSIZE, self.file_mb << 20)
        _set(resource.RLIMIT_NOFILE, 512)


def _set(which: int, value: int) -> None:
    hard = resource.getrlimit(which)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (value, value))
