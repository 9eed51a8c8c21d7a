"""Table and picture of the control's runs; see control.py."""

import json
import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MARKS = (25, 50, 100, 200, 300)
COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#8c564b")


@dataclass(frozen=True)
class Curve:
    """One model's runs: `best[r][i]` is run r's best feasible speed-up over the seed after i + 1 evaluations."""

    model: str
    runs: tuple[dict[str, Any], ...]
    best: tuple[tuple[float, ...], ...]

    def at(self, evaluations: int) -> list[float]:
        """Each run's best after so many evaluations, or after all that it had time for."""
        return [run[min(evaluations, len(run)) - 1] for run in self.best]


def read_curves(folder: Path) -> list[Curve]:
    """Every model with a run in folder/runs, by name."""
    runs: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for file in sorted((folder / "runs").glob("*.json")):
        run = json.loads(file.read_text())
        runs[run["plan"]["model"]].append(run)
    return [Curve(model, tuple(each), tuple(best_so_far(run) for run in each)) for model, each in sorted(runs.items())]


def best_so_far(run: dict[str, Any]) -> tuple[float, ...]:
    """The best feasible speed-up after each evaluation; 0 before there is one."""
    best, found = 0.0, []
    for evaluation in run["evaluations"]:
        if evaluation["feasible"] and evaluation["speedup"]:
            best = max(best, evaluation["speedup"])
        found.append(best)
    return tuple(found)


def write_report(folder: Path) -> None:
    """control.svg and the tables of README.md, between the marks that stand there; what else it says stays."""
    curves = read_curves(folder)
    draw(curves, folder / "control.svg")
    readme = folder / "README.md"
    begin, end = "<!-- figures: written by benchmarks/control.py -->", "<!-- end of figures -->"
    old = readme.read_text() if readme.exists() else f"# The control\n\n{begin}\n{end}\n"
    before, _, rest = old.partition(begin)
    _, _, after = rest.partition(end)
    again = folder / "again.json"
    figures = tables(curves) + (measured_again(json.loads(again.read_text())) if again.exists() else "")
    readme.write_text(f"{before}{begin}\n\n{figures}\n{end}{after}")


def tables(curves: Sequence[Curve]) -> str:
    """The figures as Markdown."""
    lines = [f"{run['machine']}; {run['date']}" for curve in curves for run in curve.runs]
    parts = ["Machine: " + "; ".join(sorted(set(lines))) + ".", "", "Best feasible speed-up over the seed:", ""]
    parts += ["| model | runs | " + " | ".join(f"after {mark}" for mark in MARKS) + " | at the end, each run |"]
    parts += ["|---|---|" + "---|" * (len(MARKS) + 1)]
    for curve in curves:
        medians = " | ".join(f"{statistics.median(curve.at(mark)):.1f}" for mark in MARKS)
        ends = ", ".join(f"{run[-1]:.1f}" for run in curve.best)
        parts.append(f"| {curve.model} | {len(curve.runs)} | {medians} | {ends} |")
    parts += ["", "Medians over the runs; a run that ended early counts with its last best.", "", *budget(curves)]
    return "\n".join(parts) + "\n"


def measured_again(again: dict[str, Any]) -> str:
    """The best programs beside the seed on the holdout windows, as Markdown."""
    seed, programs = again["seed"], again["programs"]
    times = {name: seed["ratio_to_reference"] / each["ratio_to_reference"] for name, each in programs.items()}
    parts = [
        "",
        f"The best of each run on the holdout windows, beside the seed ({seed['time_ms']:.0f} ms), in one process:",
        "",
        "| run | ms | x reference | 95 % interval | times the seed's speed | balance, next | the greedy's | first ms |",
        "|---" + "|---:" * 7 + "|",
    ]
    for name, each in programs.items():
        interval = f"{each['ratio_low']:.3f} to {each['ratio_high']:.3f}"
        balance = f"{each['balancedness']:.4f} | {each['balancedness_reference']:.4f} | {each['first_call_ms']:,.0f}"
        ratio = f"{each['time_ms']:.2f} | {each['ratio_to_reference']:.3f} | {interval}"
        parts.append(f"| {name} | {ratio} | {times[name]:.1f} | {balance} |")
    parts += ["", f"Median {statistics.median(times.values()):.1f}. {again['machine']}; {again['date']}."]
    return "\n".join(parts) + "\n"


def budget(curves: Sequence[Curve]) -> list[str]:
    """What became of the evaluations, and what proposing cost."""
    names = ("model", "evaluations", "minutes", "valid", "feasible", "same program twice", "dry runs passed")
    parts = [f"| {' | '.join(names)} | proposing | dry run |", "|---" * (len(names) + 2) + "|"]
    for curve in curves:
        every = [each for run in curve.runs for each in run["evaluations"]]
        twice = sum(repeated(run) for run in curve.runs)
        counts = ", ".join(str(len(run["evaluations"])) for run in curve.runs)
        minutes = ", ".join(f"{run['seconds'] / 60:.0f}" for run in curve.runs)
        parts.append(
            f"| {curve.model} | {counts} | {minutes} | {share(sum(each['valid'] for each in every), len(every))} "
            f"| {share(sum(each['feasible'] for each in every), len(every))} | {share(twice, len(every))} "
            f"| {dry_runs(curve)} | {mean(curve, 'proposing_ms')} | {mean(curve, 'dry_run_ms')} |"
        )
    return parts


def repeated(run: dict[str, Any]) -> int:
    """Evaluations of a program that the run had evaluated before."""
    return len(run["evaluations"]) - len({each["program"] for each in run["evaluations"]})


def dry_runs(curve: Curve) -> str:
    """Share of all drawn programs that passed their dry run."""
    passed = sum(run["proposer"].get("proposals", 0) for run in curve.runs)
    failed = sum(run["proposer"].get("failed_dry_runs", 0) for run in curve.runs)
    return share(passed, passed + failed) if passed and curve.model == "embedded" else "none made"


def mean(curve: Curve, name: str) -> str:
    """Mean milliseconds over the runs."""
    values = [run["proposer"][name] for run in curve.runs if name in run["proposer"]]
    return f"{statistics.mean(values):.0f} ms" if values else "not known"


def share(part: int, whole: int) -> str:
    """A percentage."""
    return f"{100 * part / whole:.0f} %" if whole else "none"


def draw(curves: Sequence[Curve], file: Path) -> None:
    """Median and band of each model's runs against evaluations."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "control"  # the same figures make the same file
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 4.5))
    for curve, colour in zip(curves, COLOURS, strict=False):
        longest = max(len(run) for run in curve.best)
        places = range(1, longest + 1)
        rows = [curve.at(place) for place in places]
        axes.plot(places, [statistics.median(row) for row in rows], color=colour, label=f"{curve.model}, median")
        low, high = [min(row) for row in rows], [max(row) for row in rows]
        axes.fill_between(places, low, high, color=colour, alpha=0.2, label=f"{curve.model}, worst to best")
    axes.set_yscale("log")
    axes.set_xlabel("evaluations")
    axes.set_ylabel("best feasible speed-up over the seed")
    axes.grid(True, which="both", alpha=0.25)
    axes.legend(loc="best", frameon=False)
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None})
    pyplot.close(figure)
