"""What a run knows when a prompt is written: each proposal with what became of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from eplb_evolve.evaluation.result import Evaluation
from eplb_evolve.runs.ledger import Entry, best
from eplb_evolve.runs.proposals import Proposal


@dataclass(frozen=True)
class Row:
    """A program of the run, or a proposal of which none came.

    Attributes:
        name: "seed", "seed 2", or the proposal's number
        idea: the model's own words
        base: name of the row that was changed, "" where that is not known
        evaluation: None before it has ended, and for what was lost
        lost: why there is no program
    """

    name: str
    idea: str = ""
    base: str = ""
    evaluation: Evaluation | None = None
    lost: str = ""

    @property
    def called(self) -> str:
        """`the seed`, `the seed 2`, `proposal 7`."""
        return f"the {self.name}" if self.name.startswith("seed") else f"proposal {self.name}"


class History:
    """A snapshot of a run."""

    def __init__(self, entries: Sequence[Entry], proposals: Sequence[Proposal]) -> None:
        measured: dict[str, Evaluation] = {}
        mine = [entry for entry in entries if entry.evaluation.conditions.split == "search"]
        for entry in mine:
            measured.setdefault(entry.evaluation.sha256, entry.evaluation)
        made = {proposal.child for proposal in proposals}
        self.by_sha256: dict[str, Row] = {}
        for sha256, evaluation in measured.items():
            if sha256 not in made:
                name = f"seed {len(self.by_sha256) + 1}" if self.by_sha256 else "seed"
                self.by_sha256[sha256] = Row(name, "what the run started from", evaluation=evaluation)
        self.rows = list(self.by_sha256.values())
        for each in proposals:
            base = self.by_sha256.get(each.base or "")
            found = Row(
                str(each.number),
                each.idea,
                base.name if base is not None else "",
                measured.get(each.child or ""),
                each.lost,
            )
            self.rows.append(found)
            if each.child is not None:
                self.by_sha256.setdefault(each.child, found)
        leader = best(mine)
        self.best = self.by_sha256[leader.evaluation.sha256] if leader is not None else None
        self.leaders = _leaders(mine)

    def row(self, sha256: str) -> Row | None:
        """A program's row."""
        return self.by_sha256.get(sha256)

    def named(self, name: str) -> Row | None:
        """The row of this name."""
        return next((row for row in self.rows if row.name == name), None)


def _leaders(entries: Sequence[Entry]) -> frozenset[str]:
    """sha256 of each program that was the best one for a time."""
    found, leader = set(), None
    for entry in entries:
        if entry.evaluation.outranks(leader):
            leader = entry.evaluation
            found.add(leader.sha256)
    return frozenset(found)
