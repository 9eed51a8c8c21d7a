"""Programs worth keeping: results/records/NAME/ with program.py, record.json and a README that people finish."""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eplb_evolve import durable
from eplb_evolve.board.rows import Row
from eplb_evolve.errors import UsageError
from eplb_evolve.evaluation.result import Evaluation
from eplb_evolve.runs.origin import Provenance
from eplb_evolve.serving.presets import Deployment
from eplb_evolve.serving.worth import VLLM_STEPS, sentence


@dataclass(frozen=True)
class Record:
    """What record.json holds.

    Attributes:
        name: of the record and its folder
        provenance: see runs.origin
        how: tier and operators of an evolved program's last step
        when: UTC time of the measurement
        command: what measured it
        search: what found it, "" when nothing did
        versions: of Python and the packages that matter
        evaluations: one per workload and split
        lineage: the steps that led to it, see lineage.Step, without their texts
        worth: what it is worth to a server, one sentence with its assumptions, "" where nothing was timed
    """

    name: str
    provenance: Provenance
    how: str
    when: str
    command: str
    search: str
    versions: dict[str, str]
    evaluations: Sequence[Evaluation]
    lineage: Sequence[dict[str, Any]] = ()
    worth: str = ""

    def rows(self) -> list[Row]:
        """One board row per evaluation."""
        link = f"records/{self.name}/"
        return [Row(self.name, self.provenance, evaluation, self.how, link=link) for evaluation in self.evaluations]

    def write(self, folder: Path, source: bytes, readme: str) -> None:
        """Write program.py, record.json and README.md into folder/NAME; never over an existing record."""
        place = folder / self.name
        refuse_existing(folder, self.name)
        durable.write_text(place / "README.md", readme)
        durable.write_bytes(place / "program.py", source)
        data = dataclasses.asdict(self) | {"evaluations": [run.as_dict() for run in self.evaluations]}
        durable.write_text(place / "record.json", json.dumps(data, indent=1) + "\n")  # last: it makes the record


def refuse_existing(folder: Path, name: str) -> None:
    """Raise UsageError if there is a record of that name."""
    if (folder / name / "record.json").exists():
        raise UsageError(f"{folder / name} exists; records are not overwritten, choose another --name")


def worth_in_words(name: str, evaluations: Sequence[Evaluation], served: Deployment) -> str:
    """The sentence on the first evaluation on holdout windows, "" where there is none with figures."""
    for each in evaluations:
        where, figures = each.conditions, each.serving
        if where.split != "holdout" or figures is None:
            continue
        blocking, background = figures.net_blocking_3000, figures.net_background_3000
        if blocking is not None and background is not None:
            return sentence(served, where.workload, name, VLLM_STEPS, blocking, background)
    return ""


def read_records(folder: Path) -> list[Record]:
    """Every record in `folder`, by name."""
    return [_read(file) for file in sorted(folder.glob("*/record.json"))]


def _read(file: Path) -> Record:
    try:
        data: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        evaluations = [Evaluation.from_dict(item) for item in data.pop("evaluations")]
        return Record(**data, evaluations=evaluations)
    except (OSError, ValueError, TypeError, KeyError) as problem:
        raise UsageError(f"{file} is not a record: {problem}; restore it with git checkout") from problem
