"""From what was timed to an Evaluation: the figures of each workload, and those of all of them together."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from eplb_evolve import machine
from eplb_evolve.evaluation.dispatch import dispatch_figures, sampled
from eplb_evolve.evaluation.gap import Gap
from eplb_evolve.evaluation.objectives import infeasible_score, objective
from eplb_evolve.evaluation.paired import balance_ratio, net_gain, net_throughput, transfers_more
from eplb_evolve.evaluation.result import (
    BalanceFigures,
    DispatchFigures,
    Evaluation,
    OnWorkload,
    ServingFigures,
    Status,
    TimeFigures,
)
from eplb_evolve.evaluation.task import Task
from eplb_evolve.evaluation.timed import Timed
from eplb_evolve.evaluation.timing import mean_estimate
from eplb_evolve.serving.worth import worth


def conclude(result: Evaluation, found: Sequence[Timed], task: Task, raced: bool) -> Evaluation:
    """The result with what was measured on each workload, or on the first of them."""
    failing = next((each for each in found if not each.verdict.feasible), None)
    where = "" if failing is None or not task.others else f" (on {failing.task.name})"
    judged = dataclasses.replace(
        result,
        status=Status.FEASIBLE if failing is None else Status.INFEASIBLE,
        reason="" if failing is None else failing.verdict.reason + where,
        combined_score=infeasible_score(min(each.verdict.margin for each in found)),
        timing=_time(found, raced),
        balance=_balance(found),
        serving=None if task.others else _serving(found[0]),
        on=tuple(map(_on_workload, found)) if task.others else (),
        margins=tuple(margin for each in found for margin in each.verdict.margins(each.task.name)),
    )
    if not judged.feasible:
        return judged
    return dataclasses.replace(judged, combined_score=objective(task.settings.objective).score(judged))


def with_dispatch(judged: Evaluation, found: Sequence[Timed]) -> Evaluation:
    """The same with what its placements are worth under other dispatches, which takes a linear program a call."""
    parts = [dispatch_figures(sampled(each.own.calls, each.task.settings.timing.pairs_slow)) for each in found]
    figures = DispatchFigures(
        balancedness_even=float(np.mean([each.balancedness_even for each in parts])),
        lp_bound=float(np.mean([each.lp_bound for each in parts])),
        balancedness_nearest=float(np.mean([each.balancedness_nearest for each in parts])),
        dispatch_calls=sum(each.dispatch_calls for each in parts),
    )
    return dataclasses.replace(judged, dispatch=figures)


def _time(found: Sequence[Timed], raced: bool) -> TimeFigures:
    estimate = mean_estimate([each.estimate for each in found])
    reference_ms = [1e3 * float(np.median(each.reference.net)) for each in found]
    return TimeFigures(
        time_ms=estimate.time_ms,
        time_ms_low=estimate.time_ms_low,
        time_ms_high=estimate.time_ms_high,
        time_p99_ms=estimate.time_p99_ms,
        ratio_to_reference=estimate.ratio,
        ratio_low=estimate.ratio_low,
        ratio_high=estimate.ratio_high,
        estimators_apart=estimate.apart,
        samples=estimate.samples,
        undisturbed=sum(each.undisturbed for each in found),
        at_bound=estimate.at_bound,
        floor_ms=_geometric([each.floor_ms for each in found]),
        floor_ratio=_geometric([each.floor_ms / ms for each, ms in zip(found, reference_ms, strict=True)]),
        ready_ms=_geometric([each.ready_ms for each in found]),
        clocks=machine.clocks(found[0].task.settings.device),
        throttled=sum(each.robbed for each in found),
        raced=raced,
    )


def _balance(found: Sequence[Timed]) -> BalanceFigures:
    own = [[call.balance for call in each.own.calls] for each in found]

    def mean(name: str) -> float:
        return float(np.mean([np.mean([getattr(row, name) for row in rows]) for rows in own]))

    return BalanceFigures(
        balancedness=mean("next_window"),
        balancedness_same=mean("same_window"),
        balancedness_worst_layer=mean("worst_layer"),
        balancedness_sglang=mean("sglang"),
        balancedness_reference=float(np.mean([each.reference.next_window.mean() for each in found])),
        transfers=float(np.mean([each.own.moved.mean() for each in found])),
        **_with_interval("balancedness_ratio", [balance_ratio(each.own, each.reference) for each in found]),
        **_with_interval("transfers_more", [transfers_more(each.own, each.reference) for each in found]),
    )


def _serving(found: Timed) -> ServingFigures:
    serving = found.task.settings.serving
    return ServingFigures(
        serving=str(serving),
        **_with_interval("net_throughput", [net_throughput(found)]),
        **_with_interval("net_gain", [net_gain(found, found.reference)]),
        **dataclasses.asdict(worth(serving.deployment, found.own.course, found.task.workload.card.interval_steps)),
    )


def _with_interval(name: str, gaps: Sequence[Gap]) -> dict[str, Any]:
    """The mean over workloads; the intervals are those of independent figures, and of another evaluation."""
    wide = [gap.of_another_evaluation() for gap in gaps]
    value = float(np.mean([gap.value for gap in gaps]))
    found: dict[str, Any] = {name: value, f"{name}_low": None, f"{name}_high": None}
    if all(math.isfinite(gap.high - gap.low) for gap in gaps):
        below, above = (math.hypot(*(getattr(gap, end) - gap.value for gap in wide)) for end in ("low", "high"))
        found |= {f"{name}_low": value - below / len(gaps), f"{name}_high": value + above / len(gaps)}
    return found


def _on_workload(timed: Timed) -> OnWorkload:
    return OnWorkload(
        workload=timed.task.name,
        feasible=timed.verdict.feasible,
        time_ms=timed.estimate.time_ms,
        ratio_to_reference=timed.estimate.ratio,
        ratio_low=timed.estimate.ratio_low,
        ratio_high=timed.estimate.ratio_high,
        balancedness=float(timed.own.next_window.mean()),
        balancedness_reference=float(timed.reference.next_window.mean()),
        transfers=float(timed.own.moved.mean()),
    )


def _geometric(figures: Sequence[float]) -> float:
    return float(np.exp(np.mean(np.log(figures))))
