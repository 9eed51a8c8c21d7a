"""RUN/exchanges.jsonl as a run's history: who proposed what, of which program, and what was lost."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eplb_evolve.gateway.record import FILE_NAME
from eplb_evolve.growing_file import GrowingFile


@dataclass(frozen=True)
class Proposal:
    """One exchange with a model; programs by their sha256.

    Attributes:
        number: its place in the record, from 1
        idea: the model's own words, "" where it had none
        parent: the program that OpenEvolve wanted changed; None where the record does not say
        base: the program that the model was asked to change
        child: what came of it, None where nothing did
        lost: why nothing did
        cost_usd: None where a price is unknown, and for a local model
    """

    number: int
    model: str
    idea: str = ""
    parent: str | None = None
    base: str | None = None
    child: str | None = None
    lost: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float | None = None


class Proposals:
    """The proposals of a run; each look reads what is new."""

    def __init__(self, run: Path) -> None:
        self._file, self._known = GrowingFile(run / FILE_NAME), list[Proposal]()

    def all(self) -> list[Proposal]:
        """Oldest first; torn lines, and what no record of ours holds, are skipped."""
        lines = self._file.new_lines()
        if self._file.replaced:
            self._known = []
        self._known += [found for line in lines if (found := _proposal(line)) is not None]
        return list(self._known)


def _proposal(line: bytes) -> Proposal | None:
    try:
        data: dict[str, Any] = json.loads(line)
        usage = data.get("usage") or {}
        return Proposal(
            number=int(data["number"]),
            model=str(data["model"]),
            idea=str(data.get("idea") or ""),
            parent=data.get("parent"),
            base=data.get("base"),
            child=data.get("child"),
            lost=str(data.get("lost") or ""),
            prompt_tokens=usage.get("prompt_tokens", 0),
            completion_tokens=usage.get("completion_tokens", 0),
            cost_usd=data.get("cost_usd"),
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
