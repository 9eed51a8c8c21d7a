"""`eplb compare A B`: two programs against each other, in words."""

import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from eplb_evolve.board.grid import Grid
from eplb_evolve.board.metrics import BY_NAME
from eplb_evolve.cli import options
from eplb_evolve.errors import CandidateFailure
from eplb_evolve.evaluation.bench import open_bench
from eplb_evolve.evaluation.candidate import read_program
from eplb_evolve.evaluation.comparison import Compared, Comparison, compare, time_overall
from eplb_evolve.evaluation.gap import Gap
from eplb_evolve.hostile_text import one_line, printable


def compare_programs(
    first: Annotated[Path, typer.Argument(metavar="A", help="A program.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="Another one.")],
    workload: options.WorkloadNames = None,
    split: options.SplitName = "holdout",
    device: options.DeviceName = None,
    replicas: options.Replicas = None,
    gpus: options.Gpus = None,
    nodes: options.Nodes = None,
    groups: options.Groups = None,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Call two programs in turn on the same inputs and say which is faster, by how much, how sure.

    Exit code 1 if one of them fails or does not keep the load balanced.
    """
    for program in (first, second):
        read_program(program)
    override = {"replicas": replicas, "gpus": gpus, "nodes": nodes, "groups": groups}
    tasks = [one for task in options.tasks(config, workload, split, device, override) for one in task.each]
    found: list[Comparison] = []
    with closing(open_bench(tasks[0].settings)) as bench:
        for task in tasks:
            try:
                found.append(compare(first, second, task, bench))
            except CandidateFailure as failure:
                options.say(f"eplb: on {task.workload.name}, {failure}")
                raise typer.Exit(1) from None
            if not as_json:
                _show(found[-1], options.stdout())
    if len(found) > 1 and not as_json:
        options.stdout().print("\n" + one_line(_overall(found)), markup=False, highlight=False)
    if as_json:
        print(json.dumps([each.as_dict() for each in found], indent=1))
    if not all(side.feasible for each in found for side in (each.first, each.second)):
        raise typer.Exit(1)


def in_words(found: Comparison) -> str:
    """Which is faster, by how much, how sure; then balance, and what both are worth to the configured server."""
    first, second = names(found)
    pairs = f"95 % interval {{low}} to {{high}}, {found.samples} pairs"
    if found.time.excludes(1):
        faster, slower, gap = second, first, found.time
        if gap.high < 1:
            faster, slower, gap = first, second, _inverse(gap)
        between = pairs.format(low=_times(gap.low), high=_times(gap.high))
        text = f"{faster} is {_times(gap.value)} times as fast as {slower} ({between})."
    else:
        between = pairs.format(low=f"{found.time.low:.3f}", high=f"{found.time.high:.3f}")
        text = f"No difference in time can be told: {first} takes {found.time.value:.3f} times as long ({between})."
    return f"{text} {_balance(found, first, second)} {_net(found, first, second)}"


def _overall(found: Sequence[Comparison]) -> str:
    """The times on all workloads together, and the one on which the faster program does worst."""
    first, second = names(found[0])
    gap = time_overall(found)
    listed = ", ".join(f"{each.time.value:.3g} on {each.conditions.workload}" for each in found)
    between = f"{gap.value:.3g} times as long as {second} ({gap.low:.3g} to {gap.high:.3g})"
    return f"Over the {len(found)} workloads (geometric mean) {first} takes {between}: {listed}."


def names(found: Comparison) -> tuple[str, str]:
    """What to call the two: file stems, or as given where those are the same."""
    stems = Path(found.first.program).stem, Path(found.second.program).stem
    return stems if stems[0] != stems[1] else (found.first.program, found.second.program)


def _balance(found: Comparison, first: str, second: str) -> str:
    if not found.balance.excludes(1):
        return "They balance the next window alike as far as can be told."
    better = first if found.balance.value > 1 else second
    more = Gap(found.balance.value - 1, found.balance.low - 1, found.balance.high - 1)
    return f"{better} balances the next window better, by {_per_cent(more)} of {second}'s balancedness."


def _net(found: Comparison, first: str, second: str) -> str:
    negligible = BY_NAME["net_gain"].negligible
    if found.net.high >= -negligible and found.net.low <= negligible:
        return f"To a server ({found.serving}) they are worth the same as far as can be told."
    better = first if found.net.value > 0 else second
    return (
        f"To a server ({found.serving}) {better} is worth more, by {_per_cent(found.net)} of the throughput of "
        "never rebalancing."
    )


def _per_cent(gap: Gap) -> str:
    low, high = sorted((abs(gap.low), abs(gap.high)))
    return f"{100 * abs(gap.value):.2g} % ({100 * low:.2g} to {100 * high:.2g} %)"


def _inverse(gap: Gap) -> Gap:
    return Gap(1 / gap.value, 1 / gap.high, 1 / gap.low)


def _times(value: float) -> str:
    return f"{value:.3g}" if value >= 2 else f"{value:.3f}"


def _show(found: Comparison, console: Console) -> None:
    where = f"{found.conditions.device}, sandbox {found.conditions.sandbox_level}: {found.conditions.machine}"
    title = f"{found.conditions.workload}, {found.conditions.split} windows, {where}"
    rows = [
        (name, *_figures(side), "feasible" if side.feasible else "infeasible")
        for name, side in zip(names(found), (found.first, found.second), strict=True)
    ]
    console.print(Grid(("program", "ms", "bal.", "moved", "net", "verdict"), rows, left=(0, 5), title=title))
    for side in (found.first, found.second):
        if side.reason:
            console.print(printable(f"{side.program}: {side.reason}"), markup=False, highlight=False)
    console.print("\n" + one_line(in_words(found)), markup=False, highlight=False)


def _figures(side: Compared) -> tuple[str, ...]:
    return (
        f"{side.time_ms:.3g}",
        f"{side.balancedness:.4f}",
        f"{100 * side.transfers:.0f}",
        f"{side.net_throughput:.4f}",
    )
