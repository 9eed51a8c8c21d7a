"""The rows of a leaderboard: a run, the balancers in seeds/, the reference and the records, measured where need be."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from eplb_evolve import machine, reference
from eplb_evolve.board.ranking import tables
from eplb_evolve.board.rows import Row, Table, evolved_rows, named
from eplb_evolve.board.shipped_programs import seeds_and_reference
from eplb_evolve.evaluation.bench import LazyBench
from eplb_evolve.evaluation.measured import (
    evaluate_with_speedup,
    is_deepseek_form,
    measured,
    ratio_of,
    recalled,
    with_speedup,
)
from eplb_evolve.evaluation.result import Conditions, Evaluation
from eplb_evolve.evaluation.task import Task
from eplb_evolve.evaluation.together import Say
from eplb_evolve.paths import Project, cache_dir
from eplb_evolve.runs.ledger import Entry, Ledger, now
from eplb_evolve.runs.origin import Origins, declared_device

PUBLISHED = "deepseek"
"""The stem of the published form among the seeds: it is on every board."""

CONFIRMED = 3
"""How many of a run's best programs are measured on the holdout windows."""


@dataclass(frozen=True)
class Board:
    """What `board` gathers: the tables, every entry of the run's ledger, and which of them its search did not find."""

    tables: Sequence[Table]
    entries: Sequence[Entry]
    origins: Origins


def board(
    project: Project, run: Path | None, tasks: Sequence[Task], bench: LazyBench, every_seed: bool, say: Say
) -> Board:
    """The tables of these tasks: seeds, reference, and the programs of a run, its best measured on holdout windows."""
    ledger = Ledger(run) if run is not None else None
    entries = ledger.entries() if ledger is not None else []
    rows: list[Row] = []
    for task in tasks:
        rows += seed_rows(project, task, bench, every_seed, say)
        if ledger is not None and task.split == "holdout":
            entries += confirm(project, ledger, entries, task, bench, say)
    origins = Origins(run, entries, project.seed_files())
    for row in evolved_rows(entries):
        place = run / row.evaluation.program if run is not None else Path(row.evaluation.program)
        rows.append(named(dataclasses.replace(row, evaluation=row.evaluation.at(str(place))), origins))
    wanted = {(task.name, task.split) for task in tasks}
    comparable = [row for row in rows if _place(row.evaluation.conditions) in wanted]
    return Board(tables(comparable, tasks[0].settings.objective), entries, origins)


def _place(where: Conditions) -> tuple[str, str]:
    return where.workload, where.split


def seed_rows(project: Project, task: Task, bench: LazyBench | None, every_seed: bool, say: Say) -> list[Row]:
    """The seeds and the reference, from the cache where this machine has measured them before.

    The published form and the reference are measured if they were not yet; with `every_seed` all others too. Without a
    bench nothing is measured.
    """
    cache = cache_dir()
    rows = []
    for program in seeds_and_reference(project):
        always = program.name in (PUBLISHED, reference.NAME)
        wanted = always or (every_seed and declared_device(program.file) in ("cpu", task.settings.device))
        found = _evaluations(program.name, program.file, task, bench, wanted, say, cache)
        rows += [program.row(evaluation) for evaluation in found]
    return _with_speedups(rows, project, task, bench, cache)


def _evaluations(
    name: str, file: Path, task: Task, bench: LazyBench | None, wanted: bool, say: Say, cache: Path
) -> list[Evaluation]:
    found = recalled(file, task, machine.describe(task.settings.device), cache)
    if found or not wanted or bench is None:
        return found
    say(f"measuring {name} ...")
    return [measured(file, task, bench(), cache)]


def _with_speedups(
    rows: Sequence[Row], project: Project, task: Task, bench: LazyBench | None, cache: Path
) -> list[Row]:
    """The rows with speedup_over_seed, where the DeepSeek form is as shipped."""
    form = project.deepseek_form
    if not form.exists() or not is_deepseek_form(form):
        return list(rows)
    searched = dataclasses.replace(task, split="search")
    found = recalled(form, searched, machine.describe(task.settings.device), cache)
    if not found and bench is not None:
        found = [measured(form, searched, bench(), cache)]
    ratios = {each.conditions.sandbox_level: ratio_of(each) for each in found}
    return [
        dataclasses.replace(
            row, evaluation=with_speedup(row.evaluation, ratios.get(row.evaluation.conditions.sandbox_level))
        )
        for row in rows
    ]


def confirm(
    project: Project, ledger: Ledger, entries: Sequence[Entry], task: Task, bench: LazyBench, say: Say
) -> list[Entry]:
    """Measure the run's best programs of the search windows on the holdout windows; the new lines of its ledger."""
    here = [entry for entry in entries if entry.evaluation.conditions.workload == task.name]
    done = {entry.evaluation.sha256 for entry in here if entry.evaluation.conditions.split == "holdout"}
    found = [entry for entry in here if entry.evaluation.conditions.split == "search" and entry.evaluation.feasible]
    found.sort(key=lambda entry: -entry.evaluation.combined_score)
    best: dict[str, Entry] = {}
    for entry in found:
        best.setdefault(entry.evaluation.sha256, entry)
    added = []
    for entry in list(best.values())[:CONFIRMED]:
        if entry.evaluation.sha256 not in done:
            say(f"measuring {entry.evaluation.sha256[:10]} on the holdout windows ...")
            program = ledger.run / entry.evaluation.program
            evaluation = evaluate_with_speedup(program, task, bench(), project.deepseek_form, cache_dir())
            added.append(Entry(evaluation.at(entry.evaluation.program), now(), entry.tier, entry.operators))
            ledger.append(added[-1])
    return added
