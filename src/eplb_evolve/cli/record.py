"""`eplb record PROGRAM`: measure a program in full and keep it in results/records."""

import re
import shlex
import sys
from contextlib import closing
from pathlib import Path
from typing import Annotated, cast, get_args

import typer

from eplb_evolve.cli import options
from eplb_evolve.cli.evaluate import full_evaluation, show
from eplb_evolve.errors import UsageError
from eplb_evolve.evaluation.bench import open_bench
from eplb_evolve.evaluation.pipeline import read_program
from eplb_evolve.paths import project_root
from eplb_evolve.proposer.header import made_by
from eplb_evolve.results.board import Provenance
from eplb_evolve.results.ledger import now
from eplb_evolve.results.records import Record, versions, worth_in_words


def record(
    program: Annotated[Path, typer.Argument(help="The program to keep.")],
    name: Annotated[str, typer.Option("--name", help="Name of the record, a folder of results/records.")],
    provenance: Annotated[str, typer.Option("--from", help="seed, baseline, reference or evolved.")] = "evolved",
    search: Annotated[str, typer.Option("--search", help="The command that found it, with its seed.")] = "",
    workload: options.WorkloadNames = None,
    config: options.ConfigFile = None,
) -> None:
    """Measure a program on the search and holdout windows and write results/records/NAME."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", name):
        raise UsageError(f"--name '{name}': use small letters, digits, dots and dashes")
    if provenance not in get_args(Provenance):
        raise UsageError(f"--from is one of {', '.join(get_args(Provenance))}, not '{provenance}'")
    if provenance == "evolved" and not search:
        raise UsageError("an evolved program's record says what found it: add --search 'make evolve ...'")
    source = read_program(program)
    folder = project_root() / "results" / "records"
    tasks = [task for split in ("search", "holdout") for task in options.tasks(config, workload, split)]
    evaluations = []
    with closing(open_bench(tasks[0].settings)) as bench:
        for task in tasks:
            evaluation = full_evaluation(program, task, bench)
            show(evaluation, options.stdout())
            evaluations.append(evaluation.at("program.py"))
    worth = worth_in_words(name, evaluations, tasks[0].settings.serving.deployment)
    if worth:
        options.stdout().print(worth, highlight=False, markup=False)
    header = made_by(source.decode("utf-8", "replace"))
    Record(
        name=name,
        provenance=cast(Provenance, provenance),
        how=f"{header.tier} {'+'.join(header.operators)}" if header is not None else "",
        when=now(),
        command=shlex.join(["eplb", *map(_without_folders, sys.argv[1:])]),
        search=search,
        versions=versions(),
        evaluations=evaluations,
        worth=worth,
    ).write(folder, source)
    options.say(f"wrote results/records/{name}; now write its README.md: what changed and why it is faster")
    if not all(evaluation.feasible for evaluation in evaluations):
        raise typer.Exit(1)


def _without_folders(argument: str) -> str:
    """A record says nothing of one machine's folders."""
    return Path(argument).name if Path(argument).is_absolute() else argument
