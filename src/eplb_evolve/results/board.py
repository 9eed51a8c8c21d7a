"""The leaderboard's rows and their order. The one place that decides what ranks above what."""

import dataclasses
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from eplb_evolve.evaluation.result import Evaluation
from eplb_evolve.results.ledger import Entry

Provenance = Literal["seed", "baseline", "reference", "evolved"]


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
    """

    name: str
    provenance: Provenance
    evaluation: Evaluation
    how: str = ""
    rank: int | None = None
    link: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For `--json`: the evaluation's fields plus rank, name and provenance."""
        head = {"rank": self.rank, "name": self.name, "provenance": self.provenance, "how": self.how}
        return head | self.evaluation.as_dict()


@dataclass(frozen=True)
class Table:
    """Rows that may be compared: one workload, split, device, machine and sandbox level."""

    workload: str
    split: str
    device: str
    machine: str
    sandbox_level: str
    rows: Sequence[Row]


def tables(rows: Iterable[Row]) -> list[Table]:
    """Group rows by what makes them comparable, and rank each group."""
    groups: dict[tuple[str, str, str, str, str], list[Row]] = {}
    for row in rows:
        run = row.evaluation
        key = (run.workload, run.split, run.device, run.machine, run.sandbox_level)
        groups.setdefault(key, []).append(row)
    return [Table(*key, rows=_ranked(group)) for key, group in sorted(groups.items())]


def _ranked(rows: list[Row]) -> list[Row]:
    """By score, feasible rows first, then infeasible, then invalid; one row per program text."""
    unique = {(row.evaluation.sha256): row for row in rows}  # the last measurement of a text counts
    feasible = [row for row in unique.values() if row.evaluation.feasible]
    others = [row for row in unique.values() if not row.evaluation.feasible]
    feasible.sort(key=lambda row: -row.evaluation.combined_score)
    others.sort(key=lambda row: -row.evaluation.combined_score)
    return [dataclasses.replace(row, rank=rank) for rank, row in enumerate(feasible, 1)] + others


def declared_provenance(program: Path) -> Provenance:
    """What the line `Provenance:` of a program's docstring says; `seed` without one."""
    found = re.search(r"^Provenance: (seed|baseline|reference)$", program.read_text(encoding="utf-8"), re.MULTILINE)
    return cast(Provenance, found[1]) if found is not None else "seed"


def declared_device(program: Path) -> str:
    """What the line `Device:` of a program's docstring begins with: where it is meant to run; `cpu` without one."""
    found = re.search(r"^Device: (\w+)", program.read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found is not None else "cpu"


def evolved_rows(entries: Iterable[Entry]) -> list[Row]:
    """Rows of a run's ledger."""
    return [
        Row(
            entry.evaluation.sha256[:10],
            "evolved",
            entry.evaluation,
            f"{entry.tier} {'+'.join(entry.operators)}".strip(),
        )
        for entry in entries
    ]
