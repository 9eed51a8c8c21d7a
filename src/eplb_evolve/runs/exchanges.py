"""A run's exchanges as a trace: every child, those too that OpenEvolve kept no line of."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from eplb_evolve.errors import UsageError
from eplb_evolve.gateway.parsing import sha256
from eplb_evolve.gateway.record import FILE_NAME
from eplb_evolve.proposer.prompt import Prompt, UnknownPrompt, read_prompt
from eplb_evolve.runs.ledger import Ledger
from eplb_evolve.runs.trace import Mutation, Trace

_NOT_JUDGED = {"evaluator_failed": True}


def tells_children(file: Path) -> bool:
    """Whether this is a record of exchanges that names the programs that came of them; earlier versions did not."""
    try:
        return any(data.get("child") for data, _ in _lines(file))
    except UsageError:
        return False


def read_exchanges(file: Path) -> Trace:
    """Each program that came of an exchange, in order; what was lost, and torn lines, are left out and the latter
    counted. The recorded verdicts are those of the ledger beside the file."""
    judged: dict[str, dict[str, Any]] = {}
    for entry in Ledger(file.parent).entries():
        judged.setdefault(entry.evaluation.sha256, entry.evaluation.as_dict())
    mutations, torn = [], 0
    for data, whole in _lines(file):
        torn += not whole
        prompt = _prompt(data)
        if data.get("child") and prompt is not None and sha256(prompt.program) == data.get("parent"):
            mutations.append(
                Mutation(
                    iteration=int(data["number"]),
                    parent_code=prompt.program,
                    child_sha256=data["child"],
                    child_metrics=judged.get(data["child"], _NOT_JUDGED),
                    reply=data.get("handed_on") or data.get("reply"),
                    model=str(data.get("model") or ""),
                    full_rewrite=not prompt.wants_diff,
                )
            )
    return Trace(file, tuple(mutations), torn)


def _prompt(data: dict[str, Any]) -> Prompt | None:
    """OpenEvolve's."""
    try:
        messages = data.get("openevolve") or data["request"]["messages"]
        return read_prompt(next(each["content"] for each in reversed(messages) if each["role"] == "user"))
    except (KeyError, TypeError, StopIteration, UnknownPrompt):
        return None


def _lines(file: Path) -> Iterator[tuple[dict[str, Any], bool]]:
    """Each line, empty where it is torn; and whether it is whole."""
    try:
        with file.open("rb") as lines:
            for line in lines:
                try:
                    data = json.loads(line)
                except ValueError:
                    data = None
                yield (data, True) if isinstance(data, dict) else ({}, False)
    except OSError as problem:
        raise UsageError(f"cannot read {file}: {problem.strerror}; give {FILE_NAME}, or a run's folder") from problem
