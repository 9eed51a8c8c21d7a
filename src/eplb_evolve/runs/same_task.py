"""Whether a search goes on with the task of its folder: scores of two tasks cannot stand in one ledger.

A better score of another task would cap the new ones, and count as the run's best.
"""

import dataclasses
from pathlib import Path
from typing import Any

from eplb_evolve import config as configuration
from eplb_evolve.config_file import parse
from eplb_evolve.errors import UsageError
from eplb_evolve.evaluation.objectives import objective
from eplb_evolve.evaluation.settings import Settings
from eplb_evolve.evaluation.task import EVALUATION_VERSION, SEPARATOR, Task, workload_names
from eplb_evolve.runs.ledger import Ledger
from eplb_evolve.runs.run_info import CONFIG_NAME, RunInfo, read_starts

_SHOWN = 3
"""Differences that the sentence names."""


def identity(task: Task) -> dict[str, Any]:
    """What scores depend on, as run.json keeps it: plain values by dotted names."""
    return {
        **_named(task.name, [check.name for check in task.checks], task.settings),
        "workload.sha256": SEPARATOR.join(workload.card.sha256 for workload in task.workloads),
        "split": task.split,
        "evaluation": EVALUATION_VERSION,
        **_fields("topology", task.workload.topology),
    }


def refuse_another(run: Path, task: Task) -> None:
    """UsageError if `run` holds scores of a task other than `task`. A run that says little is compared by that."""
    entries = Ledger(run).entries()
    if not entries and not (run / "checkpoints").is_dir():
        return  # a start that came to nothing
    starts = read_starts(run)
    if starts:
        before = starts[-1].task or _told_by(starts[-1], task)
    elif entries:
        last = entries[-1].evaluation
        before = {name: last.figure(name) for name in ("workload", "split", "device", "objective")}
        before |= {"serving": last.figure("serving")} if objective(last.objective).serves else {}
    else:
        return
    now = identity(task)
    different = [name for name, value in now.items() if name in before and before[name] != value]
    if "workload" in different:
        different = [name for name in different if name.partition(".")[0] != "topology" and name != "workload.sha256"]
    if different:
        shown = "; ".join(
            f"{name} is {_shown(before[name])} there, {_shown(now[name])} now" for name in different[:_SHOWN]
        )
        more = f"; and {len(different) - _SHOWN} more" if len(different) > _SHOWN else ""
        raise UsageError(
            f"{run} holds a search on another task, whose scores cannot be compared ({shown}{more}); choose another "
            f"--output, or go on with the run's own configuration, {run / CONFIG_NAME}"
        )


def _named(workload: str, checks: list[str], settings: Settings) -> dict[str, Any]:
    net = objective(settings.objective).serves
    return {
        "workload": workload,
        "objective": settings.objective,
        **({"serving": str(settings.serving)} if net else {}),
        **_fields("thresholds", settings.thresholds),
        "checks": sorted({name for name in checks if name != workload}),
        "device": settings.device,
        "limits.threads": settings.limits.threads,
    }


def _told_by(info: RunInfo, task: Task) -> dict[str, Any]:
    """Of a start that did not keep its task: what its configuration says, else two fields."""
    told = {"split": "search", "evaluation": 1}
    try:
        path = Path(CONFIG_NAME)
        section = configuration.section_of(parse(info.config, path), path)
    except UsageError:
        return told | {"workload": info.workload, "objective": info.objective}
    names = workload_names(section.workload)
    topology = section.topology or task.workload.card.topology
    return (
        told
        | _named(SEPARATOR.join(names), list(section.checks), section.settings())
        | (_fields("topology", topology) if section.topology or names[0] == task.workload.name else {})
    )


def _fields(prefix: str, part: Any) -> dict[str, Any]:
    return {f"{prefix}.{name}": value for name, value in dataclasses.asdict(part).items()}


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return str(value)[:60]
