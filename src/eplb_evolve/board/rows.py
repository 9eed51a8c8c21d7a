"""The leaderboard's rows and their order. The one place that decides what ranks above what."""

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from eplb_evolve.evaluation.result import Evaluation
from eplb_evolve.runs.ledger import Entry
from eplb_evolve.runs.origin import Origins, Provenance

UNSTABLE_SPREAD = 0.20
UNDISTURBED_SHARE = 0.5


@dataclass(frozen=True)
class Row:
    """One program on the board.

    Attributes:
        name: how people call it: a file's stem, or the first figures of an evolved program's hash
        provenance: seed, baseline (a published algorithm, written anew), reference (the yardstick), evolved (found
            by a search here)
        how: for an evolved one, the tier and operators of its last step
        rank: 1 is best within its table; None for what is invalid or infeasible
        link: where its program is, seen from results/
        front: whether no other feasible row of its table is better or equal in time, balance and transfers alike
    """

    name: str
    provenance: Provenance
    evaluation: Evaluation
    how: str = ""
    rank: int | None = None
    link: str = ""
    front: bool = False

    @property
    def unstable(self) -> bool:
        """Whether its time is not to be trusted: a wide interval, or most of its calls disturbed."""
        run = self.evaluation
        return (run.ratio_spread or 0.0) > UNSTABLE_SPREAD or run.undisturbed < UNDISTURBED_SHARE * run.samples

    def as_dict(self) -> dict[str, Any]:
        """For `--json`: the evaluation's fields plus rank, name, provenance and marks."""
        head = {"rank": self.rank, "name": self.name, "provenance": self.provenance, "how": self.how}
        return head | {"front": self.front, "unstable": self.unstable} | self.evaluation.as_dict()


@dataclass(frozen=True)
class Table:
    """Rows that may be compared: one workload, split, device, machine, sandbox level and objective."""

    workload: str
    split: str
    device: str
    machine: str
    sandbox_level: str
    objective: str
    rows: Sequence[Row]


def tables(rows: Iterable[Row]) -> list[Table]:
    """Group rows by what makes them comparable, and rank each group."""
    groups: dict[Table, list[Row]] = {}
    for row in rows:
        run = row.evaluation
        place = (run.workload, run.split, run.device, run.machine, run.sandbox_level, run.objective)
        groups.setdefault(Table(*place, rows=()), []).append(row)
    return [
        dataclasses.replace(table, rows=_ranked(group))
        for table, group in sorted(groups.items(), key=lambda each: dataclasses.astuple(each[0]))
    ]


def _ranked(rows: list[Row]) -> list[Row]:
    """By score, feasible rows first, then infeasible, then invalid; one row per program text."""
    unique = {(row.evaluation.sha256): row for row in rows}  # the last measurement of a text counts
    feasible = [row for row in unique.values() if row.evaluation.feasible]
    others = [row for row in unique.values() if not row.evaluation.feasible]
    feasible.sort(key=lambda row: -row.evaluation.combined_score)
    others.sort(key=lambda row: -row.evaluation.combined_score)
    front = pareto(feasible)
    ranked = [
        dataclasses.replace(row, rank=rank, front=row.evaluation.sha256 in front)
        for rank, row in enumerate(feasible, 1)
    ]
    return ranked + others


def pareto(rows: Sequence[Row]) -> frozenset[str]:
    """sha256 of the rows that no other one beats: none is at least as good in all three figures and better in one.

    Time, balancedness on the next window, and transfers; rows without one of the figures are left out.
    """
    known = [row for row in rows if None not in _costs(row)]
    costs = np.array([_costs(row) for row in known], np.float64).reshape(len(known), 3)
    front, names = np.empty((0, 3)), set()
    for index in np.lexsort(costs.T[::-1]):  # a row can only be beaten by one that comes before it
        own = costs[index]
        if not ((front <= own).all(axis=1) & (front < own).any(axis=1)).any():
            front = np.vstack([front, own])
            names.add(known[index].evaluation.sha256)
    return frozenset(names)


def _costs(row: Row) -> tuple[float | None, ...]:
    """Three figures, lower is better."""
    run = row.evaluation
    return run.time_ms, None if run.balancedness is None else -run.balancedness, run.transfers


def evolved_rows(entries: Iterable[Entry]) -> list[Row]:
    """Rows of a run's ledger; none for a program that the evaluator failed to judge."""
    return [
        Row(
            entry.evaluation.sha256[:10],
            "evolved",
            entry.evaluation,
            f"{entry.tier} {'+'.join(entry.operators)}".strip(),
        )
        for entry in entries
        if not entry.evaluation.evaluator_failed
    ]


def named(row: Row, origins: Origins) -> Row:
    """A run measures what it started from as well: such a row gets the name and provenance that people know."""
    origin = origins.of(row.evaluation)
    if origin is None:
        return row
    evaluation = dataclasses.replace(row.evaluation, sha256=origin.sha256)
    return Row(origin.name, origin.provenance, evaluation, link=origin.link)
