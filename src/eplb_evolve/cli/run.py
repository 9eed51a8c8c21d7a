"""`eplb run`: stock openevolve-run under a supervisor, with checks before, a live view, and the leaderboard after."""

import dataclasses
import re
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from eplb_evolve import config as configuration
from eplb_evolve.cli import check, leaderboard, live, options
from eplb_evolve.cli.run_plan import STOCK, new_run, resumed_run
from eplb_evolve.cli.run_starts import from_records
from eplb_evolve.cli.supervisor import Supervised
from eplb_evolve.ending import forget_ending, read_ending
from eplb_evolve.errors import EnvironmentProblem, UsageError
from eplb_evolve.gateway.proxies import keep_loopback_direct
from eplb_evolve.growing_file import GrowingFile
from eplb_evolve.hostile_text import printable
from eplb_evolve.paths import SEED_NAME, project
from eplb_evolve.restart import complete_checkpoint
from eplb_evolve.runs.progress import Follower, Progress
from eplb_evolve.runs.run_info import read_starts
from eplb_evolve.runs.same_task import refuse_another

LOG_NAME = "search.log"
EXECUTABLE = Path(sys.executable).with_name(STOCK)
_LOOK_S = 0.5
_TAIL_LINES = 12
_NOTABLE = re.compile(r"^eplb( gateway)?: | - (WARNING|ERROR|CRITICAL) - ")
"""Lines of the log that the display does not tell already and a person must see."""


def run(
    seeds: Annotated[
        list[Path] | None,
        typer.Argument(
            help=f"Programs to start from, each on an island of its own (default: {SEED_NAME}).", metavar="[SEED]..."
        ),
    ] = None,
    config: options.ConfigFile = None,
    iterations: Annotated[
        int | None, typer.Option("--iterations", min=1, help="How many proposals (default: as the configuration says).")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="The run's folder (default: results/runs/UTCSTAMP).")
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option("--resume", help="Go on with all programs of this run, with --iterations more."),
    ] = None,
    records: Annotated[
        bool, typer.Option("--from-records", help="Start from the programs in results/records, the best first.")
    ] = False,
    no_leaderboard: Annotated[
        bool, typer.Option("--no-leaderboard", help="Do not measure the best programs on the holdout windows after it.")
    ] = False,
) -> None:
    """Search: checks, then openevolve-run with a live view, then the leaderboard.

    Ctrl-C asks the search to end, a second one kills it. Exit codes beside the usual ones: 130 or 143 after a stop by
    SIGINT or SIGTERM. When openevolve-run fails, 2 stays 2 and everything else becomes 3.
    """
    place = project()
    keep_loopback_direct()
    if records and (seeds or resume is not None):
        raise UsageError("--from-records names the programs of a new search; leave SEED and --resume away")
    programs = from_records(place, config) if records else seeds or []
    if resume is None:
        plan = new_run(place, programs, config, iterations, output)
    else:
        plan = resumed_run(place, resume, programs, config, iterations, output)
    check.check(plan.config)
    if resume is not None:
        refuse_another(resume, configuration.read(plan.config).eplb.task(place.workloads))
        plan = dataclasses.replace(plan, checkpoint=complete_checkpoint(plan.run, plan.config))
    command = plan.command(place.root)
    options.say(shlex.join(command))
    log = plan.run / LOG_NAME
    forget_ending(plan.run)
    search = Supervised([str(EXECUTABLE), *command[1:]], place.root, log)
    with search.signals_forwarded():
        progress = _watched(search, plan.run, log)
    if search.asked_to_stop is not None:
        _say_stopped(search, progress, plan.run)
        raise typer.Exit(128 + search.asked_to_stop)
    ending = read_ending(plan.run)
    if ending is not None and ending.exit_code:
        _say_how_to_go_on(plan.run)
        raise typer.Exit(ending.exit_code)
    if search.exit_code != 0:
        raise _failure(search.exit_code, log)
    if no_leaderboard:
        options.say(live.summary(progress))
    else:
        leaderboard.leaderboard(run=plan.run, config=plan.config)
    for line in live.at_floor_lines(progress, plan.run):
        options.say(line)


def _new_lines(log: GrowingFile, ended: bool = False) -> list[str]:
    """What was completed since the last look, empty lines left out; also a torn line if `ended`."""
    lines = (line.decode("utf-8", "replace") for line in log.new_lines(ended))
    return [printable(line) for line in lines if line.strip()]


def _watched(search: Supervised, run: Path, log: Path) -> Progress:
    """Show the search until it has ended; how far it came."""
    follower, lines = Follower(run), GrowingFile(log, search.log_begins_at)
    if not live.animated(sys.stderr):
        while not search.ended_within(_LOOK_S):
            _print_lines(_new_lines(lines))
        _print_lines(_new_lines(lines, ended=True))
        return follower.look()
    console = Console(stderr=True)
    with Live(console=console, auto_refresh=False) as screen:
        ended = False
        while not ended:
            ended = search.ended_within(_LOOK_S)
            for line in _new_lines(lines, ended):
                if _NOTABLE.search(line):
                    console.print(Text(line))
            progress = follower.look()
            notice = "" if ended else _notice(search, progress, log)
            screen.update(live.display(progress, str(run), console.height, notice), refresh=True)
    if search.exit_code != 0 and search.asked_to_stop is None and read_ending(run) is None:
        _print_lines(_new_lines(GrowingFile(log, search.log_begins_at), ended=True)[-_TAIL_LINES:])
    return progress


def _print_lines(lines: list[str]) -> None:
    for line in lines:
        options.say(line)


def _notice(search: Supervised, progress: Progress, log: Path) -> str:
    if search.killed:
        return "Killing the search ..."
    if search.asked_to_stop is not None:
        return "Stopping: OpenEvolve writes down what it has. Once more kills it."
    if progress.state == "standing still":
        return f"No evaluation for {live.duration(progress.idle_s)}; see {log}"
    return f"OpenEvolve starts or ends; its output is in {log}" if progress.state != "running" else ""


def _say_stopped(search: Supervised, progress: Progress, run: Path) -> None:
    options.say(f"{'Killed' if search.killed else 'Stopped'}. {live.summary(progress)}")
    if progress.done:
        options.say(f"  eplb leaderboard --run {run}   shows what was found")
    _say_how_to_go_on(run)


def _say_how_to_go_on(run: Path) -> None:
    if read_starts(run):
        options.say(f"  eplb run --resume {run}   goes on with it")


def _failure(code: int, log: Path) -> Exception:
    how = f"was killed by signal {-code}" if code < 0 else f"failed with exit code {code}"
    kind = UsageError if code == UsageError.exit_code else EnvironmentProblem
    return kind(f"{STOCK} {how}; all that it said is in {log}")
