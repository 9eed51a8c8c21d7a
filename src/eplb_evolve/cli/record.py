"""`eplb record PROGRAM`: measure a program in full and keep it in results/records."""

import hashlib
import re
import shlex
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated, cast, get_args

import typer

from eplb_evolve.board.find_program import Found, find, steps_of
from eplb_evolve.board.measuring import seed_rows
from eplb_evolve.board.record_page import draft
from eplb_evolve.board.record_rule import Beside, refusal
from eplb_evolve.board.records import Record, read_records, refuse_existing, worth_in_words
from eplb_evolve.board.rows import Row
from eplb_evolve.board.shipped_rows import read_shipped
from eplb_evolve.cli import options
from eplb_evolve.cli.evaluate import full_evaluation, show
from eplb_evolve.errors import CandidateFailure, UsageError
from eplb_evolve.evaluation.bench import LazyBench
from eplb_evolve.evaluation.candidate import read_program
from eplb_evolve.evaluation.comparison import Comparison, compare
from eplb_evolve.evaluation.result import Evaluation
from eplb_evolve.evaluation.task import Task
from eplb_evolve.hostile_text import without_folders
from eplb_evolve.paths import Project, project
from eplb_evolve.proposer.header import made_by
from eplb_evolve.runs.ledger import Ledger, now
from eplb_evolve.runs.origin import Origins, Provenance
from eplb_evolve.runs.run_info import read_starts, versions
from eplb_evolve.workload import catalog


def record(
    program: Annotated[Path, typer.Argument(help="The program to keep.")],
    name: Annotated[str, typer.Option("--name", help="Name of the record, a folder of results/records.")],
    provenance: Annotated[str, typer.Option("--from", help="seed, baseline, reference or evolved.")] = "evolved",
    search: Annotated[
        str, typer.Option("--search", help="The command that found it. (default: that of the run that knows it)")
    ] = "",
    workload: Annotated[
        list[str] | None, typer.Option("--workload", help="Workload to use; repeat for several. (default: all)")
    ] = None,
    config: options.ConfigFile = None,
) -> None:
    """Measure a program on every workload and write results/records/NAME with a README to finish.

    An evolved program is refused (exit code 1) when it is infeasible anywhere, or when another evolved program, a seed
    or a published one is at least as good in time, balance and transfers and better in one, measured beside it on the
    same calls. What was written by hand as a bound (`reference`) does not count.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", name):
        raise UsageError(f"--name '{name}': use small letters, digits, dots and dashes")
    if provenance not in get_args(Provenance):
        raise UsageError(f"--from is one of {', '.join(get_args(Provenance))}, not '{provenance}'")
    place, source = project(), read_program(program)
    folder = place.results / "records"
    refuse_existing(folder, name)
    found = find(str(program), None, place.results)
    search = search or _search(found)
    if provenance == "evolved" and not search:
        raise UsageError("an evolved program's record says what found it: add --search 'make evolve ...'")
    origin = Origins(found.run, Ledger(found.run).entries() if found.run else [], place.seed_files()).of_text(source)
    if provenance == "evolved" and origin is not None:
        raise UsageError(f"{program} is {origin.name}, which no search found; say --from {origin.provenance}")
    tasks = _tasks(place, config, workload)
    evaluations: list[Evaluation] = []
    peers: list[Row] = []
    with closing(LazyBench(tasks[0].settings)) as bench:
        for task in tasks:
            evaluation = full_evaluation(program, task, bench())
            show(evaluation, options.stdout())
            evaluations.append(evaluation.at("program.py"))
            peers += seed_rows(place, task, bench, False, options.say)
        if provenance == "evolved":
            recorded = [row for each in read_records(folder) for row in each.rows()]
            known = [*peers, *recorded, *read_shipped(place.results).rows]
            others = [row for row in known if row.provenance != "reference"]
            if reason := refusal(evaluations, others, _beside(program, place, tasks, bench)):
                options.say(f"eplb: not recorded: {reason}")
                raise typer.Exit(1)
    kept = _record(name, cast(Provenance, provenance), search, source, found, evaluations, tasks)
    kept.write(folder, source, draft(kept, steps_of(found)[0]))
    if kept.worth:
        options.stdout().print(kept.worth, highlight=False, markup=False)
    options.say(f"wrote results/records/{name}; now finish its README.md: what changed and why it is faster")
    if not all(evaluation.feasible for evaluation in evaluations):
        raise typer.Exit(1)


def _tasks(place: Project, config: Path | None, workload: list[str] | None) -> list[Task]:
    """Search and holdout windows of the configured workload, holdout windows of all others; or those asked for."""
    searched = [one for task in options.tasks(config, workload, "search") for one in task.each]
    names = {task.workload.name for task in searched}
    others = [] if workload else [each for each in catalog.names(*place.workloads) if each not in names]
    return [*searched, *options.tasks(config, [*sorted(names), *others], "holdout")]


def _beside(program: Path, place: Project, tasks: Sequence[Task], bench: LazyBench) -> Beside:
    """Measures `program` beside a row's, where that row's text is still at hand."""

    def measure(own: Evaluation, row: Row) -> Comparison | None:
        file = place.seed_files().get(row.name, place.results / "records" / row.name / "program.py")
        where = own.conditions
        task = next(each for each in tasks if (each.workload.name, each.split) == (where.workload, where.split))
        if not file.is_file() or hashlib.sha256(read_program(file)).hexdigest() != row.evaluation.sha256:
            return None
        options.say(f"measuring {program.name} beside {row.name} on {where.workload}, {where.split} windows ...")
        try:
            return compare(program, file, task, bench())
        except CandidateFailure:
            return None

    return measure


def _search(found: Found) -> str:
    """The command of the run that knows the program, with OpenEvolve's seed; "" when there is none."""
    starts = read_starts(found.run) if found.run is not None else []
    return f"{shlex.join(starts[0].command)} (random_seed {starts[0].random_seed})" if starts else ""


def _record(
    name: str,
    provenance: Provenance,
    search: str,
    source: bytes,
    found: Found,
    evaluations: Sequence[Evaluation],
    tasks: Sequence[Task],
) -> Record:
    header = made_by(source.decode("utf-8", "replace"))
    return Record(
        name=name,
        provenance=provenance,
        how=f"{header.tier} {'+'.join(header.operators)}" if header is not None else "",
        when=now(),
        command=shlex.join(["eplb", *map(without_folders, sys.argv[1:])]),
        search=search,
        versions=versions(),
        evaluations=evaluations,
        lineage=[step.as_dict() for step in steps_of(found)[0]],
        worth=worth_in_words(name, evaluations, tasks[0].settings.serving.deployment),
    )
