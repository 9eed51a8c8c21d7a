"""The rows of a board."""

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from eplb_evolve.board.doubts import doubts, unsteady
from eplb_evolve.evaluation.result import Conditions, Evaluation, Status
from eplb_evolve.runs.ledger import Entry
from eplb_evolve.runs.origin import Origins, Provenance


@dataclass(frozen=True)
class Row:
    """One program on the board.

    Attributes:
        name: how people call it: a file's stem, or the first figures of an evolved program's hash
        provenance: where it comes from
        how: for an evolved one, the tier and operators of its last step
        rank: 1 is best within its table; None for what is invalid or infeasible
        link: where its program is, seen from results/
        front: whether no other feasible row of its table beats it in time, balance and transfers, see ranking
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
        """Whether its time is not to be trusted."""
        return unsteady(self.evaluation)

    def as_dict(self) -> dict[str, Any]:
        """For `--json`: the evaluation's fields plus rank, name, provenance, marks and doubts."""
        head = {"rank": self.rank, "name": self.name, "provenance": self.provenance, "how": self.how}
        marks = {"front": self.front, "unstable": self.unstable, "doubts": doubts(self.evaluation)}
        return head | marks | self.evaluation.as_dict()


@dataclass(frozen=True)
class Table:
    """Rows that may be compared, measured under equal conditions, and the objective that they are ranked by."""

    conditions: Conditions
    objective: str
    rows: Sequence[Row]


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
        if entry.evaluation.status is not Status.EVALUATOR_FAILED
    ]


def named(row: Row, origins: Origins) -> Row:
    """A run measures what it started from as well: such a row gets the name and provenance that people know."""
    origin = origins.of(row.evaluation)
    if origin is None:
        return row
    evaluation = dataclasses.replace(row.evaluation, sha256=origin.sha256)
    return Row(origin.name, origin.provenance, evaluation, link=origin.link)
