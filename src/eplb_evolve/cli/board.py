"""`eplb board`: every seed and record on every workload, measured in one go, for results/LEADERBOARD.md."""

import dataclasses
import json
import shlex
import sys
import time
from contextlib import closing
from typing import Annotated

import typer

from eplb_evolve import durable
from eplb_evolve.board.everywhere import everywhere
from eplb_evolve.board.markdown import to_markdown
from eplb_evolve.board.ranking import tables
from eplb_evolve.board.shipped_programs import measure_all, measure_ungrouped
from eplb_evolve.board.shipped_rows import FILE_NAME, Measuring, Shipped, read_shipped, write_shipped
from eplb_evolve.board.terminal import legend, to_terminal
from eplb_evolve.board.without_groups import without_groups
from eplb_evolve.cli import options
from eplb_evolve.errors import UsageError
from eplb_evolve.evaluation.bench import open_bench
from eplb_evolve.evaluation.settings import Thresholds
from eplb_evolve.evaluation.task import Task
from eplb_evolve.hostile_text import without_folders
from eplb_evolve.paths import Project, project
from eplb_evolve.runs.ledger import now
from eplb_evolve.runs.run_info import versions
from eplb_evolve.workload import catalog

LEADERBOARD = "LEADERBOARD.md"


def board(
    workload: Annotated[
        list[str] | None, typer.Option("--workload", help="Workload to use; repeat for several. (default: all)")
    ] = None,
    config: options.ConfigFile = None,
    device: options.DeviceName = None,
    measure: Annotated[
        bool,
        typer.Option("--measure/--no-measure", help="Measure, or write the page anew from what was measured before."),
    ] = True,
    wide: Annotated[bool, typer.Option("--wide", help="Show every figure, in long lines.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Measure every balancer in seeds/, the reference and every record, together on the holdout windows.

    On each workload all programs are called in turn on the same inputs; where the group rule binds, some of them on the
    same loads without it as well. Writes results/standing.json and
    results/LEADERBOARD.md, where rows of other workloads stay. Programs rank by time under the constraint for that,
    whatever objective found them.
    """
    place = project()
    if not measure and (workload or config or device):
        raise UsageError("--no-measure writes the page anew from what is there; leave out what says how to measure")
    shipped = read_shipped(place.results)
    if measure:
        shipped = shipped.updated(_measured(place, _tasks(place, config, workload, device)))
        place.results.mkdir(exist_ok=True)
        write_shipped(place.results, shipped)
    if not shipped.rows:
        raise UsageError(f"{place.results / FILE_NAME} holds no rows; measure them first with eplb board")
    durable.write_text(place.results / LEADERBOARD, to_markdown(shipped))
    if as_json:
        print(json.dumps([row.as_dict() for table in tables(shipped.rows) for row in table.rows], indent=1))
    else:
        console = options.stdout()
        found = tables(shipped.rows)
        for table in found:
            to_terminal(table, console, len(table.rows), wide)
            for sentence in without_groups(table, found):
                console.print(sentence, highlight=False)
            console.print()
        for each in everywhere(found):
            console.print(each.grid())
            console.print()
        legend(console, wide)
    options.say(f"wrote {place.results.name}/{FILE_NAME} and {place.results.name}/{LEADERBOARD}")


def _tasks(place: Project, config: options.ConfigFile, workload: list[str] | None, device: str | None) -> list[Task]:
    """By time, each workload alone."""
    names = workload or catalog.names(*place.workloads)
    asked = [one for task in options.tasks(config, names, "holdout", device) for one in task.each]
    if asked[0].settings.objective == "time":
        return asked
    settings = dataclasses.replace(asked[0].settings, objective="time", thresholds=Thresholds())
    return [dataclasses.replace(task, settings=settings) for task in asked]


def _measured(place: Project, tasks: list[Task]) -> Shipped:
    began = time.monotonic()
    with closing(open_bench(tasks[0].settings)) as bench:
        rows = measure_all(place, tasks, bench, options.say)
        ungrouped = [task.without_groups() for task in tasks if task.workload.topology.binds_groups]
        rows += measure_ungrouped(place, ungrouped, bench, options.say) if ungrouped else []
    command = shlex.join(["eplb", *map(without_folders, sys.argv[1:])])
    measuring = Measuring(now(), command, round(time.monotonic() - began), versions())
    return Shipped(rows, {task.name: measuring for task in [*tasks, *ungrouped]})
