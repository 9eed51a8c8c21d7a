"""How a run came to its programs: the tree of who was made from whom, and the steps from the seed to one of them.

A trace may be larger than memory: it is read line by line, and only the lines on a program's path are read again.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from eplb_evolve.evaluation.result import Evaluation
from eplb_evolve.gateway.local import BEHAVIOURS
from eplb_evolve.proposer.header import made_by
from eplb_evolve.runs.ledger import Entry
from eplb_evolve.runs.trace import FILE_NAME, parent_of, sha256

SEED = "seed"
ORIGIN_DIGITS = 8
"""Programs made by the embedded proposer name their parent by its first digits; eight tell a run's programs apart."""
_DECODER = json.JSONDecoder()


@dataclass(frozen=True)
class Step:
    """One program on the way.

    Attributes:
        sha256: of the program's text, "" when only its name in a header is known
        tier: of the embedded proposer; "" for an LLM's child and for the seed
        how: the operators that made it, the LLM's name, or "seed"
        gain: its parent's time / its own, by ratio_to_reference; None when either was not timed
        verdict: the status of its evaluation, or "" when it was never measured
        source: the program; "" when not known
    """

    sha256: str
    tier: str
    how: str
    time_ms: float | None = None
    ratio_to_reference: float | None = None
    speedup_over_seed: float | None = None
    gain: float | None = None
    verdict: str = ""
    source: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For `--json`, without the program's text."""
        return {name: value for name, value in asdict(self).items() if name != "source"}


@dataclass(frozen=True)
class Node:
    """A program of the tree.

    Attributes:
        parent: its parent's sha256; None for a seed, and where no line shows the parent
        tier, operators: what made it; operators is the LLM's name or "seed" where no proposer of ours did
        place: byte in the trace where the line begins that knows it first
    """

    sha256: str
    parent: str | None
    tier: str
    operators: str
    place: int

    @property
    def how(self) -> str:
        """Tier and operators in one text."""
        return f"{self.tier} {self.operators}".strip()


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
    """The tree of the run's evolution trace. Lines that a killed run left half-written are skipped.

    A parent is always seen before its child, so that following parents ends at a seed even where a later proposal
    made the seed's text again.
    """
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
                    add(Node(parent, None, "", SEED, place))
                if child not in nodes:
                    add(_made(child, data, parent, by_digits, place))
            place += len(line)
    return Family(file, nodes, "" if nodes else "The evolution trace is empty.")


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


def steps_to(program: str, source: str, family: Family, entries: Sequence[Entry]) -> tuple[tuple[Step, ...], bool]:
    """The steps from the seed to a program; False when they come from its own header alone, without figures."""
    measured: dict[str, Evaluation] = {}
    for entry in sorted(entries, key=lambda entry: entry.evaluation.conditions.split != "search"):
        measured.setdefault(entry.evaluation.sha256, entry.evaluation)
    path = family.path(program)
    if not path:
        return from_header(source, measured.get(program)), False
    found: list[Step] = []
    for node, text in zip((family.nodes[each] for each in path), _sources(family, path), strict=True):
        before = found[-1].ratio_to_reference if found else None
        found.append(_step(text, node.tier, node.operators, measured.get(node.sha256), before))
    return tuple(found), True


def from_header(source: str, measured: Evaluation | None) -> tuple[Step, ...]:
    """What the program says of itself: the operators of every step, figures for the last one only."""
    header = made_by(source)
    tier, last = (header.tier, "+".join(header.operators)) if header else ("", "not known")
    chain = header.steps if header else ()
    named = [Step("", "", how) for how in (SEED, *chain[:-1])] if chain else []
    return (*named, _step(source, tier, last, measured, None))


def summary(chain: Sequence[Step]) -> str:
    """One sentence: from where to where, in how many steps, and the largest of them."""
    count = len(chain) - 1
    if not count:
        return "this is the seed" if chain[0].how == SEED else "how many steps led here is not known"
    first, last = chain[0].time_ms, chain[-1].time_ms
    way = f"from {first:.3g} ms to {last:.3g} ms " if first is not None and last is not None else ""
    text = f"{way}in {count} step{'' if count == 1 else 's'}"
    gained = [step for step in chain if step.gain is not None and step.gain > 1]
    if not gained:
        return text
    largest = max(gained, key=lambda step: step.gain or 0.0)
    return f"{text}; the largest: {largest.how} ({largest.gain:.1f}x)"


def _sources(family: Family, programs: Iterable[str]) -> list[str]:
    """Of each program its text, from the line that knows it first."""
    found = []
    with family.file.open("rb") as file:
        for program in programs:
            file.seek(family.nodes[program].place)
            data = json.loads(file.readline())
            child = data["child_code"]
            found.append(child if sha256(child) == program else data["parent_code"])
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


def _step(source: str, tier: str, how: str, measured: Evaluation | None, before: float | None) -> Step:
    if measured is None:
        return Step(sha256(source), tier, how, source=source)
    ratio = measured.figure("ratio_to_reference")
    return Step(
        sha256=measured.sha256,
        tier=tier,
        how=how,
        time_ms=measured.figure("time_ms"),
        ratio_to_reference=ratio,
        speedup_over_seed=measured.figure("speedup_over_seed"),
        gain=before / ratio if before is not None and ratio else None,
        verdict=measured.status,
        source=source,
    )
