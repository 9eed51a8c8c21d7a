"""What candidates are judged on, gathered from folders of workloads."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from eplb_evolve.evaluation.settings import Settings
from eplb_evolve.placement import Topology
from eplb_evolve.workload import catalog
from eplb_evolve.workload.windows import Workload

Split = Literal["search", "holdout"]

EVALUATION_VERSION = 2
"""Raised when the same program on the same task gets a score that earlier ones cannot be compared with."""


@dataclass(frozen=True)
class Task:
    """A workload's split to time on, the workloads checked untimed, and the settings."""

    workload: Workload
    split: Split
    checks: Sequence[Workload]
    settings: Settings


def build_task(
    folders: Sequence[Path],
    workload: str,
    checks: Sequence[str],
    settings: Settings,
    split: Split = "search",
    topology: Topology | None = None,
) -> Task:
    """Load the named workloads from `folders`. `topology` replaces the timed workload's own."""
    timed = catalog.load(workload, *folders, topology=topology)
    others = [catalog.load(name, *folders) for name in checks if name != workload]
    return Task(timed, split, others, settings)
