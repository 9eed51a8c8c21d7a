"""How a run came to a program: the chain of programs from the seed, each with what changed and what it gained."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from eplb_evolve.evaluation.result import Evaluation
from eplb_evolve.gateway.local import BEHAVIOURS
from eplb_evolve.proposer.header import Header, made_by
from eplb_evolve.results.ledger import Entry
from eplb_evolve.results.trace import Mutation, sha256

SEED = "seed"


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


def from_header(source: str, measured: Evaluation | None) -> tuple[Step, ...]:
    """What the program says of itself: the operators of every step, figures for the last one only."""
    header = made_by(source)
    tier, last = (header.tier, "+".join(header.operators)) if header else ("", "not known")
    chain = header.steps if header else ()
    named = [Step("", "", how) for how in (SEED, *chain[:-1])] if chain else []
    return (*named, _step(source, tier, last, measured, None))


def from_trace(program: str, mutations: Iterable[Mutation], entries: Iterable[Entry]) -> tuple[Step, ...]:
    """The seed, then every program on the way to the one whose sha256 is `program`; empty if the trace lacks it."""
    made = _first_appearances(mutations)
    if program not in made:
        return ()
    chain = [program]
    while (parent := made[chain[-1]].parent) is not None:
        chain.append(parent)
    measured: dict[str, Evaluation] = {}
    for entry in sorted(entries, key=lambda entry: entry.evaluation.split != "search"):
        measured.setdefault(entry.evaluation.sha256, entry.evaluation)
    found: list[Step] = []
    for sha in reversed(chain):
        tier, how = made[sha].how
        before = found[-1].ratio_to_reference if found else None
        found.append(_step(made[sha].source, tier, how, measured.get(sha), before))
    return tuple(found)


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


@dataclass(frozen=True)
class _Origin:
    source: str
    parent: str | None
    how: tuple[str, str]


def _first_appearances(mutations: Iterable[Mutation]) -> dict[str, _Origin]:
    """sha256 -> where a program came from when it was first seen.

    A parent is always seen before its child, so that following parents ends at a seed even where a later proposal
    made the seed's text again.
    """
    made: dict[str, _Origin] = {}
    for mutation in mutations:
        parent, child = mutation.parent_sha256, mutation.child_sha256
        if parent is not None and mutation.parent_code is not None and parent not in made:
            made[parent] = _Origin(mutation.parent_code, None, ("", SEED))
        if child not in made:
            made[child] = _Origin(mutation.child_code, _true_parent(mutation, parent, made), _how(mutation))
    return made


def _true_parent(mutation: Mutation, parent: str | None, made: Iterable[str]) -> str | None:
    """The parent in the prompt, unless the embedded proposer says that it changed another program that it saw there."""
    header = _header(mutation)
    known = [sha for sha in made if header is not None and header.origin and sha.startswith(header.origin)]
    return known[0] if known else parent


def _how(mutation: Mutation) -> tuple[str, str]:
    """Tier and operators; an LLM's child may still carry the header of the program it was made from."""
    header = _header(mutation)
    return (header.tier, "+".join(header.operators)) if header else ("", mutation.model or "LLM")


def _header(mutation: Mutation) -> Header | None:
    return made_by(mutation.child_code) if mutation.model in ("", *BEHAVIOURS) else None


def _step(source: str, tier: str, how: str, measured: Evaluation | None, before: float | None) -> Step:
    if measured is None:
        return Step(sha256(source), tier, how, source=source)
    ratio = measured.ratio_to_reference
    return Step(
        sha256=measured.sha256,
        tier=tier,
        how=how,
        time_ms=measured.time_ms,
        ratio_to_reference=ratio,
        speedup_over_seed=measured.speedup_over_seed,
        gain=before / ratio if before is not None and ratio else None,
        verdict=measured.status,
        source=source,
    )
