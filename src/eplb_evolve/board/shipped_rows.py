"""results/standing.json: the seeds, the reference and recorded programs, measured in one go, for LEADERBOARD.md."""

import json
import posixpath
from collections.abc import Sequence
from pathlib import Path

from eplb_evolve import durable
from eplb_evolve.board.rows import Row
from eplb_evolve.errors import UsageError
from eplb_evolve.evaluation.result import Evaluation

FILE_NAME = "standing.json"


def write_standing(folder: Path, rows: Sequence[Row], when: str, versions: dict[str, str]) -> None:
    """Replace the file in `folder`, which is results/. Programs are named from the project's folder on."""
    measured = [
        {
            "name": row.name,
            "provenance": row.provenance,
            "link": row.link,
            "evaluation": row.evaluation.at(_program(folder, row)).as_dict(),
        }
        for row in rows
    ]
    document = {"when": when, "command": "eplb leaderboard --seeds --write", "versions": versions, "rows": measured}
    durable.write_text(folder / FILE_NAME, json.dumps(document, indent=1) + "\n")


def _program(folder: Path, row: Row) -> str:
    inside = "program.py" if row.link.endswith("/") else ""  # a record is linked as a whole
    return posixpath.normpath(f"{folder.name}/{row.link}{inside}")


def read_standing(folder: Path) -> list[Row]:
    """The rows of the file in `folder`; none when there is no file."""
    file = folder / FILE_NAME
    if not file.exists():
        return []
    try:
        return [
            Row(row["name"], row["provenance"], Evaluation.from_dict(row["evaluation"]), link=row["link"])
            for row in json.loads(file.read_text(encoding="utf-8"))["rows"]
        ]
    except (OSError, ValueError, TypeError, KeyError) as problem:
        raise UsageError(f"{file} is broken: {problem}; restore it with git checkout") from problem
