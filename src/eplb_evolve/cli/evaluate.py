"""`eplb evaluate PROGRAM...`: judge programs and print what was measured."""

import json
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from eplb_evolve.board.doubts import doubts
from eplb_evolve.board.grid import Grid
from eplb_evolve.board.metrics import BY_NAME, Metric
from eplb_evolve.cli import options
from eplb_evolve.cli.published import show_published
from eplb_evolve.evaluation.bench import Bench, open_bench
from eplb_evolve.evaluation.candidate import read_program
from eplb_evolve.evaluation.measured import evaluate_with_speedup, is_deepseek_form
from eplb_evolve.evaluation.published.judging import Published, refuse_what_is_not_theirs
from eplb_evolve.evaluation.published.judging import published as published_scores
from eplb_evolve.evaluation.result import Evaluation, Status
from eplb_evolve.evaluation.task import Task
from eplb_evolve.hostile_text import one_line, printable
from eplb_evolve.paths import cache_dir, project

DETAILS = (
    "ratio_to_reference",
    "ratio_worst",
    "speedup_over_seed",
    "first_call_ms",
    "time_p99_ms",
    "balancedness_ratio",
    "balancedness",
    "balancedness_reference",
    "balancedness_same",
    "balancedness_worst_layer",
    "balancedness_sglang",
    "balancedness_even",
    "lp_bound",
    "balancedness_nearest",
    "transfers",
    "transfers_more",
    "net_throughput",
    "net_gain",
    "combined_score",
)


def evaluate(
    programs: Annotated[list[Path], typer.Argument(help="Files that define rebalance_experts.")],
    workload: options.WorkloadNames = None,
    split: options.SplitOrDefault = None,
    device: options.DeviceName = None,
    replicas: options.Replicas = None,
    gpus: options.Gpus = None,
    nodes: options.Nodes = None,
    groups: options.Groups = None,
    config: options.ConfigFile = None,
    published: Annotated[
        bool, typer.Option("--published", help="Print what two public evaluators would say, beside our verdict.")
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Check, balance and time programs on a workload. Exit code 1 if one of them is invalid or infeasible."""
    for program in programs:
        read_program(program)  # a missing file is said before minutes of measuring, not after
    override = {"replicas": replicas, "gpus": gpus, "nodes": nodes, "groups": groups}
    tasks = options.tasks(config, workload, split or ("holdout" if published else "search"), device, override)
    if published:
        for task in tasks:
            refuse_what_is_not_theirs(task)
    results: list[Evaluation] = []
    theirs: list[Published] = []
    try:
        with closing(open_bench(tasks[0].settings)) as bench:
            for task in tasks:
                for program in programs:
                    results.append(full_evaluation(program, task, bench))
                    if published:
                        theirs.append(published_scores(program, task, bench))
                    elif not as_json:
                        show(results[-1], options.stdout())
                if published and not as_json:
                    show_published(results[-len(programs) :], theirs[-len(programs) :], options.stdout())
    finally:  # where the machine fails in the middle, what it told before is not lost
        if as_json and results:
            told = [result.as_dict() | {"doubts": doubts(result)} for result in results]
            for each, scores in zip(told, theirs, strict=False):
                each["published"] = scores.as_dict()
            print(json.dumps(told, indent=1))
    if not all(result.feasible for result in results):
        raise typer.Exit(1)


def full_evaluation(program: Path, task: Task, bench: Bench) -> Evaluation:
    """Measured in full, with the speedup over the DeepSeek form, or a sentence on why there is none."""
    deepseek_form = project().deepseek_form
    if not is_deepseek_form(deepseek_form):
        options.say(f"eplb: no speedup_over_seed: {deepseek_form.resolve()} is not DeepSeek's form as shipped")
    return evaluate_with_speedup(program, task, bench, deepseek_form, cache_dir())


def show(result: Evaluation, console: Console) -> None:
    """One evaluation, for a person."""

    def say(text: str, style: str = "") -> None:
        console.print(text, style=style, markup=False, highlight=False)

    where = result.conditions
    verdict = "valid but infeasible" if result.status is Status.INFEASIBLE else result.status
    say(one_line(f"{result.program}: {verdict}"), "bold")
    say(f"  on {where.workload}, {where.split} windows; {where.machine}; sandbox {where.sandbox_level}")
    if result.reason:
        say(printable(f"  {result.reason}"))
    if (timing := result.timing) is not None:
        say(
            f"  {timing.time_ms:.3g} ms per call (95 % interval {timing.time_ms_low:.3g} to {timing.time_ms_high:.3g}, "
            f"{timing.samples} pairs)"
        )
        if timing.floor_ms is not None:
            say(
                f"  the floor: {timing.floor_ms:.2g} ms ({timing.floor_ratio:.2g} x) to fill three new tensors, "
                f"{timing.ready_ms:.2g} ms to return ready ones"
            )
        for name in DETAILS:
            if result.figure(name) is not None:
                say(_detail(result, BY_NAME[name]))
        for doubt in doubts(result):
            say(one_line(f"  Doubt: {doubt}"))
    if result.on:
        console.print(_on_each(result))
    if not result.valid and result.log.strip():
        say("  It printed, at the end:")
        say("    " + "\n    ".join(printable(result.log).strip().splitlines()[-8:]))


def _detail(result: Evaluation, metric: Metric) -> str:
    """A figure with its interval, where there is one."""
    unit = f" {metric.unit}" if metric.unit in ("ms", "x", "%") else ""
    ends = metric.ends(result)
    interval = f"  ({metric.show(ends[0])} to {metric.show(ends[1])})" if ends is not None else ""
    return f"  {metric.name:25s}{metric.show(result.figure(metric.name)):>9s}{unit}{interval}"


def _on_each(result: Evaluation) -> Grid:
    """The figures on each of several workloads; those above are geometric means of times, and means of the rest."""
    rows = [
        (
            each.workload,
            BY_NAME["time_ms"].show(each.time_ms),
            BY_NAME["ratio_to_reference"].show(each.ratio_to_reference),
            f"{each.ratio_low:.3g} to {each.ratio_high:.3g}",
            BY_NAME["balancedness"].show(each.balancedness),
            BY_NAME["balancedness_reference"].show(each.balancedness_reference),
            "feasible" if each.feasible else "infeasible",
        )
        for each in result.on
    ]
    return Grid(("workload", "ms", "x ref", "interval", "bal.", "ref. bal.", "verdict"), rows, left=(0, 6))
