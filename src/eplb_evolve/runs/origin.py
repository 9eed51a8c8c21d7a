"""Which programs of a run its search did not find: the text that it started from, and what is shipped in seeds/."""

import contextlib
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from eplb_evolve.errors import UsageError
from eplb_evolve.evaluation.candidate import read_program
from eplb_evolve.evaluation.result import Evaluation
from eplb_evolve.proposer.header import without_header
from eplb_evolve.runs.ledger import PROGRAMS, Entry
from eplb_evolve.runs.run_info import read_starts

Provenance = Literal["seed", "baseline", "reference", "evolved"]
"""seed, baseline (a published algorithm, written anew), reference (the yardstick), evolved (found by a search)."""


@dataclass(frozen=True)
class Origin:
    """A text that no search found: sha256 of its file, what people call it, where it comes from, see Provenance."""

    sha256: str
    name: str
    provenance: Provenance
    link: str = ""


class Origins:
    """What a run started from, and the balancers in `seeds` by their stems; known by their text, not by their path.

    The comment lines that a proposer puts on top and blanks at the ends of lines do not make another text.
    """

    def __init__(self, run: Path | None, entries: Sequence[Entry], seeds: Mapping[str, Path]) -> None:
        self._run = run
        self._known: dict[str, Origin] = {}
        for digest, name in _started_from(run, entries):
            self._add(Origin(digest, name, "seed"), self._text(digest))
        for name, file in seeds.items():
            source = read_program(file)
            origin = Origin(
                hashlib.sha256(source).hexdigest(), name, declared_provenance(file), f"../seeds/{file.name}"
            )
            self._add(origin, text_sha256(source))

    def _add(self, origin: Origin, text: str) -> None:
        self._known[text] = self._known[origin.sha256] = origin

    def _text(self, digest: str) -> str:
        """text_sha256 of a program that the run kept; its own sha256 when the file is gone."""
        if self._run is not None:
            with contextlib.suppress(UsageError):
                source = read_program(self._run / PROGRAMS / f"{digest[:12]}.py")
                if hashlib.sha256(source).hexdigest() == digest:
                    return text_sha256(source)
        return digest

    def of(self, evaluation: Evaluation) -> Origin | None:
        """Where the program of an evaluation comes from; None when the search found it."""
        return self._known.get(evaluation.sha256) or self._known.get(self._text(evaluation.sha256))

    def of_text(self, source: bytes) -> Origin | None:
        """Where a text comes from; None when it is none of those."""
        return self._known.get(text_sha256(source))


def text_sha256(source: bytes) -> str:
    """sha256 of a program without the proposer's header and blanks at the ends of lines."""
    lines = [line.rstrip() for line in source.decode("utf-8", "replace").splitlines()]
    at = 0
    while at < len(lines):
        header, rest = without_header(lines[at:])
        lines[at:] = rest
        at += header is None
    return hashlib.sha256("\n".join(lines).strip().encode()).hexdigest()


def _started_from(run: Path | None, entries: Sequence[Entry]) -> list[tuple[str, str]]:
    """sha256 and name of each program that the run was started with; else of the first that nothing is said of."""
    starts = read_starts(run) if run is not None else []
    found = [(sha256, _called(file)) for start in starts for file, sha256 in start.seeds if sha256]
    if not found and entries and not entries[0].operators:
        first = entries[0].evaluation.sha256
        found = [(first, f"{first[:10]} (start)")]
    return found


def _called(program: str) -> str:
    """A file's name; a record's program has its folder's."""
    file = Path(program)
    return file.parent.name if file.name == "program.py" and file.parent.name else file.stem


def declared_provenance(program: Path) -> Provenance:
    """What the line `Provenance:` of a program's docstring says; `seed` without one."""
    found = re.search(r"^Provenance: (seed|baseline|reference)$", program.read_text(encoding="utf-8"), re.MULTILINE)
    return cast(Provenance, found[1]) if found is not None else "seed"


def declared_device(program: Path) -> str:
    """What the line `Device:` of a program's docstring begins with: where it is meant to run; `cpu` without one."""
    found = re.search(r"^Device: (\w+)", program.read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found is not None else "cpu"
