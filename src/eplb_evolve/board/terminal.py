"""Tables for the terminal, from the board's rows and the one list of metrics."""

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from eplb_evolve.board.grid import Grid
from eplb_evolve.board.metrics import BY_NAME, METRICS
from eplb_evolve.board.rows import Row, Table
from eplb_evolve.hostile_text import printable

COLUMNS = ("time_ms", "ratio_to_reference", "ratio_spread", "speedup_over_seed", "balancedness", "transfers", "samples")
SERVING_COLUMNS = (
    "net_blocking_3000",
    "net_background_3000",
    "net_blocking_best",
    "net_background_best",
    "best_interval_steps",
    "break_even_steps",
    "of_perfect",
)
ALL_COLUMNS = tuple(metric.name for metric in METRICS)
BOUNDED = ("time_ms", "ratio_to_reference")
"""Figures that are upper bounds where the time is shorter than the clock can tell."""
MARKS = (
    "*: no other program is as good in time, balance and transfers and better in one of them. "
    "!: unstable, a wide interval or most calls disturbed. <: shorter than the clock can tell."
)
UNRANKED_SHOWN = 3
WIDE = 1000
"""Characters in a line at most, when it may be as long as need be."""


def columns(objective: str = "time") -> tuple[str, ...]:
    """The metrics of a table; for a search for net throughput that stands where the speedup does otherwise."""
    if objective != "net_throughput":
        return COLUMNS
    return tuple("net_throughput" if name == "speedup_over_seed" else name for name in COLUMNS)


def title(table: Table) -> str:
    """What the rows of a table have in common."""
    by = "" if table.objective == "time" else f", by {table.objective}"
    where = f"{table.device}, sandbox {table.sandbox_level}: {table.machine}"
    return f"{table.workload}, {table.split} windows{by}, {where}"


def rank(row: Row) -> str:
    """The rank with its marks."""
    if row.rank is None:
        return "-"
    return f"{row.rank}{'*' if row.front else ''}{'!' if row.unstable else ''}"


def figure(row: Row, name: str) -> str:
    """One figure of a row, as a table shows it."""
    value = getattr(row.evaluation, name)
    bound = "<" if value is not None and name in BOUNDED and row.evaluation.at_bound else ""
    return bound + BY_NAME[name].show(value)


def served(rows: Sequence[Row]) -> list[Row]:
    """The rows for which net throughput is known, best at every 3000 steps first."""
    known = [row for row in rows if row.evaluation.net_blocking_3000 is not None]
    return sorted(known, key=lambda row: -(row.evaluation.net_blocking_3000 or 0.0))


def serving_title(rows: Sequence[Row]) -> str:
    """Above a table of net throughput: the deployment that it is computed for."""
    deployments = sorted({row.evaluation.serving.split(",")[0] for row in rows})
    return f"Throughput / that of never rebalancing, {', '.join(deployments)}:"


def to_terminal(table: Table, console: Console, limit: int, wide: bool = False, invalid: bool = False) -> None:
    """The best `limit` ranked rows, every row that is not evolved, the nearest infeasible ones, and their reasons.

    Below it, the ranked rows by what they are worth to a server. wide: every figure, in lines as long as need be.
    invalid: every invalid program and its reason instead.
    """
    if invalid:
        _show_invalid(table, console)
        return
    ranked = [row for row in table.rows if row.rank is not None]
    shown = _first(ranked, limit)
    infeasible = [row for row in table.rows if row.evaluation.valid and row.rank is None]
    unranked = _first(infeasible, UNRANKED_SHOWN)
    names = ALL_COLUMNS if wide else columns(table.objective)
    headings = ("#", "program", "from", *(BY_NAME[name].heading for name in names))
    rows = [
        (rank(row), row.name, row.provenance, *(figure(row, name) for name in names)) for row in [*shown, *unranked]
    ]
    grid = Grid(headings, rows, left=(1, 2), name=1, title=title(table))
    (Console(file=console.file, width=WIDE) if wide else console).print(grid)
    _say_what_is_left_out(table, console, len(ranked) - len(shown), len(infeasible) - len(unranked), unranked)
    worth = served(shown)
    if worth and not wide:
        headings = ("#", "program", *(BY_NAME[name].heading for name in SERVING_COLUMNS))
        rows = [(rank(row), row.name, *(figure(row, name) for name in SERVING_COLUMNS)) for row in worth]
        console.print()
        console.print(Grid(headings, rows, left=(1,), name=1, title=serving_title(worth)))


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
        console.print(_plain(f"{row.name}, infeasible: {row.evaluation.reason}"))


def legend(console: Console, objective: str = "time", wide: bool = False) -> None:
    """What the columns and marks mean."""
    for name in ALL_COLUMNS if wide else (*columns(objective), *SERVING_COLUMNS):
        metric = BY_NAME[name]
        better = "" if metric.better == "neither" else f" {metric.better.capitalize()} is better."
        console.print(f"[bold]{metric.heading}[/bold]: {metric.description}{better}", highlight=False)
    console.print(MARKS, markup=False, highlight=False)
