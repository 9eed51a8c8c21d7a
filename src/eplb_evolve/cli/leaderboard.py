"""`eplb leaderboard`: what was found, beside the seeds and the reference, on windows that the search never saw."""

import json
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from eplb_evolve.board.everywhere import everywhere
from eplb_evolve.board.find_program import newest_run
from eplb_evolve.board.measuring import Board
from eplb_evolve.board.measuring import board as gathered
from eplb_evolve.board.terminal import legend, to_terminal
from eplb_evolve.board.winner import winner
from eplb_evolve.cli import options
from eplb_evolve.errors import UsageError
from eplb_evolve.evaluation.bench import LazyBench
from eplb_evolve.paths import project
from eplb_evolve.runs.ledger import FILE_NAME, Ledger
from eplb_evolve.runs.run_info import configuration_of


def leaderboard(
    run: Annotated[
        Path | None, typer.Option("--run", help="A run's folder. (default: the newest in results/runs)")
    ] = None,
    workload: options.WorkloadNames = None,
    split: options.SplitName = "holdout",
    limit: Annotated[int, typer.Option("--limit", min=0, help="Ranked programs to show.")] = 10,
    seeds: Annotated[
        bool, typer.Option("--seeds", help="Measure every balancer in seeds/ that this machine has not measured yet.")
    ] = False,
    wide: Annotated[bool, typer.Option("--wide", help="Show every figure, in long lines.")] = False,
    invalid: Annotated[bool, typer.Option("--invalid", help="Show the invalid programs and why instead.")] = False,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Show a run's programs beside the seeds and the reference.

    The run's best programs are measured on the holdout windows first, if they were not yet; the published form and the
    reference once per machine. Other balancers in seeds/ are shown where this machine has measured them.
    """
    place = project()
    ledger = Ledger(run or newest_run(place.results) or place.results / "runs" / "none")
    if run is not None and not ledger.file.exists():
        raise UsageError(f"{run} holds no {FILE_NAME}; give a run's folder, such as results/runs/STAMP")
    tasks = options.tasks(config or configuration_of(ledger.run), workload, split)
    with closing(LazyBench(tasks[0].settings)) as bench:
        board = gathered(place, ledger.run, tasks, bench, seeds, options.say)
    objective = tasks[0].settings.objective
    if as_json:
        print(json.dumps([row.as_dict() for table in board.tables for row in table.rows], indent=1))
        return
    console = options.stdout()
    for table in board.tables:
        to_terminal(table, console, limit, wide, invalid)
        console.print()
    for each in everywhere(board.tables) if not invalid else ():
        console.print(each.grid())
        console.print()
    if not invalid:
        legend(console, wide)
    _sum_up(ledger.run, board, objective)


def _sum_up(run: Path, board: Board, objective: str) -> None:
    console = options.stdout()
    searched = [entry.evaluation for entry in board.entries if entry.evaluation.conditions.split == "search"]
    if not searched:
        console.print("No search has run here yet: eplb run")
        return
    counts = Counter(each.status.value for each in searched)
    failed = f", {counts['evaluator_failed']} evaluator failed" if counts["evaluator_failed"] else ""
    console.print(
        f"\n{len(searched)} evaluations in {run}: {counts['feasible']} feasible, {counts['infeasible']} infeasible, "
        f"{counts['invalid']} invalid{failed}.",
        highlight=False,
        soft_wrap=True,
    )
    best, _ = winner(board.entries, objective)
    if best is not None:
        origin = board.origins.of(best.evaluation)
        found = f" ({origin.name}: the search found nothing better)" if origin is not None else ""
        console.print(Text(f"Best program: {run / best.evaluation.program}{found}"), soft_wrap=True)
