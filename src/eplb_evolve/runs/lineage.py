"""How a run came to a program: the steps from the seed, what each changed and what it gained."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from eplb_evolve.evaluation.result import Evaluation
from eplb_evolve.gateway.parsing import sha256
from eplb_evolve.proposer.header import made_by
from eplb_evolve.runs.family import SEED, Family, sources
from eplb_evolve.runs.ledger import Entry


@dataclass(frozen=True)
class Step:
    """One program on the way.

    Attributes:
        sha256: of the program's text, "" when only its name in a header is known
        tier: of the embedded proposer; "" for an LLM's child and for the seed
        how: the operators that made it, the LLM's name, or "seed"
        idea: the LLM's own words
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
    idea: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For `--json`, without the program's text."""
        return {name: value for name, value in asdict(self).items() if name != "source"}


def steps_to(program: str, source: str, family: Family, entries: Sequence[Entry]) -> tuple[tuple[Step, ...], bool]:
    """The steps from the seed to a program; False when they come from its own header alone, without figures."""
    measured: dict[str, Evaluation] = {}
    for entry in sorted(entries, key=lambda entry: entry.evaluation.conditions.split != "search"):
        measured.setdefault(entry.evaluation.sha256, entry.evaluation)
    path = family.path(program)
    if not path:
        return from_header(source, measured.get(program)), False
    found: list[Step] = []
    for node, text in zip((family.nodes[each] for each in path), sources(family, path), strict=True):
        before = found[-1].ratio_to_reference if found else None
        step = _step(text, node.tier, node.operators, measured.get(node.sha256), before)
        found.append(replace(step, sha256=node.sha256, idea=node.idea))
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
