"""How many pairs of calls an estimate needs, and which of them count."""

import numpy as np
from numpy.typing import NDArray

from eplb_evolve.evaluation.block import CANDIDATE, REFERENCE, Block
from eplb_evolve.evaluation.settings import Timing
from eplb_evolve.evaluation.timing import median_of_ratios, ratio_interval, ratio_of_quartiles
from eplb_evolve.placement import Floats

WIDE = 0.05
"""An interval that reaches further from its estimate, or two estimators further apart, ask for more pairs."""

MOST = 3
"""... but never for more than this many times the planned ones."""


def enough(block: Block, plan: Timing) -> bool:
    """Whether the candidate's pairs suffice.

    The planned number, of pairs that nothing disturbed; twice that where the estimate is wide or its two estimators
    disagree, unless the candidate is called several times for each call of the reference; never more than three times,
    nor than the cap in seconds.
    """
    taken = block.rows()
    if taken < plan.triage_pairs:
        return False
    if block.spent_s >= plan.max_seconds:
        return True
    wanted, quiet = planned(block, plan), block.quiet()
    if quiet.sum() < wanted:
        return taken >= MOST * wanted
    if taken >= MOST * wanted or quiet.sum() >= 2 * wanted or any(block.further[CANDIDATE]):
        return True  # further calls in each row are worth more than further rows
    if quiet.sum() > wanted:  # once extended, go all the way
        return False
    return not _doubtful(*(block.null.net(block.seconds(who)[quiet]) for who in (CANDIDATE, REFERENCE)))


def planned(block: Block, plan: Timing, who: str = CANDIDATE) -> int:
    """Pairs for a program as slow as this one."""
    slow = float(np.median(block.seconds(who))) * 1e3 >= plan.slow_ms
    return plan.pairs_slow if slow else plan.pairs_fast


def rows_that_count(block: Block, plan: Timing, who: str = CANDIDATE) -> NDArray[np.bool_]:
    """The undisturbed ones of a program's rows, or all where too few were undisturbed; [rows]."""
    quiet = block.quiet()[: block.rows(who)]
    return quiet if quiet.sum() >= planned(block, plan, who) / 2 else np.ones(len(quiet), dtype=bool)


def _doubtful(net: Floats, net_reference: Floats) -> bool:
    quartiles, paired = ratio_of_quartiles(net, net_reference), median_of_ratios(net, net_reference)
    if abs(quartiles - paired) > WIDE * paired:
        return True
    low, high = ratio_interval(net, net_reference)
    return high - low > 2 * WIDE * float(paired)
