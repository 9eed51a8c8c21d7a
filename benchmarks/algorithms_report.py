"""Table and picture of algorithms.py's figures."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

PEER = "deepseek"
PLACED_ONCE, ORACLE = "(placed once)", "(oracle)"
POLICIES = (PLACED_ONCE, ORACLE)
HEADINGS = (
    "program",
    "ms",
    "x deepseek",
    "x reference",
    "same window",
    "next window",
    "transfers",
    "cold ms",
    "first ms",
)
ABOUT = """\
One process gives all programs turns on the same windows. ms: median in a hot loop; cold: ms of the first call of a
turn, after the others, median; first: ms of the very first, which may compile. `x deepseek` and `x reference` are
ratios of ms to the published form and to the evaluator's yardstick. Balance is the mean over calls of vLLM's
balancedness on the window planned on and on the next; transfers are the share of replicas whose expert was not on that
GPU in the program's own last plan. `eplb evaluate` measures under harder conditions.
"""
NEAR = 0.015
"""What the lower part of the picture shows of balancedness below the best."""
GROWING = ("layers", "experts", "replicas", "GPUs")


def write_report(folder: Path) -> None:
    """algorithms.md and algorithms.svg from algorithms.json."""
    document = json.loads((folder / "algorithms.json").read_text())
    results = document["results"]
    lines = [
        "# Every balancer, side by side",
        "",
        f"Written by `python benchmarks/algorithms.py`. {document['machine']}; {document['date']}.",
        "",
        *ABOUT.splitlines(),
    ]
    for threads in sorted({result["threads"] for result in results}):
        for case in dict.fromkeys(result["case"] for result in results if result["threads"] == threads):
            if case.split()[0] not in GROWING:
                of_case = [each for each in results if each["case"] == case and each["threads"] == threads]
                lines += ["", f"## {case}, {threads} thread{'s' * (threads > 1)}", "", *table(of_case)]
    lines += ["", "## How time grows", "", *growth(results)]
    (folder / "algorithms.md").write_text("\n".join(lines) + "\n")
    draw(results, folder / "algorithms.svg")


def table(results: Sequence[dict[str, Any]]) -> list[str]:
    """One case's programs, the fastest first."""
    medians = {result["program"]: result["ms"][1] for result in results if result["ms"]}
    reference = next((ms for name, ms in medians.items() if name.startswith("greedy-numpy")), float("nan"))
    lines = [f"| {' | '.join(HEADINGS)} |", "|---" + "|---:" * (len(HEADINGS) - 1) + "|"]
    by_time = sorted(results, key=lambda each: medians.get(each["program"], np.inf))
    for result in sorted(by_time, key=lambda each: each["program"] in POLICIES):
        name = result["program"]
        if result["failure"] or name not in medians:
            lines.append(f"| {name} | failed: {result['failure'][:90]} |" + " |" * (len(HEADINGS) - 2))
            continue
        balance = f"{result['same']:.4f} | {result['next']:.4f} | {result['transfers']:.2f}"
        if name in POLICIES:
            lines.append(f"| {name} | - | - | - | {balance} | - | - |")
            continue
        ms, cold = medians[name], result["cold_ms"][1]
        ratios = f"{medians.get(PEER, float('nan')) / ms:.1f} | {reference / ms:.1f}"
        lines.append(f"| {name} | {ms:.3g} | {ratios} | {balance} | {cold:.3g} | {result['first_ms']:.0f} |")
    return lines


def growth(results: Sequence[dict[str, Any]]) -> list[str]:
    """Exponents: the slope of log time over log size, of least squares, when one number of the shape grows."""
    lines = [
        "Time is about proportional to the number to this power, over the range that algorithms.py names in GROWTH:",
        "",
    ]
    lines += [f"| program | {' | '.join(GROWING)} |", "|---" + "|---:" * len(GROWING) + "|"]
    alone = [each for each in results if each["threads"] == 1 and each["ms"] and each["program"] not in POLICIES]
    for program in sorted({result["program"] for result in alone}):
        cells = []
        for axis in GROWING:
            points = [
                (int(result["case"].split()[1]), result["ms"][1])
                for result in alone
                if result["program"] == program and result["case"].split()[0] == axis
            ]
            cells.append(f"{np.polyfit(*np.log(np.array(points)).T, 1)[0]:.2f}" if len(points) > 1 else "-")
        lines.append(f"| {program} | {' | '.join(cells)} |")
    return lines


def draw(results: Sequence[dict[str, Any]], file: Path) -> None:
    """Time against balance on the next window, on the published benchmark's shape, one thread; the front is drawn."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "algorithms"  # the same figures make the same file
    from matplotlib import pyplot

    shown = [each for each in results if each["case"] == "dsv3-composite" and each["threads"] == 1 and each["ms"]]
    if not shown:
        return
    policies = [each for each in shown if each["program"] in POLICIES]
    points = [
        (each["ms"][1], each["next"], each["transfers"], each["program"])
        for each in shown
        if each["program"] not in POLICIES
    ]
    front = [point for point in points if all(point[0] <= x or point[1] > y for x, y, *_ in points)]
    figure, both = pyplot.subplots(2, figsize=(9, 9), layout="constrained", height_ratios=(1, 1.4))
    for axes in both:
        times, balances, moved, _ = zip(*points, strict=True)
        dots = axes.scatter(times, balances, c=moved, cmap="viridis")
        axes.step(*zip(*[point[:2] for point in sorted(front)], strict=True), where="post", color="grey", zorder=0)
        axes.set_xscale("log")
        axes.set_ylabel("balancedness on the next window")
        axes.grid(True, which="both", alpha=0.25)
    whole, near = both
    best = max(balance for _, balance, *_ in points)
    for time, balance, _, name in points:
        if balance < best - NEAR:
            whole.annotate(name, (time, balance), xytext=(5, 3), textcoords="offset points", fontsize=8)
        else:
            near.annotate(name, (time, balance), xytext=(2, 5), textcoords="offset points", fontsize=8, rotation=55)
    for each in policies:
        whole.axhline(each["next"], linestyle=":", color="grey")
        whole.annotate(
            each["program"], (0.01, each["next"]), xycoords=("axes fraction", "data"), va="bottom", fontsize=8
        )
    near.set_ylim(best - NEAR, best + NEAR / 2)
    near.set_xlabel("ms of a plan in a hot loop, one thread")
    whole.set_title("dsv3-composite, holdout windows; below, the best of them nearer", fontsize=10)
    figure.colorbar(dots, ax=both, label="transfers")
    figure.savefig(file, metadata={"Date": None})
    pyplot.close(figure)
