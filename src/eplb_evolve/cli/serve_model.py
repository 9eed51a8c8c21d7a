"""`eplb serve-model`: what balancers are worth to a server, over a recorded trace."""

import json
import math
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console

from eplb_evolve.board.grid import Grid
from eplb_evolve.cli import options
from eplb_evolve.errors import CandidateFailure, UsageError
from eplb_evolve.evaluation.bench import Bench, open_bench
from eplb_evolve.evaluation.calls import warm
from eplb_evolve.evaluation.candidate import read_program
from eplb_evolve.evaluation.simulation import planner, policies, simulate
from eplb_evolve.evaluation.task import Task
from eplb_evolve.hostile_text import one_line, printable
from eplb_evolve.paths import project
from eplb_evolve.serving.cost import MODES
from eplb_evolve.serving.course import POLICIES, Course
from eplb_evolve.serving.curve import Curve, curves
from eplb_evolve.serving.presets import DEPLOYMENTS, Deployment, deployment
from eplb_evolve.serving.worth import MOST_STEPS, VLLM_STEPS, sentence

SHOWN = ("deepseek", "vllm_default", "numba_greedy", "cpp_simd", "greedy_swaps", "incremental")
"""Seeds that stand in the table when no program is named."""
HEADINGS = ("program", "plan ms", "bal.", "moved", "blocking", "backgr.", "best at", "even at", "of perfect")

LEGEND = (
    "blocking, backgr.: throughput / that of never rebalancing, serving waiting or going on meanwhile. "
    "best at: steps at which blocking is best if load drifts on as in the trace. "
    "even at: steps that pay for a rebalance. of perfect: share of the gain of perfect balance, blocking."
)


def serve_model(
    programs: Annotated[list[Path] | None, typer.Argument(help="Programs. (default: some of seeds/)")] = None,
    preset: Annotated[str, typer.Option("--preset", help=f"{', '.join(DEPLOYMENTS)}.")] = "deepseek-v3-decode",
    interval: Annotated[int, typer.Option("--interval", help="Steps between two rebalances.")] = VLLM_STEPS,
    workload: options.WorkloadNames = None,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
    plot: Annotated[Path | None, typer.Option("--plot", help="Draw net throughput against the interval here.")] = None,
) -> None:
    """Simulate balancers over a whole trace and show their net throughput against never rebalancing.

    Balance, transfers and plan times are measured; the cost of moving weights and the step time are a model's, with the
    numbers of a preset (docs/serving.md).
    """
    if not 1 <= interval <= MOST_STEPS:
        raise UsageError(f"--interval is a number of steps, 1 at least and {MOST_STEPS:,} at most, not {interval}")
    seeds = project().seed_files()
    served, files = deployment(preset), programs or [seeds[name] for name in SHOWN if name in seeds]
    for program in files:
        read_program(program)
    document: list[dict[str, Any]] = []
    failed = False
    for task in (one for asked in options.tasks(config, workload, "holdout") for one in asked.each):
        with closing(open_bench(task.settings)) as bench:
            courses = [_course(program, task, bench) for program in files]
        courses += policies(task.workload)
        failed |= any(course.reason for course in courses)
        drawn = curves(served, courses, task.workload.card.interval_steps, interval)
        document.append(_as_dict(served, task, interval, drawn, courses))
        if not as_json:
            _show(served, task, interval, drawn, courses, options.stdout())
        if plot is not None:
            _draw(served, task, drawn, plot)
            options.say(f"wrote {plot}")
    if as_json:
        print(json.dumps(document, indent=1))
    if failed:
        raise typer.Exit(1)


def _course(program: Path, task: Task, bench: Bench) -> Course:
    workload, name = task.workload, program.stem
    try:
        with closing(bench.zygote.spawn(program, task.settings.limits)) as worker:
            warm(worker, workload.windows.shape[1:], workload.topology, np.random.default_rng(0))
            return simulate(name, workload, planner(worker, workload))
    except CandidateFailure as failure:
        return Course(name, (), 0.0, str(failure))


def _show(
    served: Deployment, task: Task, interval: int, drawn: list[Curve], courses: list[Course], console: Console
) -> None:
    steps = task.workload.card.interval_steps
    title = f"{served.name}, a rebalance every {interval:,} steps; load and balance: {task.workload.name}"
    rows = [_cells(curve) for curve in sorted(drawn, key=_blocking, reverse=True)]
    console.print(Grid(HEADINGS, rows, title=title))
    console.print(
        f"\n{LEGEND} One window of {steps} recorded steps stands for an interval of any length: what is longer than "
        f"{steps} is extrapolated.",
        highlight=False,
    )
    for course in courses:
        if course.reason:
            console.print(printable(f"{course.name}: {course.reason}"), markup=False, highlight=False)
    best = max((curve for curve in drawn if curve.course in courses[: -len(POLICIES)]), key=_blocking, default=None)
    if best is not None:
        console.print("\n" + one_line(_sentence(served, task, interval, best)), highlight=False, markup=False)


def _blocking(curve: Curve) -> float:
    return curve.at["blocking"]


def _cells(curve: Curve) -> list[str]:
    course = curve.course
    timed = course is not None and course.plan_s > 0
    best, even = curve.best["blocking"][0], curve.break_even_steps
    return [
        curve.name,
        f"{1e3 * course.plan_s:.3g}" if course is not None and timed else "-",
        f"{course.balancedness:.3f}" if course is not None else "1.000",
        f"{course.transfers:.2f}" if course is not None else "0.00",
        f"{curve.at['blocking']:.3f}",
        f"{curve.at['background']:.3f}",
        f"{best:,}" if best < 10**6 else "-",
        f"{even:,.0f}" if math.isfinite(even) else "never",
        f"{curve.of_perfect('blocking'):.0%}",
    ]


def _sentence(served: Deployment, task: Task, interval: int, curve: Curve) -> str:
    return sentence(served, task.workload.name, curve.name, interval, curve.at["blocking"], curve.at["background"])


def _as_dict(
    served: Deployment, task: Task, interval: int, drawn: list[Curve], courses: list[Course]
) -> dict[str, Any]:
    return {
        "deployment": served.name,
        "sources": served.sources,
        "workload": task.workload.name,
        "interval_steps": interval,
        "recorded_steps": task.workload.card.interval_steps,
        "failed": {course.name: course.reason for course in courses if course.reason},
        "curves": [
            {
                "name": curve.name,
                "plan_ms": 1e3 * curve.course.plan_s if curve.course is not None else None,
                "balancedness": curve.course.balancedness if curve.course is not None else 1.0,
                "transfers": curve.course.transfers if curve.course is not None else 0.0,
                "steps": curve.steps,
                "net_throughput": curve.net,
                "net_throughput_at_interval": curve.at,
                "best_interval_steps": {mode: curve.best[mode][0] for mode in MODES},
                "net_throughput_at_best": {mode: curve.best[mode][1] for mode in MODES},
                "break_even_steps": curve.break_even_steps if math.isfinite(curve.break_even_steps) else None,
                "of_perfect": {mode: curve.of_perfect(mode) for mode in MODES},
                "sentence": _sentence(served, task, interval, curve) if curve.course is not None else "",
            }
            for curve in drawn
        ],
    }


def _draw(served: Deployment, task: Task, drawn: list[Curve], file: Path) -> None:
    try:
        from eplb_evolve.serving.plot import draw
    except ModuleNotFoundError as problem:
        raise UsageError(f"--plot needs {problem.name}: pip install 'eplb-evolve[plots]'") from problem
    draw(served, task.workload.name, task.workload.card.interval_steps, drawn, file)
