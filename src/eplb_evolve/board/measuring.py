"""The rows of a leaderboard: a run, the balancers in seeds/, the reference and the records, measured where need be."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from eplb_evolve import machine, reference
from eplb_evolve.board.records import Record, read_records
from eplb_evolve.board.rows import Row, Table, evolved_rows, named, tables
from eplb_evolve.evaluation.bench import LazyBench
from eplb_evolve.evaluation.measured import (
    evaluate_with_speedup,
    is_deepseek_form,
    measured,
    recalled,
    with_speedup,
)
from eplb_evolve.evaluation.result import Evaluation
from eplb_evolve.evaluation.task import Task
from eplb_evolve.paths import Project, cache_dir
from eplb_evolve.runs.ledger import Entry, Ledger, now
from eplb_evolve.runs.origin import Origins, declared_device, declared_provenance

PUBLISHED = "deepseek"
"""The stem of the published form among the seeds: it is on every board."""

CONFIRMED = 3
"""How many of a run's best programs are measured on the holdout windows."""

Say = Callable[[str], None]
"""Takes what a person who waits should know."""


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
        rows += standing_rows(project, task, bench, every_seed, say)
        if ledger is not None and task.split == "holdout":
            entries += confirm(project, ledger, entries, task, bench, say)
    origins = Origins(run, entries, project.seed_files())
    rows += (named(row, origins) for row in evolved_rows(entries))
    wanted = {(task.name, task.split, task.settings.objective) for task in tasks}
    comparable = [row for row in rows if _place(row.evaluation) in wanted]
    return Board(tables(comparable), entries, origins)


def _place(run: Evaluation) -> tuple[str, str, str]:
    return run.workload, run.split, run.objective


def standing_rows(
    project: Project, task: Task, bench: LazyBench | None, every_seed: bool, say: Say, cache: Path | None = None
) -> list[Row]:
    """The seeds and the reference, from the cache where this machine has measured them before.

    The published form and the reference are measured if they were not yet; with `every_seed` all others too. Without a
    bench nothing is measured. cache: the user's by default.
    """
    cache = cache or cache_dir()
    files = project.seed_files() | {reference.NAME: Path(reference.__file__)}
    rows = []
    for name, file in files.items():
        always = name in (PUBLISHED, reference.NAME)
        wanted = always or (every_seed and declared_device(file) in ("cpu", task.settings.device))
        inside = f"../seeds/{file.name}" if name != reference.NAME else "../src/eplb_evolve/reference.py"
        provenance = declared_provenance(file) if name != reference.NAME else "reference"
        for evaluation in _evaluations(name, file, task, bench, wanted, say, cache):
            rows.append(Row(name, provenance, evaluation, link=inside))
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
    ratios = {each.sandbox_level: each.ratio_to_reference for each in found}
    return [
        dataclasses.replace(row, evaluation=with_speedup(row.evaluation, ratios.get(row.evaluation.sandbox_level)))
        for row in rows
    ]


def recorded_rows(project: Project, task: Task, bench: LazyBench, say: Say, cache: Path) -> list[Row]:
    """Every evolved program that was recorded, measured now unless the cache has it."""
    rows = []
    for record in evolved_records(project):
        program = project.results / "records" / record.name / "program.py"
        for evaluation in _evaluations(record.name, program, task, bench, True, say, cache):
            rows.append(Row(record.name, "evolved", evaluation, record.how, link=f"records/{record.name}/"))
    return _with_speedups(rows, project, task, bench, cache)


def evolved_records(project: Project) -> Sequence[Record]:
    """The records of programs that a search found."""
    return [record for record in read_records(project.results / "records") if record.provenance == "evolved"]


def confirm(
    project: Project, ledger: Ledger, entries: Sequence[Entry], task: Task, bench: LazyBench, say: Say
) -> list[Entry]:
    """Measure the run's best programs of the search windows on the holdout windows; the new lines of its ledger."""
    here = [entry for entry in entries if entry.evaluation.workload == task.name]
    done = {entry.evaluation.sha256 for entry in here if entry.evaluation.split == "holdout"}
    found = [entry for entry in here if entry.evaluation.split == "search" and entry.evaluation.feasible]
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
