"""Picture of net throughput against the interval."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from eplb_evolve.serving.cost import MODES
from eplb_evolve.serving.course import POLICIES
from eplb_evolve.serving.curve import PERFECT, Curve
from eplb_evolve.serving.presets import Deployment

LEVEL = (*POLICIES, PERFECT)
"""Drawn as lines: how often they plan does not matter."""
TEN_MINUTES_S = 600.0


def draw(served: Deployment, workload: str, recorded_steps: int, curves: Sequence[Curve], file: Path) -> None:
    """One panel per mode: a curve for each balancer, a line for each policy, marks at usual intervals."""
    figure = Figure(figsize=(10, 5.2), layout="constrained")
    axes = figure.subplots(1, len(MODES), sharey=True)
    for panel, mode in zip(axes, MODES, strict=True):
        for curve in curves:
            if curve.name in LEVEL:
                level = curve.net[mode][-1]
                panel.axhline(level, color="grey", linestyle=":", linewidth=1)
                panel.annotate(curve.name, (0.99, level), xycoords=("axes fraction", "data"), ha="right", va="bottom")
            else:
                panel.plot(curve.steps, curve.net[mode], label=curve.name)
        panel.axhline(1, color="grey", linewidth=1)
        panel.annotate("never", (0.99, 1), xycoords=("axes fraction", "data"), ha="right", va="bottom")
        marks = {100: "100", 1000: "1000", 3000: "3000", round(TEN_MINUTES_S / served.step_s): "10 min"}
        for steps, text in marks.items():
            panel.axvline(steps, color="grey", alpha=0.4, linewidth=0.8)
            panel.annotate(text, (steps, 0.01), xycoords=("data", "axes fraction"), rotation=90, fontsize=8)
        panel.axvspan(recorded_steps, curves[0].steps[-1], color="grey", alpha=0.06)
        panel.set_xscale("log")
        panel.set_title(mode, fontsize=10)
        panel.set_xlabel(f"steps between rebalances (shaded: longer than recorded, {recorded_steps})")
    axes[0].set_ylabel("throughput / never rebalancing")
    axes[0].set_ylim(bottom=0.5)
    axes[-1].legend(loc="lower right", fontsize=8)
    figure.suptitle(f"{served.name}, load of {workload}", fontsize=11)
    figure.savefig(file)
