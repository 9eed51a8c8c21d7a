"""What a search that does not go by time goes by: a ratio of two sums over the timed calls."""

import numpy as np

from eplb_evolve.evaluation.block import Block
from eplb_evolve.evaluation.score import balance_score, combined_score, net_score
from eplb_evolve.evaluation.serving_figures import ratio_of_sums, served_intervals
from eplb_evolve.evaluation.settings import Settings
from eplb_evolve.evaluation.task import Task
from eplb_evolve.placement import Floats
from eplb_evolve.serving.cost import seconds


def sums(block: Block, task: Task) -> tuple[Floats, Floats]:
    """Two figures of each call that counts; the sum of the first / the sum of the second is rewarded.

    Under `net_throughput` what the interval takes without any rebalance and with the program's; otherwise the
    balancedness that it reaches on the next window and the reference's.
    """
    if task.settings.objective == "net_throughput":
        serving, intervals = task.settings.serving, served_intervals(block, task)
        spent, never = seconds(serving.deployment, intervals, serving.interval, serving.mode)
        return never, spent
    reached = np.array([row.next_window for row in block.balance])
    return reached, np.array([call.balance.next_window for call in block.reference])


def score(settings: Settings, feasible: bool, margin: float, ratio_to_reference: float, ratio_of_sums: float) -> float:
    """combined_score under the objective, which goes by one of the two ratios."""
    if settings.objective == "balance":
        return balance_score(feasible, ratio_of_sums, margin)
    if settings.objective == "net_throughput":
        return net_score(feasible, ratio_of_sums, margin)
    return combined_score(feasible, ratio_to_reference, margin)


def difference(above: Floats, below: Floats, others_above: Floats, others_below: Floats, axis: int = -1) -> Floats:
    """Ratio of sums less another one, from the same calls."""
    return ratio_of_sums(above, below, axis) - ratio_of_sums(others_above, others_below, axis)
