"""`eplb leaderboard`: what was found, beside the seeds and the reference, on windows that the search never saw."""

import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from eplb_evolve import reference
from eplb_evolve.cli import options
from eplb_evolve.cli.evaluate import evaluate_with_speedup
from eplb_evolve.errors import UsageError
from eplb_evolve.evaluation.bench import Bench, open_bench
from eplb_evolve.evaluation.measured import known, measured, seed_ratio, with_speedup
from eplb_evolve.evaluation.settings import Objective
from eplb_evolve.evaluation.task import Task
from eplb_evolve.paths import cache_dir, project_root
from eplb_evolve.results.board import Row, Table, declared_device, declared_provenance, evolved_rows, tables
from eplb_evolve.results.ledger import FILE_NAME, Entry, Ledger, now
from eplb_evolve.results.records import read_records, versions
from eplb_evolve.results.show import legend, to_markdown, to_terminal
from eplb_evolve.results.standing import read_standing, write_standing

PUBLISHED = "deepseek"
"""The stem of the published form among the seeds: it is on every board."""

CONFIRMED = 3
"""How many of a run's best programs are measured on the holdout windows."""


def leaderboard(
    run: Annotated[
        Path | None, typer.Option("--run", help="A run's folder. [default: the newest in results/runs]")
    ] = None,
    workload: options.WorkloadNames = None,
    split: options.SplitName = "holdout",
    limit: Annotated[int, typer.Option("--limit", help="Ranked programs to show.")] = 10,
    seeds: Annotated[
        bool, typer.Option("--seeds", help="Measure every balancer in seeds/ that this machine has not measured yet.")
    ] = False,
    write: Annotated[
        bool,
        typer.Option(
            "--write",
            help="Write results/LEADERBOARD.md from the records and results/standing.json, and stop; with --seeds, "
            "measure what is in the latter first.",
        ),
    ] = False,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Show a run's programs beside the seeds and the reference.

    The run's best programs are measured on the holdout windows first, if they were not yet; the published form and the
    reference once per machine. Other balancers in seeds/ are shown where this machine has measured them.
    """
    root = project_root()
    if write:
        if seeds:
            _measure_standing(root, options.tasks(config, workload, split))
        records = [row for record in read_records(root / "results" / "records") for row in record.rows()]
        standing = read_standing(root / "results")
        file = root / "results" / "LEADERBOARD.md"
        file.write_text(to_markdown(tables(records + standing)))  # of the same program, the standing row counts
        options.say(
            f"wrote {file.relative_to(root)} from {len(records)} recorded and {len(standing)} standing measurements"
        )
        return
    ledger = Ledger(run or _newest(root))
    if run is not None and not ledger.file.exists():
        raise UsageError(f"{run} holds no {FILE_NAME}; give a run's folder, such as results/runs/STAMP")
    tasks = options.tasks(config, workload, split)
    rows: list[Row] = []
    with closing(open_bench(tasks[0].settings)) as bench:
        for task in tasks:
            rows += _standing_rows(root, task, bench, seeds)
            if task.split == "holdout":
                _confirm(ledger, task, bench)
    rows += evolved_rows(ledger.entries())
    names = {task.workload.name for task in tasks}
    board = [table for table in tables(rows) if table.workload in names and table.split == split]
    if as_json:
        print(json.dumps([row.as_dict() for table in board for row in table.rows], indent=1))
        return
    _print(board, ledger, limit, tasks[0].settings.objective)


def _newest(root: Path) -> Path:
    runs = sorted(file.parent for file in (root / "results" / "runs").glob(f"*/{FILE_NAME}"))
    return runs[-1] if runs else root / "results" / "runs" / "none"


def _standing_rows(root: Path, task: Task, bench: Bench, every_seed: bool) -> list[Row]:
    """The seeds and the reference, from the cache where this machine has measured them before."""
    seed = seed_ratio(root / "seeds" / "deepseek.py", task, bench, cache_dir())
    rows = []
    for file in sorted((root / "seeds").glob("*.py")):
        found = known(file, task, bench, cache_dir())
        wanted = every_seed and declared_device(file) in ("cpu", task.settings.device)
        if found is None and (wanted or file.stem == PUBLISHED):
            options.say(f"measuring {file.stem} ...")
            found = measured(file, task, bench, cache_dir())
        if found is not None:
            link = f"../seeds/{file.name}"
            rows.append(Row(file.stem, declared_provenance(file), with_speedup(found, seed), link=link))
    evaluation = with_speedup(measured(Path(reference.__file__), task, bench, cache_dir()), seed)
    return [*rows, Row(reference.NAME, "reference", evaluation, link="../src/eplb_evolve/reference.py")]


def _measure_standing(root: Path, tasks: Sequence[Task]) -> None:
    """results/standing.json: every seed, the reference, and every evolved program that was recorded."""
    evolved = [record for record in read_records(root / "results" / "records") if record.provenance == "evolved"]
    rows: list[Row] = []
    with closing(open_bench(tasks[0].settings)) as bench:
        for task in tasks:
            rows += _standing_rows(root, task, bench, every_seed=True)
            seed = seed_ratio(root / "seeds" / "deepseek.py", task, bench, cache_dir())
            for record in evolved:
                options.say(f"measuring {record.name} ...")
                program = root / "results" / "records" / record.name / "program.py"
                evaluation = with_speedup(measured(program, task, bench, cache_dir()), seed)
                rows.append(Row(record.name, "evolved", evaluation, record.how, link=f"records/{record.name}/"))
    write_standing(root / "results", rows, now(), versions())


def _confirm(ledger: Ledger, task: Task, bench: Bench) -> None:
    """Measure the run's best programs of the search windows on the holdout windows, into the same ledger."""
    entries = [entry for entry in ledger.entries() if entry.evaluation.workload == task.workload.name]
    done = {entry.evaluation.sha256 for entry in entries if entry.evaluation.split == "holdout"}
    found = [entry for entry in entries if entry.evaluation.split == "search" and entry.evaluation.feasible]
    found.sort(key=lambda entry: -entry.evaluation.combined_score)
    best: dict[str, Entry] = {}
    for entry in found:
        best.setdefault(entry.evaluation.sha256, entry)
    for entry in list(best.values())[:CONFIRMED]:
        if entry.evaluation.sha256 not in done:
            options.say(f"measuring {entry.evaluation.sha256[:10]} on the holdout windows ...")
            evaluation = evaluate_with_speedup(ledger.run / entry.evaluation.program, task, bench)
            ledger.append(Entry(evaluation.at(entry.evaluation.program), now(), entry.tier, entry.operators))


def _print(board: list[Table], ledger: Ledger, limit: int, objective: Objective) -> None:
    console = options.stdout()
    for table in board:
        to_terminal(table, console, limit, objective)
        console.print()
    legend(console, objective)
    entries = ledger.entries()
    searched = [entry.evaluation for entry in entries if entry.evaluation.split == "search"]
    if not searched:
        console.print("No search has run here yet: make evolve")
        return
    feasible, valid = sum(run.feasible for run in searched), sum(run.valid for run in searched)
    console.print(
        f"\n{len(searched)} evaluations in {ledger.run}: {feasible} feasible, {valid - feasible} infeasible, "
        f"{len(searched) - valid} invalid.",
        highlight=False,
        soft_wrap=True,
    )
    best = _best(board, entries, objective)
    if best is not None:
        console.print(f"Best program: {ledger.run / best.evaluation.program}", highlight=False, soft_wrap=True)


def _best(board: list[Table], entries: list[Entry], objective: Objective) -> Row | None:
    """The search's own best program, unless another is faster beyond the intervals of both.

    For another objective than time, the first.
    """
    evolved = [row for table in board for row in table.rows if row.rank is not None and row.provenance == "evolved"]
    found = [entry.evaluation for entry in entries if entry.evaluation.feasible and entry.evaluation.split == "search"]
    if not evolved or not found:
        return None
    champion = max(found, key=lambda run: run.combined_score).sha256
    if objective != "time":
        return evolved[0]
    fastest = evolved[0]
    limit = fastest.evaluation.ratio_high or 0.0
    tied = [row for row in evolved if (row.evaluation.ratio_low or 0.0) <= limit]
    return next((row for row in tied if row.evaluation.sha256 == champion), fastest)
