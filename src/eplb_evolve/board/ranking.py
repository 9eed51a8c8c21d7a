"""What ranks above what on a board, and what nothing else beats: the one place that decides it.

Figures compare with their intervals, which are those of another evaluation: one program is better than another in a
figure where the intervals do not overlap, and not worse where they do.
"""

import dataclasses
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from eplb_evolve.board.metrics import BY_NAME
from eplb_evolve.board.rows import Row, Table
from eplb_evolve.evaluation.objectives import objective
from eplb_evolve.evaluation.result import Conditions, Evaluation

FRONT = ("ratio_to_reference", "balancedness_ratio", "transfers_more")
"""The metrics that a program must be beaten in, each beside the reference on the same calls."""


@dataclass(frozen=True)
class Reach:
    """A figure and its interval, turned so that lower is better, and what is no difference."""

    value: float
    low: float
    high: float
    negligible: float = 0.0

    def beats(self, other: "Reach") -> bool:
        """Whether it is better beyond both intervals."""
        return self.high < other.low and other.value - self.value > self.negligible


def tables(rows: Iterable[Row], by: str = "time") -> list[Table]:
    """Group rows by what makes them comparable, and rank each group by an objective, whatever found the programs.

    A row that compares with no other has no table, unless no row does.
    """
    groups: dict[Conditions, dict[str, Row]] = {}
    for row in rows:  # the last measurement of a text counts
        groups.setdefault(row.evaluation.conditions, {})[row.evaluation.sha256] = row
    several = [conditions for conditions, group in groups.items() if len(group) > 1]
    return [
        Table(conditions, by, _ranked(list(groups[conditions].values()), by))
        for conditions in sorted(several or groups, key=dataclasses.astuple)
    ]


def _ranked(rows: list[Row], by: str) -> list[Row]:
    """By score, feasible rows first, then infeasible, then invalid."""
    scores = {row.evaluation.sha256: _score(row.evaluation, by) for row in rows}
    known = [row for row in rows if scores[row.evaluation.sha256] is not None]
    known.sort(key=lambda row: -(scores[row.evaluation.sha256] or 0.0))
    others = [row for row in rows if scores[row.evaluation.sha256] is None]
    others.sort(key=lambda row: -row.evaluation.combined_score)
    front = pareto(known)
    ranked = [
        dataclasses.replace(row, rank=rank, front=row.evaluation.sha256 in front) for rank, row in enumerate(known, 1)
    ]
    return ranked + others


def _score(evaluation: Evaluation, by: str) -> float | None:
    """Of a feasible program under the objective that a table goes by; None where its figures say nothing of it."""
    if not evaluation.feasible:
        return None
    try:
        own = objective(by).score(evaluation)
    except ValueError:
        return None  # nor would an earlier version's score compare
    return evaluation.combined_score if evaluation.objective == by else own  # a search's scores are chained


def reach(evaluation: Evaluation, name: str) -> Reach | None:
    """A metric with its interval, without end where that is not known; None where it was not measured."""
    metric, value = BY_NAME[name], evaluation.figure(name)
    if value is None:
        return None
    low, high = metric.ends(evaluation) or (-math.inf, math.inf)
    if metric.better == "higher":
        return Reach(-value, -high, -low, metric.negligible)
    return Reach(value, low, high, metric.negligible)


def reaches(evaluation: Evaluation) -> tuple[Reach, ...] | None:
    """The figures of the front; None where one was not measured."""
    found = [reach(evaluation, name) for name in FRONT]
    known = tuple(each for each in found if each is not None)
    return known if len(known) == len(FRONT) else None


def pareto(rows: Sequence[Row]) -> frozenset[str]:
    """sha256 of the rows that no other one beats: better in one figure and not worse in any.

    Ties do not chain: in each figure a row ties with the best of the table, or else with the best of those that do not,
    and so on. None, where one of the rows was not measured in all figures: it might beat any other.
    """
    known = {row.evaluation.sha256: found for row in rows if (found := reaches(row.evaluation)) is not None}
    if len(known) < len({row.evaluation.sha256 for row in rows}):
        return frozenset()
    columns = (levels([figures[at] for figures in known.values()]) for at in range(len(FRONT)))
    places = dict(zip(known, zip(*columns, strict=True), strict=True))
    kinds = set(places.values())
    beaten = {own for own in kinds for other in kinds if other != own and _not_above(other, own)}
    return frozenset(sha256 for sha256, place in places.items() if place not in beaten)


def levels(figures: Sequence[Reach]) -> list[int]:
    """Of each figure, 0 if it ties with the best, 1 if with the best of the others, and so on."""
    found = [0] * len(figures)
    left, level = sorted(range(len(figures)), key=lambda at: figures[at].value), 0
    while left:
        best = figures[left[0]]
        for at in left:
            found[at] = level
        left = [at for at in left if best.beats(figures[at])]
        level += 1
    return found


def _not_above(one: Sequence[int], other: Sequence[int]) -> bool:
    return all(mine <= theirs for mine, theirs in zip(one, other, strict=True))
