"""Which operators to draw more often: those whose children did well so far."""

import math
from collections import defaultdict
from collections.abc import Iterable

MUCH_BETTER, FEASIBLE, USELESS, DRY = 1.0, 0.1, 0.0, 0.0
"""Rewards of a child: much better than what it was made from; not better, yet feasible; neither; failed its dry run."""

_MUCH = 0.15
"""A gain in score, a tenth in speed, that earns the whole reward; a smaller one, which may be noise, its part of it."""

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
        """Count a child of these operators; each has an equal part in the trial."""
        names = set(operators)
        for name in names:
            self._trials[name] += trial / len(names)
            self._reward[name] += reward * trial / len(names)

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
    gain = score - parent_score if parent_score is not None else 0.0
    return min(MUCH_BETTER, max(FEASIBLE, gain / _MUCH))
