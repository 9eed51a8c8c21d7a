"""The two scores, and what their evaluators refuse. Seconds are of the evaluator's machine."""

import numpy as np

from eplb_evolve.placement import Floats, Ints

SPEED_S = 0.002
"""Seconds for which both give a speed of 1."""

FASTEST = 2.0
"""The largest speed that the leaderboard counts: nothing below a millisecond does."""

SLOW_S, MOST_PENALTY = 0.01, 20.0
"""The leaderboard takes 20 points a second, 20 at most, from what is slower than this."""


def skydiscover_score(expert_balancedness: float, seconds: float) -> float:
    """SkyDiscover's, larger is better. seconds: of a call and of the simulation after it, mean over windows."""
    return (expert_balancedness + SPEED_S / seconds) / 2


def leaderboard_score(gpu_balancedness: float, seconds: float) -> float:
    """The ADRS leaderboard's, 100 at most. seconds: of a call alone, mean over windows."""
    penalty = min(20 * seconds, MOST_PENALTY) if seconds > SLOW_S else 0.0
    return 90 * gpu_balancedness + 5 * min(SPEED_S / seconds, FASTEST) - penalty


def refusal(phy2log: Ints, logcnt: Ints, next_load: Floats, replicas: int) -> str:
    """Why both would give 0 for outputs of these shapes and counts; nothing where they accept them.

    next_load [L, E]. They look at no more of phy2log than its width, and at log2phy not at all.
    """
    if phy2log.ndim < 2 or phy2log.shape[1] != replicas:
        return f"phy2log does not have {replicas} columns"
    if logcnt.shape != next_load.shape:
        return "logcnt does not have the load's shape"
    if (logcnt.sum(axis=1) != replicas).any():
        return f"logcnt does not sum to {replicas} in each layer"
    if (logcnt < 0).any():
        return "logcnt is negative somewhere"
    if np.any((next_load > 0) & (logcnt == 0)):
        return "an expert with load has no replica in logcnt"
    return ""
