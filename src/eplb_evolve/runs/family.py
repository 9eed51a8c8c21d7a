"""The tree of who was made from whom in a run, out of its evolution trace and its exchanges.

A trace may be larger than memory: it is read line by line, and only the lines on a program's path are read again.
"""

import contextlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from eplb_evolve.gateway.local import BEHAVIOURS
from eplb_evolve.gateway.parsing import sha256
from eplb_evolve.proposer.header import made_by
from eplb_evolve.runs.ledger import program_file
from eplb_evolve.runs.proposals import Proposal, Proposals
from eplb_evolve.runs.trace import FILE_NAME, parent_of

SEED = "seed"
ORIGIN_DIGITS = 8
"""Programs made by the embedded proposer name their parent by its first digits; eight tell a run's programs apart."""
_DECODER = json.JSONDecoder()


@dataclass(frozen=True)
class Node:
    """A program of the tree.

    Attributes:
        parent: its parent's sha256; None for a seed, and where no line shows the parent
        tier, operators: what made it; operators is the LLM's name or "seed" where no proposer of ours did
        place: byte in the trace where the line begins that knows it first; None where only the run's exchanges do
        idea: what an LLM said of it
    """

    sha256: str
    parent: str | None
    tier: str
    operators: str
    place: int | None
    idea: str = ""

    @property
    def how(self) -> str:
        """Tier and operators, or model and idea, in one text."""
        return f"{self.tier} {self.operators}".strip() + (f": {self.idea}" if self.idea else "")


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
    """The tree of the run's evolution trace and of its exchanges. Half-written lines are skipped.

    A parent is always seen before its child, so that following parents ends at a seed even where a later proposal
    made the seed's text again. The exchanges know programs that the trace lacks, what each was really made from, and
    the models' ideas.
    """
    file, proposals = run / FILE_NAME, [each for each in Proposals(run).all() if each.child is not None]
    if not file.exists() and not proposals:
        return Family(file, missing="The run kept no evolution trace (evolution_trace.enabled was off).")
    nodes: dict[str, Node] = {}
    by_digits: dict[str, str] = {}
    by_id: dict[str, str] = {}
    by_exchange: set[str] = set()

    def add(node: Node) -> None:
        if nodes.setdefault(node.sha256, node) is node:
            by_digits[node.sha256[:ORIGIN_DIGITS]] = node.sha256

    with file.open("rb", buffering=1 << 20) if file.exists() else contextlib.nullcontext(()) as lines:
        place = 0
        for line in lines:
            data = _parsed(line)
            if data is not None:
                if "child_code" not in data:
                    return Family(file, missing="The trace holds no programs (evolution_trace.include_code was off).")
                child, stated = sha256(data["child_code"]), data.get("parent_code")
                parent = parent_of(data, sha256(stated) if stated is not None else None, child, by_id)
                if stated is not None and parent is not None:
                    add(Node(parent, None, "", SEED, place))
                if child not in nodes:
                    add(_made(child, data, parent, by_digits, place))
            place += len(line)
    for proposal in proposals:
        base, child = proposal.base, proposal.child or ""
        if base is not None:
            add(Node(base, None, "", SEED, None))
        known = nodes.get(child) or _of_proposal(run, proposal, by_digits)
        told = known.operators not in (SEED, "") and not known.tier
        if told and known.sha256 not in by_exchange:
            known = replace(known, parent=base or known.parent, idea=proposal.idea)
        by_exchange.add(child)
        nodes[child] = known
        by_digits.setdefault(child[:ORIGIN_DIGITS], child)
    return Family(file, _parents_first(nodes), "" if nodes else "The evolution trace is empty.")


def _of_proposal(run: Path, proposal: Proposal, by_digits: dict[str, str]) -> Node:
    """A program that no trace knows."""
    child, header = proposal.child or "", None
    if proposal.model in BEHAVIOURS:
        with contextlib.suppress(OSError):
            header = made_by(program_file(run, child).read_text(encoding="utf-8", errors="replace"))
    if header is None:
        return Node(child, proposal.base, "", proposal.model, None)
    origin = by_digits.get(header.origin[:ORIGIN_DIGITS], proposal.base)
    return Node(child, origin, header.tier, "+".join(header.operators), None)


def _parents_first(nodes: dict[str, Node]) -> dict[str, Node]:
    """The same in an order in which each parent stands before its children; a circle is cut at its first program."""
    ordered: dict[str, Node] = {}
    for sha in nodes:
        chain: list[str] = []
        at: str | None = sha
        while at is not None and at in nodes and at not in ordered and at not in chain:
            chain.append(at)
            at = nodes[at].parent
        if at is not None and at in chain:
            nodes[chain[-1]] = replace(nodes[chain[-1]], parent=None)
        ordered |= {each: nodes[each] for each in reversed(chain)}
    return ordered


def _made(child: str, data: dict[str, Any], parent: str | None, by_digits: dict[str, str], place: int) -> Node:
    """The child of a line. Its header counts when the embedded proposer wrote it: an LLM may leave an old one standing.

    Its parent is the one in the prompt, unless the header names another program that stood there.
    """
    usage = (data.get("metadata") or {}).get("token_usage") or {}
    model = str(usage.get("model") or "")
    header = made_by(data["child_code"]) if model in ("", *BEHAVIOURS) else None
    if header is None:
        return Node(child, parent, "", model or "LLM", place)
    origin = by_digits.get(header.origin[:ORIGIN_DIGITS], parent)
    return Node(child, origin, header.tier, "+".join(header.operators), place)


def sources(family: Family, programs: Iterable[str]) -> list[str]:
    """Of each program its text: from the run's own copy, else from the line that knows it first; "" without either."""
    run, found = family.file.parent, []
    for program in programs:
        text, place = "", family.nodes[program].place
        with contextlib.suppress(OSError):
            text = program_file(run, program).read_text(encoding="utf-8", errors="replace")
        if place is not None and sha256(text) != program:
            with family.file.open("rb") as file:
                file.seek(place)
                data = json.loads(file.readline())
            child = data["child_code"]
            text = child if sha256(child) == program else data["parent_code"]
        found.append(text)
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
