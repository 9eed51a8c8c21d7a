"""results/standing.json: every seed, the reference and every recorded program, measured together (`eplb board`)."""

import json
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from eplb_evolve import durable
from eplb_evolve.board.rows import Row
from eplb_evolve.errors import UsageError
from eplb_evolve.evaluation.result import Evaluation

FILE_NAME = "standing.json"


@dataclass(frozen=True)
class Measuring:
    """When, by which command and with which versions rows were measured, and the seconds that it took."""

    when: str
    command: str
    seconds: float
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Shipped:
    """The rows, and how those of each workload were measured."""

    rows: Sequence[Row] = ()
    measuring: Mapping[str, Measuring] = field(default_factory=dict)

    def updated(self, newer: "Shipped") -> "Shipped":
        """With the rows of the newer one in the place of those of its workloads."""
        kept = [row for row in self.rows if row.evaluation.conditions.workload not in newer.measuring]
        return Shipped([*kept, *newer.rows], {**self.measuring, **newer.measuring})


def write_shipped(folder: Path, shipped: Shipped) -> None:
    """Replace the file in `folder`, which is results/. Programs are named from the project's folder on."""
    rows = [
        {
            "name": row.name,
            "provenance": row.provenance,
            "how": row.how,
            "link": row.link,
            "evaluation": row.evaluation.at(_program(folder, row)).as_dict(),
        }
        for row in shipped.rows
    ]
    measuring = {workload: asdict(each) for workload, each in sorted(shipped.measuring.items())}
    durable.write_text(folder / FILE_NAME, json.dumps({"measuring": measuring, "rows": rows}, indent=1) + "\n")


def _program(folder: Path, row: Row) -> str:
    inside = "program.py" if row.link.endswith("/") else ""  # a record is linked as a whole
    return posixpath.normpath(f"{folder.name}/{row.link}{inside}")


def read_shipped(folder: Path) -> Shipped:
    """The file in `folder`; no rows when there is no file. Files of earlier versions say less of the measuring."""
    file = folder / FILE_NAME
    if not file.exists():
        return Shipped()
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        rows = [
            Row(
                row["name"],
                row["provenance"],
                Evaluation.from_dict(row["evaluation"]),
                row.get("how", ""),
                link=row["link"],
            )
            for row in data["rows"]
        ]
        return Shipped(rows, {workload: Measuring(**each) for workload, each in data.get("measuring", {}).items()})
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as problem:
        raise UsageError(f"{file} is broken: {problem}; restore it with git checkout") from problem
