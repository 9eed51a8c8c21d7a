"""Plot of the search's course: the best so far, evaluation by evaluation."""

from collections.abc import Sequence

from eplb_evolve.board.metrics import BY_NAME
from eplb_evolve.report.figure import (
    BAD,
    BEST,
    MOST_POINTS,
    OTHER,
    SOFT,
    Figure,
    Trace,
    axis,
    metric_title,
    short,
    thinned,
)
from eplb_evolve.report.gather import Run
from eplb_evolve.report.text import for_plot
from eplb_evolve.runs.ledger import Entry


def evolution_figure(run: Run) -> Figure | None:
    """The best so far, evaluation by evaluation; None for an empty ledger."""
    if not run.entries:
        return None
    name, numbered = run.fitting, list(enumerate(run.entries, 1))
    better = min if BY_NAME[name].better == "lower" else max
    traces: list[Trace] = []
    said = []
    for split, colour, dash in (("search", OTHER, "solid"), ("holdout", BEST, "dash")):
        found = [
            (number, entry.evaluation.figure(name), entry)
            for number, entry in numbered
            if entry.evaluation.conditions.split == split and entry.evaluation.feasible
        ]
        found = [each for each in found if each[1] is not None]
        if not found:
            continue
        steps = [found[0]]
        for each in found[1:]:
            if better(each[1], steps[-1][1]) != steps[-1][1]:
                steps.append(each)
        last = found[-1][0] if split == "holdout" else len(run.entries)
        traces += [_dots(thinned(found, MOST_POINTS), split, colour), _stairs(steps, last, split, colour, dash)]
        show = BY_NAME[name].show
        said.append(
            f"on {split} windows from {show(steps[0][1])} to {show(steps[-1][1])} in {_counted(len(steps) - 1, 'gain')}"
        )
    ticks = [
        _ticks([number for number, entry in numbered if entry.evaluation.status == status], status, colour, height)
        for status, colour, height in (("invalid", BAD, 0.15), ("infeasible", SOFT, 0.75))
    ]
    traces += [trace for trace in ticks if trace["x"]]
    scale = {"type": "log"} if name == "ratio_to_reference" else {}
    layout = {
        "xaxis": axis("evaluation", range=[0, len(run.entries) + 1], anchor="y2"),
        "yaxis": axis(metric_title(name), domain=[0.14, 1], **scale),
        "yaxis2": axis(
            "",
            domain=[0, 0.1],
            range=[-0.2, 1.1],
            showticklabels=False,
            showgrid=False,
            zeroline=False,
            showline=False,
            ticks="",
            fixedrange=True,
        ),
    }
    invalid = sum(entry.evaluation.status == "invalid" for entry in run.entries)
    told = "; ".join(said) or "nothing was feasible"
    summary = (
        f"{BY_NAME[name].heading}, best so far over {len(run.entries)} evaluations: {told}. {invalid} were invalid."
    )
    if len(run.entries) > MOST_POINTS:
        summary += f" Of the points, {MOST_POINTS} of each kind are drawn, evenly spread; the lines are whole."
    return Figure("evolution", "Best so far", traces, layout, summary, 400)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _dots(found: Sequence[tuple[int, float, Entry]], split: str, colour: str) -> Trace:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": f"feasible, {split}",
        "x": [number for number, _, _ in found],
        "y": [short(value) for _, value, _ in found],
        "text": [
            f"{entry.evaluation.sha256[:10]}<br>{for_plot('+'.join(entry.operators), 80)}" for _, _, entry in found
        ],
        "hoverinfo": "x+y+text",
        "marker": {"size": 6, "color": colour, "opacity": 0.55, "symbol": "circle" if split == "search" else "diamond"},
    }


def _stairs(steps: Sequence[tuple[int, float, Entry]], last: int, split: str, colour: str, dash: str) -> Trace:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": f"best so far, {split}",
        "x": [*(number for number, _, _ in steps), last],
        "y": [short(value) for value in (*(value for _, value, _ in steps), steps[-1][1])],
        "hoverinfo": "skip",
        "line": {"shape": "hv", "width": 2.5, "color": colour, "dash": dash},
    }


def _ticks(numbers: Sequence[int], name: str, colour: str, height: float) -> Trace:
    chosen = thinned(numbers, MOST_POINTS)
    return {
        "type": "scatter",
        "mode": "markers",
        "name": f"{name} ({len(numbers)})",
        "x": chosen,
        "y": [height] * len(chosen),
        "yaxis": "y2",
        "hoverinfo": "x+name",
        "marker": {"symbol": "line-ns-open", "size": 9, "color": colour, "line": {"width": 1.5}},
    }
