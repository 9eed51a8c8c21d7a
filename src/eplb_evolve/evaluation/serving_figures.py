"""From a block of timed calls to what they are worth to a server."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from eplb_evolve.evaluation.block import Block
from eplb_evolve.evaluation.sampling import rows_that_count
from eplb_evolve.evaluation.task import Task
from eplb_evolve.evaluation.timing import bootstrap_interval
from eplb_evolve.placement import (
    Floats,
    balancedness_of,
    initial_phy2log,
    received_slots,
)
from eplb_evolve.serving.cost import Interval, seconds
from eplb_evolve.serving.worth import Worth, worth


@dataclass(frozen=True)
class Served:
    """See the fields of the same names in `result.Evaluation`."""

    serving: str
    net_throughput: float
    net_throughput_low: float | None
    net_throughput_high: float | None
    worth: Worth

    def as_dict(self) -> dict[str, Any]:
        """Flat, as an Evaluation holds them."""
        figures = asdict(self)
        figures.update(figures.pop("worth"))
        return figures


def served_figures(block: Block, task: Task) -> Served:
    """Net throughput and what goes with it."""
    serving, intervals = task.settings.serving, served_intervals(block, task)
    spent, never = seconds(serving.deployment, intervals, serving.interval, serving.mode)
    low, high = bootstrap_interval(ratio_of_sums, (never, spent)) if len(intervals) > 1 else (None, None)
    return Served(
        serving=str(serving),
        net_throughput=float(ratio_of_sums(never, spent)),
        net_throughput_low=low,
        net_throughput_high=high,
        worth=worth(serving.deployment, intervals, task.workload.card.interval_steps),
    )


def served_intervals(block: Block, task: Task) -> list[Interval]:
    """One interval for each call of every full round through the windows but the first, which starts from no plan.

    So each window counts alike. A call that was disturbed counts with the median time of the others.
    """
    gpus, pairs = task.workload.topology.gpus, task.workload.pairs(task.split)
    net, undisturbed = block.null.net(block.seconds("candidate")), rows_that_count(block, task.settings.timing)
    plan_s = np.where(undisturbed, net, np.median(net[undisturbed]))
    found = []
    for row in _full_rounds(len(plan_s), len(pairs)):
        layers, experts = block.candidate[row].inputs.weight.shape
        call, inputs = block.candidate[row], block.candidate[row].inputs
        start = initial_phy2log(layers, experts, task.workload.topology.replicas)
        found.append(
            Interval(
                plan_s=float(plan_s[row]),
                received_slots=received_slots(call.in_force, call.placement.phy2log, gpus, experts),
                balancedness=block.balance[row].next_window,
                balancedness_stale=balancedness_of(inputs.next_load, call.in_force, gpus),
                balancedness_never=balancedness_of(inputs.next_load, inputs.from_workload_order(start), gpus),
                ages=row > 0 and pairs[row % len(pairs)][0] == pairs[(row - 1) % len(pairs)][1],
            )
        )
    return found


def _full_rounds(calls: int, pairs: int) -> range:
    """The rows of every full round but the first; where there is no second round, all but the first call."""
    full = calls // pairs * pairs
    return range(pairs, full) if full > pairs else range(min(1, calls - 1), calls)


def ratio_of_sums(above: Floats, below: Floats, axis: int = -1) -> Floats:
    """Sum / sum: a ratio of whole courses, in which each interval counts for as long as it took."""
    result: Floats = above.sum(axis=axis) / below.sum(axis=axis)
    return result
