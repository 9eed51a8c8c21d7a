"""`eplb workloads list|show`: the traces, where they come from and what they are like."""

import dataclasses
import json
from typing import Annotated

import typer

from eplb_evolve.board.grid import Grid
from eplb_evolve.cli import options
from eplb_evolve.paths import project
from eplb_evolve.workload import catalog
from eplb_evolve.workload.side_by_side import StatisticRow, side_by_side
from eplb_evolve.workload.windows import Workload

app = typer.Typer(help="The workloads: recorded expert-load traces and what is made of them.", no_args_is_help=True)


@app.command("list")
def list_workloads(as_json: options.AsJson = False) -> None:
    """List the workloads: the project's own and the shipped ones."""
    folders = project().workloads
    cards = [catalog.read_card(name, *folders) for name in catalog.names(*folders)]
    if as_json:
        print(json.dumps([{"name": card.name, "title": card.title, "shape": card.shape} for card in cards], indent=1))
        return
    rows = []
    for card in cards:
        shape = " x ".join(map(str, card.shape))
        rows.append((card.name, shape, f"{card.topology.replicas}/{card.topology.gpus}", card.title))
    headings = ("workload", "shape", "slots/GPUs", "what")
    options.stdout().print(Grid(headings, rows, left=(0, 1, 2), prose=3))
    options.stdout().print("shape: steps x layers x logical experts")


@app.command("show")
def show(name: Annotated[str, typer.Argument(help="A workload's name.")], as_json: options.AsJson = False) -> None:
    """Show a workload's card and the statistics of its windows."""
    folders = project().workloads
    workload = catalog.load(name, *folders)
    card = workload.card
    source = catalog.load(card.composition.source, *folders) if card.composition is not None else None
    rows = side_by_side(workload, source)
    if as_json:
        print(json.dumps({"card": dataclasses.asdict(card), "statistics": [dataclasses.asdict(row) for row in rows]}))
        return
    console = options.stdout()
    console.print(f"{card.name}: {card.title}", style="bold", markup=False)
    console.print(_facts(workload))
    console.print(f"\nOver all {len(workload.windows)} windows of {card.interval_steps} steps (no figure has a unit):")
    console.print(_statistics(rows))


def _facts(workload: Workload) -> Grid:
    card, topology = workload.card, workload.topology
    facts = {
        "model": f"{card.model}, top-{card.top_k}",
        "shape": "{} steps x {} layers x {} logical experts".format(*card.shape),
        "topology": f"{topology.replicas} replicas, {topology.gpus} GPUs, {topology.nodes} nodes, "
        f"{topology.groups} expert groups",
        "search": _ranges(card.split.search),
        "holdout": _ranges(card.split.holdout),
        "source": f"{card.source.repo} at {card.source.commit[:10]}",
        "licence": f"{card.licence.spdx} (workloads/{card.licence.text})",
        "sha256": card.sha256,
    }
    words = {name: getattr(card.recording, name) for name in ("recorded", "replayed", "composed", "lacks")}
    return Grid(("", ""), list((facts | words).items()), prose=1)


def _ranges(ranges: tuple[tuple[int, int], ...]) -> str:
    return "windows " + ", ".join(f"{first} to {last}" for first, last in ranges)


def _statistics(rows: list[StatisticRow]) -> Grid:
    figures = [["-" if value is None else f"{value:.3g}" for value in row.values.values()] for row in rows]
    return Grid(("", *rows[0].values), [(row.label, *cells) for row, cells in zip(rows, figures, strict=True)])
