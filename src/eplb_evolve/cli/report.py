"""`eplb report`: one HTML file about a search run."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import typer

from eplb_evolve.board.find_program import newest_run
from eplb_evolve.board.measuring import seed_rows
from eplb_evolve.board.rows import Row
from eplb_evolve.cli import options
from eplb_evolve.errors import EplbError, UsageError
from eplb_evolve.evaluation.task import Task
from eplb_evolve.paths import Project, project
from eplb_evolve.report.gather import Run, gather, known_rows
from eplb_evolve.report.run_winner import Executed, execute
from eplb_evolve.report.text import said
from eplb_evolve.runs.family import read_family
from eplb_evolve.runs.ledger import now
from eplb_evolve.runs.run_info import configuration_of


def report(
    run: Annotated[
        Path | None, typer.Option("--run", help="A run's folder. (default: the newest in results/runs)")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", help="File to write. (default: RUN/report.html)")] = None,
    workload: Annotated[str | None, typer.Option("--workload", help="Workload to show. (default: the run's)")] = None,
    config: Annotated[
        Path | None, typer.Option("--config", help="Configuration. (default: the run's own, else evolve_config.yaml)")
    ] = None,
    no_run: Annotated[
        bool, typer.Option("--no-run", help="Run no program: without GPU load and net throughput.")
    ] = False,
) -> None:
    """Write one HTML file about a run, which needs no network: what was found, how sure, how, and what it is worth.

    The best program is run once in the sandbox, for its placement and for what it is worth to a server.
    """
    from eplb_evolve.report.page import Material, render  # here: no other command needs its libraries

    place = project()
    found = gather(run or _newest(place.results), workload)
    task, executed, why_not = None, None, "Nothing was run for this page (--no-run)."
    with ThreadPoolExecutor(1) as pool:
        family = pool.submit(read_family, found.folder)  # may be gigabytes; meanwhile the program's compiler runs
        if not no_run:
            task, executed, why_not = _execute(found, config)
    known = [*known_rows(place.results), *_kept(found, config, place)]
    page = render(Material(found, known, family.result(), executed, why_not, task, now()))
    file = output or found.folder / "report.html"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(page, encoding="utf-8", newline="\n")
    except OSError as problem:
        raise UsageError(f"cannot write {file}: {problem.strerror}; choose another --output") from problem
    options.say(f"wrote {file} ({file.stat().st_size / 1e6:.1f} MB)")


def _newest(results: Path) -> Path:
    run = newest_run(results)
    if run is None:
        raise UsageError(f"no run in {results / 'runs'}; make one with eplb run, or give --run")
    return run


def _execute(run: Run, config: Path | None) -> tuple[Task | None, Executed | None, str]:
    """Run the best program; when that is not possible the report is written all the same, and says why."""
    if run.winner is None:
        return None, None, "There is no feasible program yet to run."
    best = run.winner.evaluation
    if not run.source(best.sha256):
        return None, None, "The best program's text is no longer in the run's folder, so it was not run."
    try:
        (several,) = options.tasks(config or configuration_of(run.folder), [run.workload], "holdout")
        task = several.each[0]
        options.say(f"running {best.sha256[:10]} over {task.workload.name} ...")
        return task, execute(run.folder / best.program, best.sha256[:10], task), ""
    except EplbError as problem:
        return None, None, said(f"The best program was not run: {problem}")


def _kept(run: Run, config: Path | None, place: Project) -> list[Row]:
    """What this machine has measured of seeds/ and the reference, on the run's windows; nothing is measured."""
    chosen = config or configuration_of(run.folder)
    rows = []
    for split in ("holdout", "search"):
        try:
            (task,) = options.tasks(chosen, [run.workload], split)
        except EplbError:  # a workload or setting of another time: such rows would not compare
            continue
        rows += seed_rows(place, task, None, False, options.say)
    return rows
