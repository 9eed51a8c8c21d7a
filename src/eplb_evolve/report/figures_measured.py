"""Plots of what was measured beyond the search: bars by workload, load of GPUs, net throughput."""

from collections.abc import Sequence
from dataclasses import replace

from eplb_evolve.board.metrics import BY_NAME
from eplb_evolve.board.rows import Row
from eplb_evolve.report.figure import (
    BAD,
    BEST,
    GRID,
    INK,
    OTHER,
    SCALE,
    SOFT,
    THIRD,
    Figure,
    Trace,
    axis,
    metric_title,
    short,
)
from eplb_evolve.report.run_winner import Executed, Heat
from eplb_evolve.report.text import for_plot
from eplb_evolve.serving.cost import MODES, Mode, net_throughput
from eplb_evolve.serving.course import POLICIES
from eplb_evolve.serving.curve import PERFECT, Curve
from eplb_evolve.serving.presets import Deployment


def bars_figure(name: str, programs: Sequence[tuple[str, Sequence[Row]]]) -> Figure | None:
    """One bar for each workload, split and program where `name` is known; None when it nowhere is."""
    metric, logarithmic = BY_NAME[name], name in ("ratio_to_reference", "time_ms")
    bars = [
        (row.evaluation, label, colour)
        for (label, rows), colour in zip(programs, (BEST, OTHER, THIRD, BAD), strict=True)
        for row in rows
        if row.evaluation.figure(name) is not None
    ]
    if not bars:
        return None
    bars.sort(key=lambda bar: (bar[0].conditions.workload, bar[0].conditions.split))  # stable
    places = [
        f"{for_plot(label, 40)}<br>{for_plot(each.conditions.workload, 40)}, {each.conditions.split}"
        for each, label, _ in bars
    ]
    values = [float(each.figure(name)) for each, _, _ in bars]
    ends = [metric.ends(each) or (value, value) for (each, _, _), value in zip(bars, values, strict=True)]
    low, high = ([float(each[at]) for each in ends] for at in (0, 1))
    base = 0.0 if metric.unit == "%" else 1.0  # what is no better than the yardstick has no bar
    traces: list[Trace] = [
        {
            "type": "bar",
            "orientation": "h",
            "base": base,
            "x": [short(value - base) for value in values],
            "y": places,
            "hoverinfo": "skip",
            "marker": {"color": [colour for _, _, colour in bars]},
        },
        {
            "type": "scatter",
            "mode": "markers",
            "x": [short(value) for value in values],
            "y": places,
            "hoverinfo": "x",
            "marker": {"color": INK, "size": 3},
            **({"error_x": _error(values, low, high)} if metric.interval else {}),
        },
        {
            "type": "scatter",
            "mode": "text",
            "x": [short(max(top, base)) for top in high],
            "y": places,
            "text": [f"  {metric.show(value)}" for value in values],
            "textposition": "middle right",
            "cliponaxis": False,
            "hoverinfo": "skip",
        },
    ]
    layout = {
        "xaxis": axis(metric_title(name), **({"type": "log"} if logarithmic else {})),
        "yaxis": axis("", autorange="reversed", showgrid=False),
        "bargap": 0.35,
        "showlegend": False,
        "margin": {"l": 62, "r": 56, "t": 14, "b": 52},
    }
    shown = [
        f"{label} on {each.conditions.workload}, {each.conditions.split}: {metric.show(value)}"
        + (f" ({metric.show(bottom)} to {metric.show(top)})" if top > bottom else "")
        for (each, label, _), value, bottom, top in zip(bars, values, low, high, strict=True)
    ]
    start = {
        "ratio_to_reference": " Bars begin at 1, the reference's own time; to the left is faster.",
        "balancedness_ratio": " Bars begin at 1, the reference's own balancedness.",
        "net_gain": " Bars begin at 0, the reference's own net throughput.",
    }.get(name, "")
    return Figure(f"bars-{name}", metric.heading, traces, layout, "; ".join(shown) + "." + start, 110 + 46 * len(bars))


def _error(values: Sequence[float], low: Sequence[float], high: Sequence[float]) -> Trace:
    return {
        "type": "data",
        "symmetric": False,
        "array": [short(top - value) for value, top in zip(values, high, strict=True)],
        "arrayminus": [short(value - bottom) for value, bottom in zip(values, low, strict=True)],
        "color": INK,
        "thickness": 1.5,
        "width": 4,
    }


