"""One number for a search: feasible always beats infeasible, and faster beats slower."""

import math


def combined_score(feasible: bool, ratio_to_reference: float, margin: float) -> float:
    """1 + log2(1 + 100 / ratio) when feasible, so above 1; else the constraint's margin, capped at 0.999.

    ratio_to_reference is time / the reference's time; margin is the smallest value / threshold of the constraint.
    """
    if feasible:
        return 1 + math.log2(1 + 100 / ratio_to_reference)
    return min(max(margin, 0.0), 0.999)
