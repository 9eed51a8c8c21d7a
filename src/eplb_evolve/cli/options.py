"""Options that several commands share, and what they mean together."""

import dataclasses
import sys
from pathlib import Path
from typing import Annotated, cast

import typer
from rich.console import Console

from eplb_evolve import config as configuration
from eplb_evolve.errors import UsageError
from eplb_evolve.evaluation.settings import Device
from eplb_evolve.evaluation.task import Split, Task, build_task
from eplb_evolve.paths import CONFIG_NAME, project_root
from eplb_evolve.placement import Topology
from eplb_evolve.workload import catalog

WorkloadNames = Annotated[
    list[str] | None,
    typer.Option("--workload", help="Workload to use; repeat for several. [default: the configuration's]"),
]
SplitName = Annotated[str, typer.Option("--split", help="Windows to use: search, or holdout, which no search sees.")]
ConfigFile = Annotated[Path | None, typer.Option("--config", help=f"Configuration. [default: {CONFIG_NAME}]")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on stdout; everything else goes to stderr.")]
DeviceName = Annotated[
    str | None, typer.Option("--device", help="Where candidates run: cpu or cuda. [default: the configuration's]")
]
Replicas = Annotated[int | None, typer.Option("--replicas", help="Topology override: physical experts per layer.")]
Gpus = Annotated[int | None, typer.Option("--gpus", help="Topology override: GPUs.")]
Nodes = Annotated[int | None, typer.Option("--nodes", help="Topology override: nodes.")]
Groups = Annotated[int | None, typer.Option("--groups", help="Topology override: expert groups.")]


def stdout() -> Console:
    """For what the command is asked for. Respects NO_COLOR and the terminal's width."""
    return Console(file=sys.stdout, soft_wrap=False)


def say(text: str) -> None:
    """For talk: progress and hints, on stderr."""
    print(text, file=sys.stderr, flush=True)


def tasks(
    config_file: Path | None,
    workload_names: list[str] | None,
    split: str,
    device: str | None = None,
    override: dict[str, int | None] | None = None,
) -> list[Task]:
    """One Task per workload asked for, or for the configuration's own."""
    if split not in ("search", "holdout"):
        raise UsageError(f"--split is search or holdout, not '{split}'")
    if device not in (None, "cpu", "cuda"):
        raise UsageError(f"--device is cpu or cuda, not '{device}'")
    root = project_root()
    section = configuration.read_eplb(config_file or root / CONFIG_NAME)
    settings = section.settings()
    if device is not None:
        settings = dataclasses.replace(settings, device=cast(Device, device))
    chosen: Split = "holdout" if split == "holdout" else "search"
    folder, built = root / "workloads", []
    for name in workload_names or [section.workload]:
        given = {key: value for key, value in (override or {}).items() if value is not None}
        topology = section.topology if name == section.workload else None
        if given:
            topology = _overridden(topology or catalog.read_card(name, folder).topology, given)
        built.append(build_task(folder, name, section.checks, settings, chosen, topology))
    return built


def _overridden(topology: Topology, given: dict[str, int]) -> Topology:
    values = dict(zip(("replicas", "groups", "nodes", "gpus"), topology.as_arguments(), strict=True))
    return Topology(**(values | given))
