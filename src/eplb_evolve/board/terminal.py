"""Tables for the terminal, from the board's rows and the one list of metrics."""

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from eplb_evolve.board.doubts import doubts
from eplb_evolve.board.grid import Grid
from eplb_evolve.board.metrics import BY_NAME, METRICS
from eplb_evolve.board.rows import Row, Table
from eplb_evolve.evaluation.result import Conditions
from eplb_evolve.evaluation.task import WITHOUT_GROUPS
from eplb_evolve.hostile_text import printable

COLUMNS = ("time_ms", "ratio_to_reference", "balancedness_ratio", "transfers", "net_gain")
"""What ranks and stars, beside the time itself and the share of slots that moved, of which the difference to the
reference's counts. Absolute figures are in `--wide` and JSON."""
WITH_INTERVAL = ("ratio_to_reference", "balancedness_ratio", "transfers_more", "net_gain")
"""Columns that have half the width of their interval beside them."""
ALL_COLUMNS = tuple(metric.name for metric in METRICS)
BOUNDED = ("time_ms", "ratio_to_reference")
"""Figures that are upper bounds where the time is shorter than the clock can tell."""
MARKS = (
    "±: half the width of the 95 % interval in which another evaluation's figure lies. "
    "*: no other program is better in time, balance or moved slots and not worse in the others, as far as these "
    "intervals tell. !: the time is in doubt, see eplb evaluate. <: shorter than the clock can tell."
)
UNRANKED_SHOWN = 3
NOT_RANKED = "its figures say nothing of what this table ranks by"
WIDE = 1000
"""Characters in a line at most, when it may be as long as need be."""


def title(table: Table) -> str:
    """What the rows of a table have in common."""
    where, by = table.conditions, "" if table.objective == "time" else f", by {table.objective}"
    other = " (another problem)" if where.workload.endswith(WITHOUT_GROUPS) else ""
    return f"{where.workload}{other}, {where.split} windows{by}, {conditions_in_words(where)}"


def conditions_in_words(where: Conditions) -> str:
    """Device, sandbox and machine."""
    return f"{where.device}, sandbox {where.sandbox_level}: {where.machine}"


def rank(row: Row) -> str:
    """The rank with its marks."""
    if row.rank is None:
        return "-"
    return f"{row.rank}{'*' if row.front else ''}{'!' if row.unstable else ''}"


def figure(row: Row, name: str) -> str:
    """One figure of a row, as a table shows it."""
    value = row.evaluation.figure(name)
    bound = "<" if value is not None and name in BOUNDED and row.evaluation.figure("at_bound") else ""
    return bound + BY_NAME[name].show(value)


def headings(names: Sequence[str]) -> list[str]:
    """Of these metrics, and of the intervals beside them."""
    return [
        each
        for name in names
        for each in ([BY_NAME[name].heading, "±"] if name in WITH_INTERVAL else [BY_NAME[name].heading])
    ]


def figures(row: Row, names: Sequence[str]) -> list[str]:
    """The cells below them."""
    found: list[str] = []
    for name in names:
        found.append(figure(row, name))
        if name in WITH_INTERVAL:
            ends = BY_NAME[name].ends(row.evaluation)
            found.append(BY_NAME[name].show_half(*ends) if ends is not None else "-")
    return found


def to_terminal(table: Table, console: Console, limit: int, wide: bool = False, invalid: bool = False) -> None:
    """The best `limit` ranked rows, every row that is not evolved, the nearest infeasible ones, and their reasons.

    wide: every figure, in lines as long as need be.
    invalid: every invalid program and its reason instead.
    """
    if invalid:
        _show_invalid(table, console)
        return
    ranked = [row for row in table.rows if row.rank is not None]
    shown = _first(ranked, limit)
    infeasible = [row for row in table.rows if row.evaluation.valid and row.rank is None]
    unranked = _first(infeasible, UNRANKED_SHOWN)
    names = ALL_COLUMNS if wide else COLUMNS
    head = ("#", "program", "from", *headings(names))
    rows = [(rank(row), row.name, row.provenance, *figures(row, names)) for row in [*shown, *unranked]]
    grid = Grid(head, rows, left=(1, 2), name=1, title=title(table))
    (Console(file=console.file, width=WIDE) if wide else console).print(grid)
    if not wide:
        _say_doubts(shown, console)
    _say_what_is_left_out(table, console, len(ranked) - len(shown), len(infeasible) - len(unranked), unranked)


def _plain(text: str) -> Text:
    """Of candidates, so neither markup nor control characters."""
    return Text(printable(text))


def _first(rows: Sequence[Row], limit: int) -> list[Row]:
    """The first evolved ones, and all others."""
    evolved = 0
    found = []
    for row in rows:
        evolved += row.provenance == "evolved"
        if row.provenance != "evolved" or evolved <= limit:
            found.append(row)
    return found


def _show_invalid(table: Table, console: Console) -> None:
    bad = [row for row in table.rows if not row.evaluation.valid]
    console.print(f"{title(table)}: {len(bad)} invalid programs", style="bold", highlight=False)
    for row in bad:
        console.print(_plain(f"{row.name}  {row.provenance}  {row.how}"))
        console.print(_plain(f"  {' '.join(row.evaluation.reason.split())}"))


def _say_doubts(shown: Sequence[Row], console: Console) -> None:
    """Of the best row and of the best evolved one, which people quote."""
    best = [*shown[:1], *[row for row in shown if row.provenance == "evolved"][:1]]
    for row in dict.fromkeys(best):
        for doubt in doubts(row.evaluation):
            console.print(_plain(f"{row.name}: {doubt}"))


def _say_what_is_left_out(
    table: Table, console: Console, feasible: int, infeasible: int, unranked: Sequence[Row]
) -> None:
    invalid = sum(not row.evaluation.valid for row in table.rows)
    counts = [(feasible, "feasible"), (infeasible, "infeasible")]
    more = " and ".join(f"{count} more {what}" for count, what in counts if count)
    if more:
        console.print(f"... and {more} programs (--limit shows them).", highlight=False)
    if invalid:
        console.print(f"{invalid} programs are invalid (--invalid shows them).", highlight=False)
    for row in unranked:
        console.print(_plain(f"{row.name}, {row.evaluation.status}: {row.evaluation.reason or NOT_RANKED}"))


def legend(console: Console, wide: bool = False) -> None:
    """What the columns and marks mean."""
    for name in ALL_COLUMNS if wide else COLUMNS:
        metric = BY_NAME[name]
        better = "" if metric.better == "neither" else f" {metric.better.capitalize()} is better."
        console.print(f"[bold]{metric.heading}[/bold]: {metric.description}{better}", highlight=False)
    console.print(MARKS, markup=False, highlight=False)
