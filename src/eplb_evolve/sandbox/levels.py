"""Sandbox levels: what keeps a candidate in, from the strongest down."""

from typing import Literal, get_args

Level = Literal["full", "no-userns", "rlimits"]

LEVELS: tuple[Level, ...] = get_args(Level)
"""Strongest first."""

MEANING: dict[Level, str] = {
    "full": "own namespaces (user, pid, net, ipc, uts), landlock, seccomp, resource limits, another user",
    "no-userns": "landlock, seccomp, resource limits, another user; no namespaces",
    "rlimits": "resource limits and a process group only: run no program that you would not run yourself",
}

STRONGEST_ON_GPU: Level = "no-userns"
"""CUDA's driver names its threads through /proc/self/task, and does not start where it cannot. In a pid namespace
without a /proc of its own the threads have other numbers than that folder says."""


def at_least(level: Level, wanted: Level) -> bool:
    """Whether `level` is as strong as `wanted`."""
    return LEVELS.index(level) <= LEVELS.index(wanted)
