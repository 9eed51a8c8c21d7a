"""Which program to change next: the search is a race of lineages, each begun by a restart from the seed.

The best program of a run is a trap: what made it fast early may be what cannot be made faster. So lineages are chosen
as arms of a bandit by upper confidence bounds on their best scores, and only within a lineage the best programs come
first.
"""

import math
import random
from collections.abc import Iterable

from .header import made_by
from .history import Outcome

EXPLORATION = 0.45
"""In units of score: how much an arm's best may lag behind and still be tried as often."""

_GREED = 0.6


def choose(outcomes: Iterable[Outcome], rng: random.Random) -> Outcome | None:
    """A feasible program of the lineage whose turn it is; None before there is one."""
    trials: dict[str, int] = {}
    feasible: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        root = _root(outcome)
        trials[root] = trials.get(root, 0) + 1
        if outcome.feasible:
            feasible.setdefault(root, []).append(outcome)
    if not feasible:
        return None
    total = sum(trials.values())

    def bound(root: str) -> float:
        best = max(outcome.score for outcome in feasible[root])
        return best + EXPLORATION * math.sqrt(math.log(total + 1) / trials[root])

    lineage = sorted(feasible[max(sorted(feasible), key=bound)], key=lambda outcome: -outcome.score)
    return lineage[min(int(rng.expovariate(_GREED)), len(lineage) - 1)]


def _root(outcome: Outcome) -> str:
    """The first step from the seed; the seed is a lineage of its own."""
    header = made_by(outcome.source)
    return header.steps[0] if header is not None and header.steps else ""
