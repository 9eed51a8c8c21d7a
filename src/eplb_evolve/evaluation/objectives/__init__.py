"""What a search goes by. An objective is a file of this folder that holds `OBJECTIVE`."""

import functools
import importlib
import math
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from eplb_evolve.errors import UsageError, suggestion
from eplb_evolve.evaluation.gap import Gap
from eplb_evolve.evaluation.result import Evaluation
from eplb_evolve.evaluation.settings import Thresholds
from eplb_evolve.evaluation.task import Task
from eplb_evolve.evaluation.timed import Timed

SURE = 0.99
"""Confidence at which a program has won a second look."""


@dataclass(frozen=True)
class Incumbent:
    """The best program of a search so far.

    Attributes:
        ratio: its ratio_to_reference, as its own second look found it
        score: its combined_score
        ratio_high: upper end of the ratio's interval; None if there is none
        sha256: of its text
    """

    program: Path
    ratio: float
    score: float = 0.0
    ratio_high: float | None = None
    sha256: str = ""


@dataclass(frozen=True)
class Gain:
    """What a second look found.

    Attributes:
        won: whether the program is better than the incumbent beyond doubt
        gap: what it gained beside it; None where there was none to call
        score: the score that it may have: a winner's is chained to the incumbent's. None: as its own figures say
        most: the highest score that it may have
    """

    won: bool
    gap: Gap | None
    score: float | None
    most: float


class Objective(Protocol):
    """What the score of a feasible program rewards, and how people call that.

    Attributes:
        name: in configurations, ledgers and tables
        counts: what counts, in words
        figure: name of the metric that a search is after
        shown, unit: the metric of a progress line, and what follows it there
        beside: what follows it in a display
        thresholds: the hard constraint in place of the profile's; None leaves that
        races: whether a program far slower than the best is given up
        several: whether it can go by several workloads
        serves: whether it depends on the configured server
    """

    name: str
    counts: str
    figure: str
    shown: str
    unit: str
    beside: str
    thresholds: Thresholds | None
    races: bool
    several: bool
    serves: bool

    def score(self, evaluation: Evaluation) -> float:
        """combined_score of a feasible program, 1 at least, from its figures; whatever objective it was found under.

        ValueError where these say nothing of it.
        """

    def seems_better(self, evaluation: Evaluation, incumbent: Incumbent) -> bool:
        """Whether a first look is worth a second."""

    def second_look(self, own: Sequence[Timed], rival: Sequence[Timed], incumbent: Incumbent) -> Gain:
        """Compare a program with the incumbent on the same calls, of each workload.

        rival: empty where the incumbent could not be called; then its stored figures are compared.
        """


def in_points(gap: Callable[[float], Gap], beside: bool, score: Callable[[float], float], incumbent: Incumbent) -> Gain:
    """A second look by a share that is worth a point of combined_score for each percent.

    gap: at a confidence, how much more of it a program has than the incumbent (`beside`), or than the reference, in
    which case `score` says what that is worth. A winner's score is the incumbent's and what it gained beside it, unless
    its own is lower; nobody else gets more than the incumbent.
    """
    surely = gap(SURE)
    if not beside:
        won = score(surely.low) > incumbent.score
        return Gain(won, None, None, math.inf if won else incumbent.score)
    likely, won = gap(0.95), surely.low > 0
    points = Gap(100 * likely.value, 100 * likely.low, 100 * likely.high)
    return Gain(won, points, None, incumbent.score + (points.value if won else 0.0))


def infeasible_score(margin: float) -> float:
    """combined_score under any objective: the constraint's smallest value / threshold, capped at 0.999."""
    return min(max(margin, 0.0), 0.999)


@functools.cache
def objectives() -> dict[str, Objective]:
    """By their names; the default first."""
    found = [importlib.import_module(f"{__name__}.{each.name}").OBJECTIVE for each in pkgutil.iter_modules(__path__)]
    return {each.name: each for each in sorted(found, key=lambda each: each.name != "time")}


def objective(name: str) -> Objective:
    """By its name; UsageError for what is none."""
    known = objectives()
    if name not in known:
        raise UsageError(f"objective is {', '.join(known)}, not '{name}'{suggestion(name, known)}")
    return known[name]


def refuse_several(task: Task) -> Task:
    """The task; UsageError where it has several workloads and its objective goes by one."""
    if task.others and not objective(task.settings.objective).several:
        able = [each.name for each in objectives().values() if each.several]
        raise UsageError(
            f"workload: several are timed under objective {' or '.join(able)} only, not {task.settings.objective}"
        )
    return task
