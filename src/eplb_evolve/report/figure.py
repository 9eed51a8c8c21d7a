"""A plot as plain data, its colours left as names that the page resolves for light, dark and print."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from eplb_evolve.board.metrics import BY_NAME

Item = TypeVar("Item")
Trace = dict[str, Any]

INK, SOFT, GRID, PAPER = "@ink", "@soft", "@grid", "@paper"
BEST, OTHER, THIRD, BAD = "@best", "@other", "@third", "@bad"
SCALE = [[step / 4, f"@scale{step}"] for step in range(5)]
"""One colour from faint to strong, for amounts."""
MOST_POINTS = 1500
"""Of one kind in a plot; more are thinned out, which the plot's summary says."""


@dataclass(frozen=True)
class Figure:
    """One plot.

    Attributes:
        key: its id on the page
        title: above it
        traces, layout: plotly's, with `@name` where a colour stands
        summary: in words, what a look at it shows
        height: pixels
    """

    key: str
    title: str
    traces: Sequence[Trace]
    layout: dict[str, Any]
    summary: str
    height: int = 380

    def as_dict(self) -> dict[str, Any]:
        """What the page's script draws."""
        base = {
            "height": self.height,
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"color": INK, "size": 12},
            "margin": {"l": 62, "r": 18, "t": 14, "b": 52},
            "legend": {"orientation": "h", "x": 0, "y": -0.24, "yanchor": "top"},
            "hoverlabel": {"bgcolor": PAPER, "bordercolor": SOFT, "font": {"color": INK}, "align": "left"},
            "hovermode": "closest",
        }
        return {"key": self.key, "data": list(self.traces), "layout": base | self.layout}


def axis(title: str, **more: Any) -> dict[str, Any]:
    """An axis in the page's colours."""
    lines = {"gridcolor": GRID, "linecolor": SOFT, "zerolinecolor": GRID, "tickcolor": SOFT, "automargin": True}
    return {"title": {"text": title, "standoff": 10}, **lines, **more}


def metric_title(name: str) -> str:
    """A metric's heading, unit and better direction, as an axis carries them."""
    metric = BY_NAME[name]
    unit = f" ({metric.unit})" if metric.unit not in ("", "x", metric.heading) else ""
    better = "" if metric.better == "neither" else f", {metric.better} is better"
    return f"{metric.heading}{unit}{better}"


def thinned(items: Sequence[Item], most: int) -> list[Item]:
    """At most about `most` of the items, evenly spread, the first and the last among them."""
    if len(items) <= most:
        return list(items)
    step = (len(items) - 1) / (most - 1)
    return [items[round(number * step)] for number in range(most)]


def short(value: float | None, digits: int = 5) -> float | None:
    """Fewer digits: a page of thousands of points stays small."""
    return None if value is None else float(f"{value:.{digits}g}")
