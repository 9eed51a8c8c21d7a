"""What a run has found out so far, read from its ledger: one JSON line per evaluation, the programs beside it."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .program import UnreadableProgram
from .study import study


@dataclass(frozen=True)
class Outcome:
    """One evaluated program.

    Attributes:
        source: its text
        sha256: of its text
        fingerprint: what it means
        score: larger is better
        feasible: whether it counts
    """

    source: str
    sha256: str
    fingerprint: str
    score: float
    feasible: bool


class History:
    """Reads the lines that a run's ledger has gained; never writes."""

    def __init__(self, run: Path) -> None:
        self._run = run
        self._read = 0
        self.outcomes: dict[str, Outcome] = {}
        """By fingerprint; of a program that was evaluated twice the first."""

    def news(self) -> list[Outcome]:
        """What was evaluated since the last call."""
        found: list[Outcome] = []
        for line in self._new_lines():
            outcome = self._outcome(line)
            if outcome is not None and outcome.fingerprint not in self.outcomes:
                self.outcomes[outcome.fingerprint] = outcome
                found.append(outcome)
        return found

    def first(self) -> Outcome | None:
        """The program that the run began with."""
        return next(iter(self.outcomes.values()), None)

    def _new_lines(self) -> Iterable[str]:
        try:
            with (self._run / "ledger.jsonl").open("rb") as file:
                file.seek(self._read)
                data = file.read()
        except FileNotFoundError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._read += len(whole)
        return whole.decode("utf-8", "replace").splitlines()

    def _outcome(self, line: str) -> Outcome | None:
        try:
            entry = json.loads(line)
            source = (self._run / entry["program"]).read_text(encoding="utf-8")
            meaning = study(source).fingerprint
            score, feasible, sha256 = float(entry["combined_score"]), bool(entry["feasible"]), str(entry["sha256"])
        except (ValueError, KeyError, TypeError, OSError, UnreadableProgram):
            return None  # a torn line, or a program that is no Python: nothing to learn from
        return Outcome(source, sha256, meaning, score, feasible)
