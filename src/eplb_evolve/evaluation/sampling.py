"""How many pairs of calls an estimate needs, and which of them count."""

import numpy as np
from numpy.typing import NDArray

from eplb_evolve.evaluation.block import Block
from eplb_evolve.evaluation.settings import Timing
from eplb_evolve.evaluation.timing import (
    Estimate,
    estimate,
    median_of_ratios,
    ratio_interval,
    ratio_of_quartiles,
)
from eplb_evolve.placement import Floats

WIDE = 0.05
"""An interval that reaches further from its estimate, or two estimators further apart, ask for more pairs."""

MOST = 3
"""... but never for more than this many times the planned ones."""


def enough(block: Block, plan: Timing) -> bool:
    """Whether these pairs suffice.

    The planned number, of pairs that nothing disturbed; twice that where the estimate is wide or its two estimators
    disagree, unless the candidate is called several times for each call of the reference; never more than three times,
    nor than the cap in seconds.
    """
    taken = len(block.candidate)
    if taken < plan.triage_pairs:
        return False
    spent = sum(block.seconds(who).sum() for who in ("candidate", "reference", "rival"))
    if spent >= plan.max_seconds:
        return True
    planned = _planned(block, plan)
    quiet = int(block.quiet().sum())
    if quiet < planned:
        return taken >= MOST * planned
    if taken >= MOST * planned or quiet >= 2 * planned or any(block.further["candidate"]):
        return True  # further calls in each row are worth more than further rows
    if quiet > planned:  # once extended, go all the way
        return False
    return not _doubtful(*counted(block, plan))


def counted(block: Block, plan: Timing) -> tuple[Floats, Floats]:
    """Net seconds of candidate and reference in the pairs that count."""
    rows = rows_that_count(block, plan)
    return block.null.net(block.seconds("candidate")[rows]), block.null.net(block.seconds("reference")[rows])


def rows_that_count(block: Block, plan: Timing) -> NDArray[np.bool_]:
    """The undisturbed pairs, or all where too few were undisturbed."""
    quiet = block.quiet()
    return quiet if quiet.sum() >= _planned(block, plan) / 2 else np.ones(len(quiet), dtype=bool)


def estimate_block(block: Block, plan: Timing) -> Estimate:
    """The estimate from the pairs that count."""
    rows = rows_that_count(block, plan)
    return estimate(block.seconds("candidate")[rows], block.seconds("reference")[rows], block.null)


def _planned(block: Block, plan: Timing) -> int:
    slow = float(np.median(block.seconds("candidate"))) * 1e3 >= plan.slow_ms
    return plan.pairs_slow if slow else plan.pairs_fast


def _doubtful(net: Floats, net_reference: Floats) -> bool:
    quartiles, paired = ratio_of_quartiles(net, net_reference), median_of_ratios(net, net_reference)
    if abs(quartiles - paired) > WIDE * paired:
        return True
    low, high = ratio_interval(net, net_reference)
    return high - low > 2 * WIDE * float(paired)
