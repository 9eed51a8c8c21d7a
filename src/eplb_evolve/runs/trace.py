"""OpenEvolve's evolution_trace.jsonl: which program was made from which, by which reply."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eplb_evolve.errors import UsageError
from eplb_evolve.gateway.parsing import sha256

FILE_NAME = "evolution_trace.jsonl"


@dataclass(frozen=True)
class Mutation:
    """One line of a trace: a child that the search admitted.

    Attributes:
        iteration: OpenEvolve's number of the proposal, or the exchange's
        parent_code: the whole program; None where no line shows it
        child_sha256: of the child's text
        child_metrics: what was recorded of the child's evaluation
        reply: the whole answer, as OpenEvolve got it; None where the run did not keep it
        model: name of the model that answered; "" when not known
        full_rewrite: whether the reply was read as a whole program, not as a diff
    """

    iteration: int
    parent_code: str | None
    child_sha256: str
    child_metrics: dict[str, Any]
    reply: str | None
    model: str
    full_rewrite: bool

    @property
    def parent_sha256(self) -> str | None:
        """Of the parent's text, None where that is not known."""
        return None if self.parent_code is None else sha256(self.parent_code)


@dataclass(frozen=True)
class Trace:
    """The mutations of a run in the order in which OpenEvolve admitted them, and how many lines were torn."""

    file: Path
    mutations: tuple[Mutation, ...]
    torn: int


def read_trace(path: Path) -> Trace:
    """Read a trace, or the one in a run's folder. A line that a killed run left half-written is skipped and counted.

    UsageError: there is no trace, or it was recorded without the programs.
    """
    file = path / FILE_NAME if path.is_dir() else path
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError as problem:
        raise UsageError(
            f"cannot read the trace {file}: {problem.strerror}; give {FILE_NAME} or the folder of a run with "
            "evolution_trace.enabled: true"
        ) from problem
    mutations, torn = [], 0
    shown: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            data = json.loads(line)
        except ValueError:
            torn += 1
            continue
        mutations.append(_mutation(data, f"{file}, line {number}", shown))
    return Trace(file, tuple(mutations), torn)


def parent_of(data: dict[str, Any], parent: str | None, child: str, shown: dict[str, str]) -> str | None:
    """A line's parent: as the line has it, or as an earlier line showed it; None where neither does.

    OpenEvolve leaves the parent's text out when the parent left the archive while its child was evaluated. shown: what
    stands for each program so far (its text or its sha256), by OpenEvolve's id; the line's own programs are added.
    """
    if parent is None:
        parent = shown.get(data.get("parent_id", ""))
    for key, program in (("parent_id", parent), ("child_id", child)):
        if data.get(key) and program is not None:
            shown[data[key]] = program
    return parent


def _mutation(data: Any, where: str, shown: dict[str, str]) -> Mutation:
    try:
        parent = parent_of(data, data.get("parent_code"), data["child_code"], shown)
        metadata = data.get("metadata") or {}
        usage = metadata.get("token_usage") or {}
        return Mutation(
            iteration=data["iteration"],
            parent_code=parent,
            child_sha256=sha256(data["child_code"]),
            child_metrics=data["child_metrics"],
            reply=data.get("llm_response"),
            model=str(usage.get("model") or ""),
            full_rewrite=metadata.get("changes") == "Full rewrite",
        )
    except KeyError as problem:
        if problem.args[0] == "child_code":
            raise UsageError(
                f"{where} holds no programs; record a run with evolution_trace.include_code: true"
            ) from problem
        raise UsageError(f"{where} is not a line of OpenEvolve's trace: it has no {problem}") from problem
    except AttributeError as problem:
        raise UsageError(f"{where} is not a line of OpenEvolve's trace") from problem
