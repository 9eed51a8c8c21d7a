"""results/LEADERBOARD.md, from the same rows and the same list of metrics as the terminal's tables."""

from collections.abc import Sequence
from textwrap import wrap

from eplb_evolve.board.everywhere import everywhere
from eplb_evolve.board.metrics import BY_NAME
from eplb_evolve.board.ranking import tables
from eplb_evolve.board.rows import Row, Table
from eplb_evolve.board.shipped_rows import Shipped
from eplb_evolve.board.terminal import COLUMNS, MARKS, figures, headings, rank, title
from eplb_evolve.board.without_groups import without_groups

ABOUT = """\
# Leaderboard

Written by `eplb board`, not edited by hand. On each workload all programs were called in turn on the same inputs, of
the holdout windows. Rows compare only within their table. `evolved` was found by a search here, `baseline` is a
published algorithm written anew, `reference` the best that we could write ourselves, `seed` the published form that
searches start from. A baseline whose header says `Held against` a module of vLLM or SGLang gives the GPUs the same
loads as the released module does (`make engines`); the others are from their description. Absolute figures are in
`results/standing.json`.
"""
DISPATCH = ("balancedness_even", "lp_bound", "balancedness_nearest")
ABOUT_DISPATCH = """
`even`, `lp` and `near` are balancedness on the next window by how a server chooses among an expert's replicas: equal
shares, as every planner assumes; as well as can be with this placement, by a linear program; the nearest replica, as
SGLang's static dispatch. They are of ten of the calls, the same for all programs, and nothing ranks by them.
"""
WIDTH = 120
"""Letters in a line of prose at most."""
SHOWN = (*COLUMNS, *DISPATCH, "speedup_over_seed", "first_call_ms", "samples")


def to_markdown(shipped: Shipped) -> str:
    """A table for each workload that has more than one row, and one of the ratios on all of them."""
    board = [table for table in tables(shipped.rows) if len(table.rows) > 1]
    names = _measured(board)
    lines = [*ABOUT.splitlines(), *(ABOUT_DISPATCH.splitlines() if names == SHOWN else ())]
    for table in board:
        lines += ["", f"## {title(table)}", "", *_about(shipped, table, board), *_table(table, names)]
        unranked = [f"- {row.name}: {row.evaluation.reason}" for row in table.rows if row.rank is None]
        lines += ["", *unranked] if unranked else []
    for each in everywhere(board):
        lines += ["", f"## x ref on each workload, {each.where}", ""]
        lines += ["In brackets where a program is not feasible.", ""]
        lines += [_line(("program", *each.workloads)), _line(["---"] * (1 + len(each.workloads)))]
        lines += [_line([_linked(row), *cells]) for row, cells in each.rows]
    lines += ["", "## Columns", ""]
    lines += [f"- **{BY_NAME[name].heading}**: {BY_NAME[name].description}" for name in names]
    lines += ["", MARKS.replace("*", r"\*")]
    return "\n".join(lines) + "\n"


def _measured(board: Sequence[Table]) -> tuple[str, ...]:
    """The columns; without those of dispatch where earlier versions measured all rows."""
    known = any(row.evaluation.dispatch is not None for table in board for row in table.rows)
    return tuple(name for name in SHOWN if known or name not in DISPATCH)


def _about(shipped: Shipped, table: Table, board: Sequence[Table]) -> list[str]:
    """What is said above a table."""
    sentences = wrap(" ".join(without_groups(table, board)), WIDTH)
    return [*_measuring(shipped, table), *sentences, *([""] if sentences else [])]


def _measuring(shipped: Shipped, table: Table) -> list[str]:
    """How the rows were measured, where the file tells."""
    known = shipped.measuring.get(table.conditions.workload)
    if known is None:
        return []
    when = known.when.replace("T", " ").removesuffix("+00:00")
    return [f"`{known.command}`, {when} UTC, {known.seconds / 60:.0f} minutes.", ""]


def _table(table: Table, names: Sequence[str]) -> list[str]:
    head = ("#", "program", "from", *headings(names))
    rows = [
        _line([rank(row).replace("*", r"\*"), _linked(row), row.provenance, *figures(row, names)]) for row in table.rows
    ]
    return [_line(head), _line(["---"] * len(head)), *rows]


def _linked(row: Row) -> str:
    return f"[{row.name}]({row.link})"


def _line(values: Sequence[str]) -> str:
    return f"| {' | '.join(values)} |"
