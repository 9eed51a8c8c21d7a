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
    figure, axes = pyplot.subplots(figsize=(9, 5.5))
    dots = axes.scatter(
        [x for x, *_ in points], [y for _, y, *_ in points], c=[c for *_, c, _ in points], cmap="viridis"
    )
    front, best = [], -np.inf
    for x, y, *_ in sorted(points):
        if y > best:
            front.append((x, y))
            best = y
    axes.step(*zip(*front, strict=True), where="post", color="grey", linewidth=1, zorder=0)
    for x, y, _, name in points:
        axes.annotate(name, (x, y), xytext=(4, 3), textcoords="offset points", fontsize=7)
    axes.set_xscale("log")
    for each in policies:
        axes.axhline(each["next"], linestyle=":", color="grey", linewidth=1)
        axes.annotate(each["program"], (1, each["next"]), xycoords=("axes fraction", "data"), ha="right", fontsize=7)
    axes.set_xlabel("ms of a plan, one thread")
    axes.set_ylabel("balancedness on the next window")
    figure.colorbar(dots, label="transfers")
    axes.grid(True, which="both", alpha=0.25)
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None})
    pyplot.close(figure)
