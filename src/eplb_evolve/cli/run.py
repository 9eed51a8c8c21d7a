"""`eplb run`: stock openevolve-run under a supervisor, with checks before, a live view, and the leaderboard after."""

import dataclasses
import datetime
import hashlib
import os
import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from eplb_evolve import config as configuration
from eplb_evolve.cli import check, leaderboard, live, options
from eplb_evolve.cli.supervisor import Supervised
from eplb_evolve.ending import forget_ending, read_ending
from eplb_evolve.errors import EnvironmentProblem, UsageError
from eplb_evolve.gateway.proxies import keep_loopback_direct
from eplb_evolve.growing_file import GrowingFile
from eplb_evolve.hostile_text import printable
from eplb_evolve.paths import EVALUATOR_NAME, SEED_NAME, Project, project
from eplb_evolve.restart import complete_checkpoint
from eplb_evolve.runs.ledger import FILE_NAME as LEDGER_NAME
from eplb_evolve.runs.ledger import PROGRAMS
from eplb_evolve.runs.progress import Follower, Progress
from eplb_evolve.runs.run_info import configuration_of, read_starts
from eplb_evolve.runs.same_task import refuse_another

LOG_NAME = "search.log"
STOCK = "openevolve-run"
EXECUTABLE = Path(sys.executable).with_name(STOCK)
_LOOK_S = 0.5
_TAIL_LINES = 12
_NOTABLE = re.compile(r"^eplb( gateway)?: | - (WARNING|ERROR|CRITICAL) - ")
"""Lines of the log that the display does not tell already and a person must see."""


@dataclass(frozen=True)
class Plan:
    """What openevolve-run is to be told. checkpoint: the folder to go on from, None for a new search."""

    seed: Path
    config: Path
    run: Path
    iterations: int
    checkpoint: Path | None = None

    def command(self, root: Path) -> list[str]:
        """The stock command, to be run in the project's folder."""
        said = [STOCK, _seen_from(root, self.seed), EVALUATOR_NAME, "--config", _seen_from(root, self.config)]
        said += ["--output", _seen_from(root, self.run), "--iterations", str(self.iterations)]
        return said if self.checkpoint is None else [*said, "--checkpoint", _seen_from(root, self.checkpoint)]


def run(
    seed: Annotated[Path | None, typer.Argument(help=f"Program to start from (default: {SEED_NAME}).")] = None,
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
    no_leaderboard: Annotated[
        bool, typer.Option("--no-leaderboard", help="Do not measure the best programs on the holdout windows after it.")
    ] = False,
) -> None:
    """Search: checks, then openevolve-run with a live view, then the leaderboard.

    Ctrl-C asks the search to end, a second one kills it. Exit codes beside the usual ones: 130 or 143 after a stop by
    SIGINT or SIGTERM. When openevolve-run fails, 2 stays 2 and everything else becomes 3.
    """
    place = project()
    plan = _plan(place, seed, config, iterations, output, resume)
    keep_loopback_direct()
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
    if ending is not None:
        _say_how_to_go_on(plan.run)
        raise typer.Exit(ending.exit_code)
    if search.exit_code != 0:
        raise _failure(search.exit_code, log)
    if no_leaderboard:
        options.say(live.summary(progress))
    else:
        leaderboard.leaderboard(run=plan.run, config=plan.config)


def _plan(
    place: Project,
    seed: Path | None,
    config: Path | None,
    iterations: int | None,
    output: Path | None,
    resume: Path | None,
) -> Plan:
    if not (place.root / EVALUATOR_NAME).is_file():
        raise UsageError(f"there is no {EVALUATOR_NAME} in {place.root}; eplb init DIR writes what a search needs")
    if resume is not None:
        if output is not None:
            raise UsageError(f"--resume {resume} goes on in that folder; leave --output away")
        if not resume.is_dir():
            raise UsageError(f"cannot resume {resume}: it does not exist; start a new search without --resume")
        seed, config = seed or _seed_of(resume, place.root), config or _config_of(resume, place.root)
    chosen = config or place.config
    read = configuration.read(chosen)
    start = seed or place.root / SEED_NAME
    if not start.is_file():
        raise UsageError(f"there is no program {start} to start from; give its path: eplb run SEED")
    if resume is None:
        read.check_start(start)
    stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%d-%H%M%S")
    folder = resume or output or place.results / "runs" / stamp
    if resume is None and (folder / LEDGER_NAME).exists():
        raise UsageError(f"{folder} holds a search already; choose another --output, or go on with it by --resume")
    return Plan(start, chosen, folder, iterations or read.iterations)


def _seed_of(run: Path, root: Path) -> Path | None:
    """The program that a run started from, or the run's own copy where that was changed since.

    None when the run does not say.
    """
    starts = read_starts(run)
    if not starts:
        return None
    digest = starts[-1].seed_sha256
    for file in (root / starts[-1].seed_program, run / PROGRAMS / f"{digest[:12]}.py"):
        if file.is_file() and hashlib.sha256(file.read_bytes()).hexdigest() == digest:
            return file
    raise UsageError(f"the program that {run} started from is not there any more; give one: eplb run SEED --resume ...")


def _config_of(run: Path, root: Path) -> Path:
    """The configuration that a run keeps. An old run kept a mere copy: there the file itself, if it is unchanged."""
    kept = configuration_of(run)
    if kept is None:
        raise UsageError(f"{run} does not say which configuration it ran with; add --config")
    starts = read_starts(run)
    if starts and not starts[-1].task and "--config" in starts[-1].command[:-1]:
        original = root / starts[-1].command[starts[-1].command.index("--config") + 1]
        if original.is_file() and original.read_bytes() == kept.read_bytes():
            return original
    return kept


def _seen_from(root: Path, path: Path) -> str:
    """As the command names it: relative inside of the project's folder, else absolute."""
    absolute = Path(os.path.abspath(path))
    return str(absolute.relative_to(root)) if absolute.is_relative_to(root) else str(absolute)


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
