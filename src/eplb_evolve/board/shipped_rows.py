"""results/standing.json: every seed, the reference and every recorded program, measured in one go (`eplb board`)."""

import json
import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from eplb_evolve import durable
from eplb_evolve.board.rows import Row
from eplb_evolve.errors import UsageError
from eplb_evolve.evaluation.result import Evaluation

FILE_NAME = "standing.json"


@dataclass(frozen=True)
class Shipped:
    """What the file holds: the rows, when and by which command they were measured, and the seconds that it took."""

    rows: Sequence[Row]
    when: str = ""
    command: str = ""
    seconds: float = 0.0


def write_shipped(folder: Path, shipped: Shipped, versions: dict[str, str]) -> None:
    """Replace the file in `folder`, which is results/. Programs are named from the project's folder on."""
    measured = [
        {
            "name": row.name,
            "provenance": row.provenance,
            "how": row.how,
            "link": row.link,
            "evaluation": row.evaluation.at(_program(folder, row)).as_dict(),
        }
        for row in shipped.rows
    ]
    head = {"when": shipped.when, "command": shipped.command, "seconds": round(shipped.seconds), "versions": versions}
    durable.write_text(folder / FILE_NAME, json.dumps(head | {"rows": measured}, indent=1) + "\n")


def _program(folder: Path, row: Row) -> str:
    inside = "program.py" if row.link.endswith("/") else ""  # a record is linked as a whole
    return posixpath.normpath(f"{folder.name}/{row.link}{inside}")


def read_shipped(folder: Path) -> Shipped:
    """The file in `folder`; no rows when there is no file."""
    file = folder / FILE_NAME
    if not file.exists():
        return Shipped(())
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
        return Shipped(rows, data["when"], data["command"], data.get("seconds", 0.0))
    except (OSError, ValueError, TypeError, KeyError) as problem:
        raise UsageError(f"{file} is broken: {problem}; restore it with git checkout") from problem
