"""How a running search is shown: a few lines on a terminal, drawn again and again, or one line per evaluation."""

import os
from pathlib import Path
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.constrain import Constrain
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from eplb_evolve.board.metrics import BY_NAME
from eplb_evolve.cli.console import SafeConsole
from eplb_evolve.evaluation.objectives import objective
from eplb_evolve.evaluation.objectives.time import AT_FLOOR
from eplb_evolve.feedback import progress_line
from eplb_evolve.hostile_text import one_line, printable
from eplb_evolve.runs.models import in_words
from eplb_evolve.runs.progress import Progress, Seen

BAR = 100
"""Columns of the bar with its figures, at most."""
RECENT_SHOWN = 5
"""How many of the last evaluations the display shows where the terminal is high enough."""
_MODELS_SHOWN = 4
_LINES_BESIDE = 12
"""Of the display, without those, at 80 columns."""


def animated(stream: TextIO) -> bool:
    """Whether a display on this stream can be drawn again in place."""
    return stream.isatty() and os.environ.get("TERM", "") not in ("dumb", "unknown")


def plain_console(stream: TextIO) -> Console:
    """For a stream that is no terminal, or a poor one: no control characters, whatever the environment forces."""
    return SafeConsole(stream, force_terminal=False, color_system=None, legacy_windows=False)


def evaluation_line(seen: Seen, progress: Progress) -> str:
    """One evaluation as the search itself prints it."""
    return progress_line(seen.number, seen.entry, seen.best, progress.objective)


def summary(progress: Progress) -> str:
    """A run in one sentence."""
    if not progress.done:
        return "No evaluation yet."
    infeasible = progress.done - progress.feasible - progress.invalid - progress.evaluator_failed
    text = (
        f"{_count(progress)} evaluations in {duration(progress.elapsed_s)}: {progress.feasible} feasible, "
        f"{infeasible} infeasible, {progress.invalid} invalid{_evaluator_failed(progress)}"
    )
    return f"{text}; best: {_best(progress)}." if progress.best else f"{text}."


def duration(seconds: float) -> str:
    """`45 s`, `12 min`, `3 h 05 min`."""
    if round(seconds) < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def display(progress: Progress, run: str, height: int, notice: str = "") -> RenderableType:
    """The whole display. run: its folder, as people name it; height: lines of the terminal; notice: what is up."""
    parts = _title(progress, run)
    if progress.expected is not None:
        parts.append(_bar(progress.done, progress.expected))
    parts.append(_facts(progress))
    room = min(RECENT_SHOWN, height - _LINES_BESIDE - min(len(progress.models), _MODELS_SHOWN))
    if room > 0 and progress.recent:
        parts.append(Text())
        parts += [_recent(seen, progress) for seen in progress.recent[-room:]]
    said = [notice or state_sentence(progress), *at_floor_lines(progress, Path(run))]
    parts += [Text(line, style="yellow") for line in said if line]
    return Group(*parts)


def _title(progress: Progress, run: str) -> list[RenderableType]:
    lines: list[RenderableType] = [Text(one_line(run), style="bold", no_wrap=True, overflow="ellipsis")]
    if progress.workload:
        proposer = f"; {progress.proposer}" if progress.proposer else ""
        lines.append(Text(f"{progress.workload}, for {objective(progress.objective).counts}{proposer}"))
    return lines


def _bar(done: int, expected: int) -> Constrain:
    share = min(done / expected, 1.0)
    grid = Table.grid(padding=(0, 2, 0, 0), expand=True)
    grid.add_column(ratio=1)
    grid.add_column(no_wrap=True, justify="right")
    grid.add_row(ProgressBar(total=expected, completed=min(done, expected)), f"{done} of {expected}, {share:.0%}")
    return Constrain(grid, BAR)


def _facts(progress: Progress) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for label, value in _named(progress):
        grid.add_row(Text(label, style="cyan"), Text(printable(value)))
    return grid


def _recent(seen: Seen, progress: Progress) -> Text:
    style = "bold" if seen.best else "" if seen.entry.evaluation.feasible else "dim"
    text = evaluation_line(seen, progress).removeprefix("eplb ")
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")


def _named(progress: Progress) -> list[tuple[str, str]]:
    best = _best(progress) if progress.best else "none is feasible yet" if progress.done else "-"
    facts = [("best so far", best)]
    if progress.expected is None:
        facts.append(("evaluations", f"{progress.done}, of how many this run does not say"))
    share = progress.feasible_share
    feasible = f"{share:.0%}, {progress.invalid} invalid" if share is not None else "-"
    feasible += _evaluator_failed(progress)
    pace = f"{progress.per_minute:.1f} evaluations a minute" if progress.per_minute else "-"
    passed = duration(progress.elapsed_s) + (f", about {duration(progress.left_s)} left" if progress.left_s else "")
    cost = f"{progress.cost_usd:.2f} USD" if progress.cost_usd is not None else "-"
    models = [(one_line(each.model), in_words(each, progress.objective)) for each in progress.models[:_MODELS_SHOWN]]
    return [*facts, ("feasible", feasible), ("pace", pace), ("time", passed), ("cost", cost), *models]


def _best(progress: Progress) -> str:
    """The figure that counts, the time, where it stands, what made it."""
    assert progress.best is not None
    seen, goal = progress.best, objective(progress.objective)

    def show(name: str) -> str:
        return BY_NAME[name].show(seen.entry.evaluation.figure(name))

    figures = [f"{show(goal.shown)} {goal.beside}", f"{show('time_ms')} ms"]
    figures += [f"{show('ratio_to_reference')} x reference"] if goal.figure == "ratio_to_reference" else []
    how = f"{seen.entry.tier} {'+'.join(seen.entry.operators)}".strip()
    if progress.nothing_found:
        how = "what the search started from"
    return printable(f"{', '.join(figures)}; number {seen.number}" + (f", {how}" if how else ""))


def at_floor_lines(progress: Progress, run: Path) -> list[str]:
    """That the best program is at its floor, and the command that goes on from there; none where it is not."""
    if not progress.at_floor or progress.best is None:
        return []
    program = run / progress.best.entry.evaluation.program
    known = AT_FLOOR in progress.why_ended
    return [
        "A search for that goes on from the best program:" if known else f"At the floor: {AT_FLOOR}:",
        f"  make evolve CONFIG=configs/net_throughput.yaml SEED={program}",
    ]


def _evaluator_failed(progress: Progress) -> str:
    return f", {progress.evaluator_failed} evaluator failed" if progress.evaluator_failed else ""


def _count(progress: Progress) -> str:
    return f"{progress.done}" if progress.expected is None else f"{progress.done} of {progress.expected}"


def state_sentence(progress: Progress) -> str:
    """What is up with the run when it is not simply running; "" otherwise."""
    if progress.state == "waiting":
        return "Waiting for the first evaluation: there is no ledger yet."
    if progress.state == "ended":
        return printable(
            f"The search has ended: {progress.why_ended}" if progress.why_ended else "The search has ended."
        )
    if progress.state == "standing still":
        return f"No evaluation for {duration(progress.idle_s)}: the search may have been killed."
    return ""
