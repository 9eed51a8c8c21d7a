"""How a run was started: RUN/run.json, one entry for each openevolve-run into that folder, and RUN/config.yaml."""

import dataclasses
import importlib.metadata
import json
import platform
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eplb_evolve import durable
from eplb_evolve.errors import UsageError

FILE_NAME = "run.json"
CONFIG_NAME = "config.yaml"
PACKAGES = ("openevolve", "torch", "numpy", "numba")


@dataclass(frozen=True)
class RunInfo:
    """One start of openevolve-run.

    Attributes:
        started: UTC time, ISO 8601
        command: its arguments, folders outside of the project left out
        iterations: how many proposals it was asked for
        resumed: whether it went on from a checkpoint
        workload: what candidates are timed on
        objective: what the score rewards
        proposer: who proposes, in words
        random_seed: OpenEvolve's
        seed_program: file that the search starts from
        seed_sha256: of that file, "" when it could not be read
        config: text of the configuration file
        versions: of Python and the packages that matter
        task: what scores depend on, see same_task; empty for runs from before it was kept
        island_programs: file and sha256 of each other program that it starts from
    """

    started: str
    command: tuple[str, ...]
    iterations: int
    resumed: bool
    workload: str
    objective: str
    proposer: str
    random_seed: int
    seed_program: str
    seed_sha256: str
    config: str
    versions: dict[str, str]
    task: dict[str, Any] = field(default_factory=dict)
    island_programs: tuple[tuple[str, str], ...] = ()

    @property
    def seeds(self) -> tuple[tuple[str, str], ...]:
        """File and sha256 of every program that it starts from."""
        return ((self.seed_program, self.seed_sha256), *self.island_programs)


def add_start(run: Path, info: RunInfo, kept: str | None = None) -> None:
    """Append to the run's file, which is made if need be, and keep its configuration beside it.

    kept: the configuration as it can be read from there, with absolute paths; by default as it is.
    """
    known = [dataclasses.asdict(each) for each in read_starts(run)]
    durable.write_text(run / FILE_NAME, json.dumps([*known, dataclasses.asdict(info)], indent=1) + "\n")
    durable.write_text(run / CONFIG_NAME, info.config if kept is None else kept)


def configuration_of(run: Path) -> Path | None:
    """The configuration of the run's last start; None for a run of which nothing is known."""
    file = run / CONFIG_NAME
    return file if file.exists() else None


def read_starts(run: Path) -> list[RunInfo]:
    """Every start, oldest first; none for a run of which nothing is known."""
    file = run / FILE_NAME
    if not file.exists():
        return []
    try:
        return [_read(each) for each in json.loads(file.read_text("utf-8"))]
    except (OSError, ValueError, TypeError, KeyError) as problem:
        raise UsageError(f"{file} is broken: {problem}; remove it, or take it from a backup") from problem


def _read(start: dict[str, Any]) -> RunInfo:
    programs = tuple((file, sha256) for file, sha256 in start.get("island_programs", ()))
    return RunInfo(**start | {"command": tuple(start["command"]), "island_programs": programs})


def versions() -> dict[str, str]:
    """Python's version and those of the packages that can change a measurement."""
    found = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {"python": platform.python_version()} | found