def heat_figures(heat: Heat) -> list[Figure]:
    """Before and after, in the same colours."""
    top = short(float(max(heat.before.max(), heat.after.max())), 3)
    found = []
    for key, title, load, balance in (
        ("before", "Before: the placement at the start", heat.before, heat.balancedness_before),
        ("after", "After: the best program's placement", heat.after, heat.balancedness_after),
    ):
        summary = (
            f"Balancedness {balance:.3f}; the fullest GPU of any layer has {load.max():.2f} times the mean load, the "
            f"fullest GPU of the median layer {sorted(load.max(axis=1))[len(load) // 2]:.2f} times."
        )
        trace = {
            "type": "heatmap",
            "z": [[round(float(value), 2) for value in row] for row in load],
            "zmin": 0,
            "zmax": top,
            "colorscale": SCALE,
            "hovertemplate": "GPU %{x}, layer %{y}: %{z} x mean<extra></extra>",
            "colorbar": {"title": {"text": "x mean", "side": "top"}, "thickness": 10, "outlinewidth": 0},
        }
        layout = {"xaxis": axis("GPU", showgrid=False), "yaxis": axis("layer", showgrid=False, autorange="reversed")}
        found.append(Figure(f"heat-{key}", title, [trace], layout, summary, 430))
    return found


def net_figures(drawn: Sequence[Curve], best: str, recorded_steps: int) -> list[Figure]:
    """Net throughput against the interval, one plot for each mode."""
    return [_net(drawn, best, recorded_steps, mode) for mode in MODES]


def _net(drawn: Sequence[Curve], best: str, recorded_steps: int, mode: Mode) -> Figure:
    traces, notes, said = [], [], []
    lines = {best: (BEST, "solid"), "reference": (OTHER, "dash")}
    steps = drawn[0].steps
    for curve in drawn:
        level = curve.name in (*POLICIES, PERFECT)
        colour, dash = lines.get(curve.name, (SOFT, "dot"))
        values = [curve.net[mode][-1]] * 2 if level else list(curve.net[mode])
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": for_plot(curve.name, 40),
                "x": [steps[0], steps[-1]] if level else list(steps),
                "y": [short(value) for value in values],
                "hoverinfo": "x+y+name",
                "line": {"color": colour, "dash": dash, "width": 1.2 if level else 2.5},
                "showlegend": not level,
            }
        )
        if level:
            notes.append(_note(curve.name, values[-1]))
        else:
            said.append(f"{curve.name} {curve.at[mode]:.3f}")
    notes.append(_note("never", 1.0))
    layout = {
        "xaxis": axis("steps between rebalances", type="log"),
        "yaxis": axis(
            "throughput / never rebalancing", range=[0.8, max(curve.net[mode][-1] for curve in drawn) + 0.06]
        ),
        "annotations": notes,
        "shapes": [
            {
                "type": "rect",
                "xref": "x",
                "yref": "paper",
                "x0": recorded_steps,
                "x1": steps[-1],
                "y0": 0,
                "y1": 1,
                "fillcolor": GRID,
                "opacity": 0.35,
                "line": {"width": 0},
                "layer": "below",
            },
            {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": 1, "y1": 1, "line": {"color": SOFT, "width": 1}},
        ],
    }
    names = {"blocking": "Blocking: serving waits", "background": "Background: serving goes on"}
    summary = (
        f"At every 3,000 steps: {', '.join(said)} times the throughput of never rebalancing. Shaded: intervals longer "
        f"than the {recorded_steps} steps of a recorded window."
    )
    return Figure(f"net-{mode}", names[mode], traces, layout, summary, 400)


def _note(text: str, level: float) -> Trace:
    place = {"xref": "paper", "x": 1, "xanchor": "right", "y": level, "yanchor": "bottom"}
    return {**place, "text": text, "showarrow": False, "font": {"color": INK, "size": 11}}


def planning_matters(executed: Executed, served: Deployment) -> str:
    """In words, what a plan that takes no time at all would gain over the best program's."""
    intervals = executed.best.intervals
    instant = [replace(each, plan_s=0.0) for each in intervals]
    parts = []
    for steps in (100, 3000):
        now, then = (net_throughput(served, each, steps, "blocking") for each in (intervals, instant))
        parts.append(f"{100 * (then / now - 1):.2f} % at every {steps:,} steps")
    return (
        f"If the best program planned in no time at all, a server that waits for it would gain {' and '.join(parts)}: "
        "that is what a still faster plan can be worth here. The rest is balance and what moving weights costs."
    )
