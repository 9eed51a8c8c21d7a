"""Which operators to draw more often: those whose children did well so far."""

import math
from collections import defaultdict
from collections.abc import Iterable

IMPROVED, FEASIBLE, USELESS, DRY = 1.0, 0.2, 0.0, 0.0
"""Rewards of a child: better than what it was made from; not better, yet feasible; neither; failed its dry run."""

_DRY_TRIAL = 0.2
"""A failed dry run costs little, so it weighs little."""

_PRIOR_TRIALS = 4.0
_LEAST, _MOST = 0.25, 4.0


class Bandit:
    """Weights of operators by the mean reward of the children that they took part in, shrunk to the mean of all."""

    def __init__(self) -> None:
        self._reward: defaultdict[str, float] = defaultdict(float)
        self._trials: defaultdict[str, float] = defaultdict(float)

    def learn(self, operators: Iterable[str], reward: float, trial: float = 1.0) -> None:
        """Count a child of these operators; each shares in the trial."""
        for name in set(operators):
            self._trials[name] += trial
            self._reward[name] += reward * trial

    def failed_dry(self, operators: Iterable[str]) -> None:
        """Count a child that failed its dry run."""
        self.learn(operators, DRY, _DRY_TRIAL)

    def weights(self) -> dict[str, float]:
        """Factor of each operator that was tried; others have 1."""
        trials = math.fsum(self._trials.values())
        if not trials:
            return {}
        mean = (math.fsum(self._reward.values()) + 1) / (trials + _PRIOR_TRIALS)
        return {
            name: min(_MOST, max(_LEAST, (self._reward[name] + mean * _PRIOR_TRIALS) / (count + _PRIOR_TRIALS) / mean))
            for name, count in sorted(self._trials.items())
        }


def reward(score: float, parent_score: float | None, feasible: bool) -> float:
    """Reward of a child with a score whose parent had another one (None: not known, so no improvement)."""
    if not feasible:
        return USELESS
    return IMPROVED if parent_score is not None and score > parent_score else FEASIBLE
