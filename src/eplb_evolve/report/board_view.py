"""The leaderboard as cells with what they are sorted by."""

from collections.abc import Sequence
from dataclasses import dataclass

from eplb_evolve.board.metrics import BY_NAME, Metric
from eplb_evolve.board.rows import Row, Table
from eplb_evolve.board.terminal import title
from eplb_evolve.evaluation.result import Evaluation
from eplb_evolve.hostile_text import sentence
from eplb_evolve.report.gather import Run
from eplb_evolve.report.text import said

RANKED_EVOLVED, UNRANKED_EACH = 25, 8
COLUMNS = (
    "time_ms",
    "ratio_to_reference",
    "speedup_over_seed",
    "balancedness_ratio",
    "transfers",
    "net_gain",
    "first_call_ms",
)


@dataclass(frozen=True)
class Cell:
    """What a cell shows, what it is sorted by (None: last), and the interval below it."""

    text: str
    value: float | None
    interval: str = ""


@dataclass(frozen=True)
class Line:
    """One program.

    Attributes:
        note: how it was made, or why it is not ranked
        marks: `best` for the run's best program, `front` for what nothing beats in time, balance and transfers alike,
            `unstable` where the time is not to be trusted
    """

    rank: int | None
    name: str
    provenance: str
    cells: Sequence[Cell]
    note: str
    marks: Sequence[str]


@dataclass(frozen=True)
class Board:
    """One table in three parts (with a rank, without, without figures), and how many of its rows are left out."""

    caption: str
    split: str
    columns: Sequence[Metric]
    ranked: Sequence[Line]
    unranked: Sequence[Line]
    untimed: Sequence[Line]
    ranked_left_out: int
    unranked_left_out: int


def view(table: Table, run: Run) -> Board:
    """The best evolved rows, every other ranked one, and the nearest infeasible and invalid ones."""
    winner = run.winner.evaluation.sha256 if run.winner is not None else ""
    ranked = [row for row in table.rows if row.rank is not None]
    best = [row for row in ranked if row.provenance == "evolved"][:RANKED_EVOLVED]
    kept = {row.evaluation.sha256 for row in best} | {winner}
    shown = [row for row in ranked if row.provenance != "evolved" or row.evaluation.sha256 in kept]
    unranked = [row for row in table.rows if row.rank is None]
    near = _nearest([row for row in unranked if row.evaluation.figure("time_ms") is not None])
    others = [row for row in unranked if row.evaluation.figure("time_ms") is None]
    untimed = [
        row for valid in (True, False) for row in _nearest([each for each in others if each.evaluation.valid is valid])
    ]
    columns = [BY_NAME[name] for name in COLUMNS if _known(name, shown)]

    def line(row: Row) -> Line:
        has = {
            "best": row.evaluation.sha256 == winner,
            "front": row.front,
            "unstable": row.rank is not None and row.unstable,
        }
        note = row.how.replace("+", " + ") if row.rank is not None else row.evaluation.reason
        if row.rank is None:
            note = f"{'infeasible' if row.evaluation.valid else 'invalid'}: {note}"
        alike = run.judged is not None and row.evaluation.figure("serving") == run.judged.figure("serving")
        cells = [_cell(metric, row.evaluation, alike) for metric in columns]
        return Line(
            row.rank,
            sentence(row.name, 60),
            row.provenance,
            cells,
            said(note, 160),
            [mark for mark in has if has[mark]],
        )

    return Board(
        title(table),
        table.conditions.split,
        columns,
        [line(row) for row in shown],
        [line(row) for row in near],
        [line(row) for row in untimed],
        len(ranked) - len(shown),
        len(unranked) - len(near) - len(untimed),
    )


def _nearest(rows: Sequence[Row]) -> list[Row]:
    """Those that are not evolved, and the best of the evolved."""
    evolved = [row for row in rows if row.provenance == "evolved"][:UNRANKED_EACH]
    return [*(row for row in rows if row.provenance != "evolved"), *evolved]


def _known(name: str, rows: Sequence[Row]) -> bool:
    return any(row.evaluation.figure(name) is not None for row in rows)


def _cell(metric: Metric, found: Evaluation, alike: bool) -> Cell:
    """What a server gains only where it is `alike`: computed for the same one."""
    value = found.figure(metric.name) if alike or metric.name != "net_gain" else None
    ends = metric.ends(found) if value is not None else None
    interval = f"{metric.show(ends[0])} to {metric.show(ends[1])}" if ends is not None else ""
    return Cell(metric.show(value), value, interval)
