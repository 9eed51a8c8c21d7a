"""Options that several commands share."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from eplb_evolve.cli.console import SafeConsole
from eplb_evolve.cli.streams import say
from eplb_evolve.paths import CONFIG_NAME
from eplb_evolve.tasks import tasks

__all__ = ["say", "tasks"]

WorkloadNames = Annotated[
    list[str] | None,
    typer.Option("--workload", help="Workload to use; repeat for several. (default: the configuration's)"),
]
SplitName = Annotated[str, typer.Option("--split", help="Windows to use: search, or holdout, which no search sees.")]
SplitOrDefault = Annotated[
    str | None,
    typer.Option(
        "--split",
        help="Windows to use: search, or holdout, which no search sees. (default: search; with --published, holdout)",
    ),
]
ConfigFile = Annotated[Path | None, typer.Option("--config", help=f"Configuration. (default: {CONFIG_NAME})")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on stdout; everything else goes to stderr.")]
DeviceName = Annotated[
    str | None, typer.Option("--device", help="Where candidates run: cpu or cuda. (default: the configuration's)")
]
Replicas = Annotated[int | None, typer.Option("--replicas", help="Topology override: physical experts per layer.")]
Gpus = Annotated[int | None, typer.Option("--gpus", help="Topology override: GPUs.")]
Nodes = Annotated[int | None, typer.Option("--nodes", help="Topology override: nodes.")]
Groups = Annotated[int | None, typer.Option("--groups", help="Topology override: expert groups.")]


def stdout() -> Console:
    """For what the command is asked for. Respects NO_COLOR and the terminal's width; breaks no line in a pipe."""
    return SafeConsole(sys.stdout)
