"""One number for a search: feasible always beats infeasible, and then the objective decides."""

import math

PERCENT = 100


def combined_score(feasible: bool, ratio_to_reference: float, margin: float) -> float:
    """1 + log2(1 + 100 / ratio) when feasible, so above 1 and higher for faster; else the constraint's margin < 1.

    ratio_to_reference is time / the reference's time; margin is the smallest value / threshold of the constraint.
    """
    if feasible:
        return 1 + math.log2(1 + 100 / ratio_to_reference)
    return infeasible_score(margin)


def ratio_of_score(score: float) -> float:
    """The ratio_to_reference that combined_score makes this score of; infinite for an infeasible one's."""
    return 100 / (2 ** (score - 1) - 1) if score > 1 else math.inf


def balance_score(feasible: bool, relative_balance: float, margin: float) -> float:
    """For the objective `balance`: 2 + percent of balancedness gained on the reference, at least 1, whatever the time.

    relative_balance is mean balancedness on the next window / the reference's on the same inputs.
    """
    if feasible:
        return max(1.0, 2 + PERCENT * (relative_balance - 1))
    return infeasible_score(margin)


def net_score(feasible: bool, net_throughput: float, margin: float) -> float:
    """For the objective `net_throughput`: 1 + percent of the throughput of never rebalancing, whatever the time."""
    if feasible:
        return 1 + PERCENT * net_throughput
    return infeasible_score(margin)


def infeasible_score(margin: float) -> float:
    """The constraint's margin, capped at 0.999."""
    return min(max(margin, 0.0), 0.999)
