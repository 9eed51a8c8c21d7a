"""From the timed calls to an Evaluation: the figures of each workload, and those of all of them together."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from eplb_evolve import machine
from eplb_evolve.evaluation.block import Block
from eplb_evolve.evaluation.objective import score
from eplb_evolve.evaluation.result import Evaluation, OnWorkload
from eplb_evolve.evaluation.score import combined_score
from eplb_evolve.evaluation.serving_figures import served_figures
from eplb_evolve.evaluation.task import Task
from eplb_evolve.evaluation.timing import Estimate, mean_estimate


def conclude(
    result: Evaluation, blocks: Sequence[Block], timings: Sequence[Estimate], task: Task, raced: bool
) -> Evaluation:
    """The result with what was measured: a block and its estimate for each workload, or for the first of them."""
    parts = [
        _on_one(result, block, timing, one, raced)
        for one, block, timing in zip(task.each, blocks, timings, strict=False)
    ]
    if not task.others:
        return parts[0]
    timing = mean_estimate(timings)
    failing = next((part for part in parts if not part.feasible), None)
    return dataclasses.replace(
        result,
        **_times(timing),
        **_means(parts),
        valid=True,
        feasible=failing is None,
        reason="" if failing is None else f"{failing.reason} (on {failing.workload})",
        combined_score=combined_score(failing is None, timing.ratio, min(part.combined_score for part in parts)),
        clocks=parts[0].clocks,
        undisturbed=sum(part.undisturbed for part in parts),
        raced=raced,
        on=tuple(OnWorkload.of(part) for part in parts),
    )


_MEANS = (
    "balancedness",
    "balancedness_same",
    "balancedness_worst_layer",
    "balancedness_sglang",
    "balancedness_reference",
    "transfers",
)


_MARKS = ("ready_ms", "floor_ms", "floor_ratio")


def _geometric(figures: Sequence[float]) -> float:
    return float(np.exp(np.mean(np.log(figures))))


def _means(parts: Sequence[Evaluation]) -> dict[str, Any]:
    means = {name: _mean([getattr(part, name) for part in parts]) for name in _MEANS}
    return means | {name: _geometric([getattr(part, name) for part in parts]) for name in _MARKS}


def _mean(figures: Sequence[float]) -> float:
    return float(np.mean(figures))


def _times(timing: Estimate) -> dict[str, Any]:
    return {
        "time_ms": timing.time_ms,
        "time_ms_low": timing.time_ms_low,
        "time_ms_high": timing.time_ms_high,
        "time_p99_ms": timing.time_p99_ms,
        "at_bound": timing.at_bound,
        "ratio_to_reference": timing.ratio,
        "ratio_low": timing.ratio_low,
        "ratio_high": timing.ratio_high,
        "samples": timing.samples,
    }


def _on_one(result: Evaluation, block: Block, timing: Estimate, task: Task, raced: bool) -> Evaluation:
    verdict = block.judge(task)
    reached = _mean([row.next_window for row in block.balance])
    reference = _mean([call.balance.next_window for call in block.reference])
    served = served_figures(block, task)
    floor_ms = block.mark_ms("filled")
    reference_ms = 1e3 * float(np.median(block.null.net(block.seconds("reference"))))
    rewarded = served.net_throughput if task.settings.objective == "net_throughput" else reached / reference
    return dataclasses.replace(
        result,
        **served.as_dict(),
        **_times(timing),
        workload=task.name,
        valid=True,
        feasible=verdict.feasible,
        reason=verdict.reason,
        combined_score=score(task.settings, verdict.feasible, verdict.margin, timing.ratio, rewarded),
        clocks=machine.clocks(task.settings.device),
        ready_ms=block.mark_ms("ready"),
        floor_ms=floor_ms,
        floor_ratio=floor_ms / reference_ms,
        balancedness=reached,
        balancedness_same=_mean([row.same_window for row in block.balance]),
        balancedness_worst_layer=_mean([row.worst_layer for row in block.balance]),
        balancedness_sglang=_mean([row.sglang for row in block.balance]),
        balancedness_reference=reference,
        transfers=_mean([call.moved for call in block.candidate[1:] or block.candidate]),
        undisturbed=int(block.quiet().sum()),
        raced=raced,
    )
