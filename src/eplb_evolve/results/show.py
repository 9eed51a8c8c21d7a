"""Tables for the terminal and for Markdown, from the same rows and the same list of metrics."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table as RichTable

from eplb_evolve.results.board import Row, Table
from eplb_evolve.results.metrics import BY_NAME

COLUMNS = ("time_ms", "ratio_to_reference", "speedup_over_seed", "balancedness", "transfers", "first_call_ms")
HEADINGS = ("#", "program", "from", *(BY_NAME[name].heading for name in COLUMNS))
UNRANKED_SHOWN = 3


def title(table: Table) -> str:
    """What the rows of a table have in common."""
    return f"{table.workload}, {table.split} windows, {table.device}, sandbox {table.sandbox_level}: {table.machine}"


def cells(row: Row) -> list[str]:
    """One row's cells, in the order of HEADINGS."""
    rank = str(row.rank) if row.rank is not None else "-"
    return [
        rank,
        row.name,
        row.provenance,
        *(BY_NAME[name].show(getattr(row.evaluation, name)) for name in COLUMNS),
    ]


def to_terminal(table: Table, console: Console, limit: int) -> None:
    """The best `limit` ranked rows, every row that is not evolved, and the nearest unranked ones with their reason."""
    ranked = [row for row in table.rows if row.rank is not None]
    shown = [row for row in ranked if (row.rank or 0) <= limit or row.provenance != "evolved"]
    grid = RichTable(title=title(table), title_justify="left", title_style="bold", box=None, pad_edge=False)
    for index, heading in enumerate(HEADINGS):
        grid.add_column(heading, justify="left" if index in (1, 2) else "right", overflow="fold")
    for row in shown:
        grid.add_row(*cells(row))
    console.print(grid)
    unranked = [row for row in table.rows if row.rank is None]
    if len(ranked) > len(shown):
        console.print(f"... and {len(ranked) - len(shown)} more feasible programs (--limit shows them).")
    if unranked:
        console.print(f"Not ranked: {len(unranked)} invalid or infeasible programs, among them:")
        for row in unranked[:UNRANKED_SHOWN]:
            console.print(f"  {row.name}: {row.evaluation.reason}", markup=False, highlight=False)


def legend(console: Console) -> None:
    """What the columns mean."""
    for name in COLUMNS:
        metric = BY_NAME[name]
        better = "" if metric.better == "neither" else f" {metric.better.capitalize()} is better."
        console.print(f"[bold]{metric.heading}[/bold]: {metric.description}{better}", highlight=False)


def to_markdown(board: Sequence[Table]) -> str:
    """results/LEADERBOARD.md: every record, one table per workload, split, device and machine."""
    lines = [
        "# Leaderboard",
        "",
        "Generated from `results/records/` by `eplb leaderboard --write`; not edited by hand. Rows compare only within",
        "their table. Each record's folder holds the program, the figures with their intervals, and the command.",
    ]
    for table in board:
        lines += ["", f"## {title(table)}", "", _line(HEADINGS), _line(["---"] * len(HEADINGS))]
        lines += [_line(_linked(row)) for row in table.rows]
    lines += ["", "## Columns", ""]
    lines += [f"- **{BY_NAME[name].heading}**: {BY_NAME[name].description}" for name in COLUMNS]
    return "\n".join(lines) + "\n"


def _linked(row: Row) -> list[str]:
    rank, name, *rest = cells(row)
    return [rank, f"[{name}](records/{name}/)", *rest]


def _line(values: Sequence[str]) -> str:
    return f"| {' | '.join(values)} |"
