"""`eplb watch RUN`: follow a running search, also one that plain `openevolve-run` started; it is never touched."""

import dataclasses
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.live import Live

from eplb_evolve.cli import live, options
from eplb_evolve.errors import UsageError
from eplb_evolve.evaluation.objectives import objective
from eplb_evolve.runs.progress import Follower, Progress, Seen

STOPPED = 130
"""Exit code after a Ctrl-C, as shells have it."""


def watch(
    run: Annotated[Path, typer.Argument(help="A run's folder, such as results/runs/STAMP.")],
    once: Annotated[bool, typer.Option("--once", help="Look once and end.")] = False,
    interval: Annotated[float, typer.Option("--interval", min=0.1, max=86400.0, help="Seconds between looks.")] = 1.0,
    as_json: options.AsJson = False,
) -> None:
    """Show how far a search is, until it ends.

    On a terminal: a display that is drawn again; elsewhere one line for each new evaluation; with --json one object
    for each look. Ctrl-C ends the watching, not the search.
    """
    if not run.is_dir():
        raise UsageError(f"{run} is no folder; give a run's folder, such as results/runs/STAMP")
    follower = Follower(run)
    try:
        if as_json:
            _follow(follower, once, interval, lambda progress: print(json.dumps(as_dict(progress, run)), flush=True))
        elif live.animated(sys.stdout):
            _on_a_terminal(follower, once, interval)
        elif once:
            live.plain_console(sys.stdout).print(live.display(follower.look(), str(run), height=sys.maxsize))
        else:
            _follow(follower, once, interval, Lines(run))
    except KeyboardInterrupt:
        raise typer.Exit(STOPPED) from None


def as_dict(progress: Progress, run: Path) -> dict[str, Any]:
    """One look for JSON. figure: the metric of an evaluation that counts for the objective."""
    told = {key: value for key, value in dataclasses.asdict(progress).items() if key not in ("best", "recent")}
    return {
        "run": str(run),
        **told,
        "feasible_share": progress.feasible_share,
        "figure": objective(progress.objective).shown,
        "best": _seen(progress.best) if progress.best else None,
        "recent": [_seen(seen) for seen in progress.recent[-live.RECENT_SHOWN :]],
    }


class Lines:
    """Prints what is new since the last look, one line per evaluation, and a sentence when the run stands or ends."""

    def __init__(self, run: Path) -> None:
        self._run = run
        self._printed = 0
        self._state = ""

    def __call__(self, progress: Progress) -> None:
        """Print."""
        for seen in progress.recent:
            if seen.number > self._printed:
                print(live.evaluation_line(seen, progress))
        self._printed = progress.done
        if progress.state != self._state:
            self._state = progress.state
            if said := live.state_sentence(progress):
                print(said)
            if progress.state == "ended":
                print(live.summary(progress))
                for line in live.at_floor_lines(progress, self._run):
                    print(line)
        sys.stdout.flush()


def _follow(follower: Follower, once: bool, interval: float, show: Callable[[Progress], None]) -> None:
    while True:
        progress = follower.look()
        show(progress)
        if once or progress.state == "ended":
            return
        time.sleep(interval)


def _on_a_terminal(follower: Follower, once: bool, interval: float) -> None:
    console = Console()
    with Live(console=console, auto_refresh=False) as screen:

        def show(progress: Progress) -> None:
            screen.update(live.display(progress, str(follower.run), console.height), refresh=True)

        _follow(follower, once, interval, show)


def _seen(seen: Seen) -> dict[str, Any]:
    entry = seen.entry
    made = {"when": entry.when, "tier": entry.tier, "operators": list(entry.operators)}
    return {"number": seen.number, **made, **entry.evaluation.as_dict()}
