"""Plot of time against balance: what no other program beats."""

import math
from collections.abc import Sequence

from eplb_evolve.board.metrics import BY_NAME
from eplb_evolve.board.ranking import reaches
from eplb_evolve.board.rows import Row, Table
from eplb_evolve.report.figure import (
    BEST,
    INK,
    MOST_POINTS,
    SCALE,
    SOFT,
    Figure,
    Trace,
    axis,
    metric_title,
    short,
    thinned,
)
from eplb_evolve.report.text import for_plot

SYMBOLS = {"evolved": "circle", "seed": "square", "baseline": "triangle-up", "reference": "diamond"}


def pareto_figure(table: Table, winner: str) -> Figure | None:
    """Feasible programs of a table by time, balance and transfers; None when fewer than two have all three."""
    rows = [row for row in table.rows if row.rank is not None and reaches(row.evaluation) is not None]
    if len(rows) < 2:
        return None
    front = frozenset(row.evaluation.sha256 for row in rows if row.front)
    always = [row for row in rows if row.evaluation.sha256 in front or row.provenance != "evolved"]
    others = [row for row in rows if row.evaluation.sha256 not in front and row.provenance == "evolved"]
    shown = [*always, *thinned(others, MOST_POINTS)]
    traces = [_points(shown, kind, symbol) for kind, symbol in SYMBOLS.items()]
    traces = [each for trace in traces if trace["x"] for each in (trace, _key(trace))]
    traces.append(_rings(shown, front))
    named = [row for row in shown if row.evaluation.sha256 == winner or row.name == "deepseek"]
    layout = {
        "xaxis": axis(metric_title("ratio_to_reference"), type="log"),
        "yaxis": axis(metric_title("balancedness_ratio")),
        "coloraxis": {
            "colorscale": SCALE,
            "cmin": 0,
            "colorbar": {"title": {"text": _unit("transfers"), "side": "top"}, "thickness": 10, "outlinewidth": 0},
        },
        "annotations": [_label(row, "best" if row.evaluation.sha256 == winner else row.name) for row in named],
    }
    split = table.conditions.split
    return Figure(f"pareto-{split}", f"{split.capitalize()} windows", traces, layout, _said(rows, shown, front), 420)


def _unit(name: str) -> str:
    metric = BY_NAME[name]
    return f"{metric.heading}, {metric.unit}"


def _points(rows: Sequence[Row], kind: str, symbol: str) -> Trace:
    chosen = [row for row in rows if row.provenance == kind]
    moved = [short(100 * (row.evaluation.figure("transfers") or 0.0), 3) for row in chosen]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": kind,
        "x": [short(row.evaluation.figure("ratio_to_reference")) for row in chosen],
        "y": [short(row.evaluation.figure("balancedness_ratio")) for row in chosen],
        "text": [_hover(row) for row in chosen],
        "hoverinfo": "text",
        "showlegend": False,
        "marker": {
            "symbol": symbol,
            "size": 9,
            "color": moved,
            "coloraxis": "coloraxis",
            "line": {"width": 1, "color": SOFT},
        },
    }


def _key(trace: Trace) -> Trace:
    """The legend's entry for points whose colours are amounts: it has one colour of its own."""
    symbol = trace["marker"]["symbol"]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": trace["name"],
        "x": [None],
        "y": [None],
        "marker": {"symbol": symbol, "size": 9, "color": SOFT},
    }


def _hover(row: Row) -> str:
    found = row.evaluation
    shown = (
        f"{BY_NAME[name].heading} {BY_NAME[name].show(found.figure(name))}"
        for name in ("ratio_to_reference", "balancedness_ratio", "transfers")
    )
    return "<br>".join([for_plot(row.name), *shown, *([for_plot(row.how, 80)] if row.how else [])])


def _rings(rows: Sequence[Row], front: frozenset[str]) -> Trace:
    chosen = [row.evaluation for row in rows if row.evaluation.sha256 in front]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "on the front of all three",
        "x": [short(each.figure("ratio_to_reference")) for each in chosen],
        "y": [short(each.figure("balancedness_ratio")) for each in chosen],
        "hoverinfo": "skip",
        "marker": {"symbol": "circle-open", "size": 16, "color": BEST, "line": {"width": 2}},
    }


def _label(row: Row, text: str) -> Trace:
    return {
        "x": math.log10(row.evaluation.figure("ratio_to_reference") or 1.0),
        "y": row.evaluation.figure("balancedness_ratio"),
        "text": for_plot(text, 24),
        "showarrow": True,
        "arrowcolor": SOFT,
        "arrowhead": 0,
        "ax": 18,
        "ay": -24,
        "font": {"color": INK, "size": 12},
    }


def _said(rows: Sequence[Row], shown: Sequence[Row], front: frozenset[str]) -> str:
    names = [row.name for row in rows if row.evaluation.sha256 in front]
    listed = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    thinned_out = f" {len(rows) - len(shown)} points inside are left out." if len(shown) < len(rows) else ""
    return (
        f"{len(rows)} feasible programs. On the front, where no other is better in time, balance or moved slots and "
        f"not worse in the others, as far as the intervals tell: {listed}.{thinned_out}"
    )
