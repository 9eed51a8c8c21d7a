"""What candidates are judged on, gathered from folders of workloads."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from eplb_evolve.errors import UsageError
from eplb_evolve.evaluation.result import Conditions
from eplb_evolve.evaluation.settings import Settings
from eplb_evolve.placement import Topology
from eplb_evolve.workload import catalog
from eplb_evolve.workload.windows import Workload

SEPARATOR = "+"
WITHOUT_GROUPS = " without groups"
"""Ends the name of a task that leaves the group rule out."""
Split = Literal["search", "holdout"]

EVALUATION_VERSION = 4
"""Raised when the same program on the same task gets a score that earlier ones cannot be compared with."""


@dataclass(frozen=True)
class Task:
    """What a candidate is judged on.

    Attributes:
        workload: what it is timed on
        checks: workloads on which it is checked untimed
        others: workloads on which it is timed as well; the score is by the geometric mean of the ratios
        grouped: whether the group rule holds wherever a topology has one; a task of one workload may leave it out
    """

    workload: Workload
    split: Split
    checks: Sequence[Workload]
    settings: Settings
    others: Sequence[Workload] = ()
    grouped: bool = True

    @property
    def workloads(self) -> list[Workload]:
        """All that it is timed on."""
        return [self.workload, *self.others]

    @property
    def name(self) -> str:
        """The workloads' names, as results and `--workload` have them."""
        names = SEPARATOR.join(workload.name for workload in self.workloads)
        return names if self.grouped else names + WITHOUT_GROUPS

    def without_groups(self) -> "Task":
        """The same loads on the same servers, where an expert may go to any node, in the checks too."""
        if self.others:
            raise UsageError(f"only one workload can be without groups, and '{self.name}' names several; name one")
        workload = replace(self.workload, topology=self.workload.topology.without_groups())
        return replace(self, workload=workload, grouped=False)

    def conditions(self, machine: str, sandbox_level: str) -> Conditions:
        """What figures are measured on there."""
        return Conditions(self.name, self.split, self.settings.device, machine, sandbox_level)

    @property
    def each(self) -> "list[Task]":
        """A task for each workload that it is timed on. Several share the pairs."""
        if not self.others:
            return [self]
        timing = self.settings.timing.shared_by(len(self.workloads))
        settings = replace(self.settings, timing=timing)
        return [
            Task(one, self.split, [check for check in self.checks if check.name != one.name], settings)
            for one in self.workloads
        ]


def build_task(
    folders: Sequence[Path],
    workload: str | Sequence[str],
    checks: Sequence[str],
    settings: Settings,
    split: Split = "search",
    topology: Topology | None = None,
) -> Task:
    """Load the named workloads from `folders`. `topology` replaces the timed workload's own.

    workload: one, or several, or the name of such a task. UsageError for what does not go together.
    """
    first, *further = names = workload_names(workload)
    if further and topology is not None:
        raise UsageError("topology: it replaces that of one workload, and there are several; leave each its card's")
    timed = catalog.load(first, *folders, topology=topology)
    others = [catalog.load(name, *folders) for name in further]
    checked = [catalog.load(name, *folders) for name in checks if further or name not in names]
    return Task(timed, split, checked, settings, others)


def workload_names(workload: str | Sequence[str]) -> list[str]:
    """The names in a task's name, or in a list of such; UsageError where one comes twice, or there is none."""
    given = [workload] if isinstance(workload, str) else workload
    names = [name for each in given for name in each.split(SEPARATOR)]
    if not names:
        raise UsageError("workload: the list is empty; name a workload (eplb workloads list)")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"workload: '{twice}' is there twice; leave one")
    return names
