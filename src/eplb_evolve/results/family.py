"""Who was made from whom in a run: the tree of its programs, and the winner's path through it.

A trace may be larger than memory: it is read line by line, and only the lines on the winner's path are read again.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eplb_evolve.gateway.local import BEHAVIOURS
from eplb_evolve.proposer.header import made_by
from eplb_evolve.results.ledger import Entry
from eplb_evolve.results.lineage import SEED, Step, from_header, from_trace
from eplb_evolve.results.trace import FILE_NAME, Mutation, parent_of, sha256

ORIGIN_DIGITS = 8
"""Programs made by the embedded proposer name their parent by its first digits; eight tell a run's programs apart."""
_DECODER = json.JSONDecoder()


@dataclass(frozen=True)
class Node:
    """A program of the tree.

    Attributes:
        parent: its parent's sha256; None for a seed, and where no line shows the parent
        how: tier and operators that made it, the LLM's name, or "seed"
        place: byte in the trace where the line begins that knows it first
    """

    sha256: str
    parent: str | None
    how: str
    place: int


@dataclass(frozen=True)
class Family:
    """The programs of a trace by sha256, parents before children; `missing` says in words why there are none."""

    file: Path
    nodes: dict[str, Node] = field(default_factory=dict)
    missing: str = ""

    def path(self, program: str) -> list[str]:
        """From the seed to the program; empty when the trace does not know it."""
        found: list[str] = []
        at: str | None = program if program in self.nodes else None
        while at is not None:
            found.append(at)
            at = self.nodes[at].parent
        return found[::-1]


def read_family(run: Path) -> Family:
    """The tree of the run's evolution trace. Lines that a killed run left half-written are skipped."""
    file = run / FILE_NAME
    if not file.exists():
        return Family(file, missing="The run kept no evolution trace (evolution_trace.enabled was off).")
    nodes: dict[str, Node] = {}
    by_digits: dict[str, str] = {}
    by_id: dict[str, str] = {}

    def add(node: Node) -> None:
        if nodes.setdefault(node.sha256, node) is node:
            by_digits[node.sha256[:ORIGIN_DIGITS]] = node.sha256

    with file.open("rb", buffering=1 << 20) as lines:
        place = 0
        for line in lines:
            data = _parsed(line)
            if data is not None:
                if "child_code" not in data:
                    return Family(file, missing="The trace holds no programs (evolution_trace.include_code was off).")
                child, stated = sha256(data["child_code"]), data.get("parent_code")
                parent = parent_of(data, sha256(stated) if stated is not None else None, child, by_id)
                if stated is not None and parent is not None:
                    add(Node(parent, None, SEED, place))
                if child not in nodes:
                    model = _model(data)
                    header = made_by(data["child_code"]) if model in ("", *BEHAVIOURS) else None
                    named = by_digits.get(header.origin[:ORIGIN_DIGITS], parent) if header else parent
                    how = f"{header.tier} {'+'.join(header.operators)}" if header else model or "LLM"
                    add(Node(child, named, how, place))
            place += len(line)
    return Family(file, nodes, "" if nodes else "The evolution trace is empty.")


def steps_to(program: str, source: str, family: Family, entries: Sequence[Entry]) -> tuple[tuple[Step, ...], bool]:
    """The steps from the seed to a program; False when they come from its own header alone, without figures."""
    path = family.path(program)
    if path:
        chain = from_trace(program, _mutations(family, path), entries)
        if chain:
            return chain, True
    measured = [entry.evaluation for entry in entries if entry.evaluation.sha256 == program]
    return from_header(source, measured[0] if measured else None), False


def _mutations(family: Family, programs: Iterable[str]) -> list[Mutation]:
    found: list[Mutation] = []
    with family.file.open("rb") as file:
        for program in programs:
            file.seek(family.nodes[program].place)
            data = json.loads(file.readline())
            child = data["child_code"]
            parent = data.get("parent_code", found[-1].child_code if found else None)
            found.append(Mutation(data.get("iteration", 0), parent, child, {}, None, _model(data), False))
    return found


def _parsed(line: bytes) -> dict[str, Any] | None:
    """What is needed of a line, None for a torn one. Nine tenths are prompts and replies, which are not parsed.

    A quote within a string is escaped, so what looks like a key is one.
    """
    if not line.rstrip().endswith(b"}"):
        return None
    text = line.decode("utf-8", "replace")
    found: dict[str, Any] = {}
    try:
        for key in ("parent_id", "child_id", "parent_code", "child_code", "metadata"):
            at = text.rfind(f'"{key}": ')  # from the end: other keys may hold such keys
            if at >= 0:
                found[key], _ = _DECODER.raw_decode(text, at + len(key) + 4)
    except ValueError:
        return None
    return found


def _model(data: dict[str, Any]) -> str:
    usage = (data.get("metadata") or {}).get("token_usage") or {}
    return str(usage.get("model") or "")
