"""Propose a changed program: draw operators, apply them, and keep the result only when it is a new, sound program."""

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from .canonical import joined, meanings
from .header import RESTART
from .operators.base import Operator, Tier
from .operators.crossover import CROSSOVER, crossover
from .operators.registry import OPERATORS
from .program import Program, UnreadableProgram
from .study import Study, collector_paused, is_sound, study

MAX_CHARACTERS = 40_000
_ATTEMPTS = 60
_LOOKS = 3
"""Operators that are drawn for each one to be applied: with more, those that always find a place would fill up what
the likely ones leave open."""
_AFRESH = {2: 0.2, 3: 0.3, 4: 0.3, 5: 0.2}


@dataclass(frozen=True)
class Style:
    """How an engine draws.

    Attributes:
        operators: what it draws from
        lengths: how often so many operators are applied one after the other
        crossover_share: how often functions of an inspiration are taken first
    """

    operators: tuple[Operator, ...] = OPERATORS
    lengths: Mapping[int, float] = field(default_factory=lambda: {1: 0.45, 2: 0.3, 3: 0.15, 4: 0.1})
    crossover_share: float = 0.15

    def only(self, names: Collection[str]) -> "Style":
        """The style that applies just these operators, somewhere."""
        kept = tuple(operator for operator in self.operators if operator.name in names)
        if not kept:
            return self
        return Style(kept, {len(kept): 1.0}, 1.0 if CROSSOVER in names else 0.0)

    def afresh(self) -> "Style":
        """Long chains of what keeps a program's meaning, for the one that everything began with.

        One small step would leave it about where it was.
        """
        return Style(tuple(operator for operator in self.operators if operator.tier == "T0"), _AFRESH, 0.0)


class NothingToPropose(ValueError):
    """No operator found a place in the program."""


@dataclass(frozen=True)
class Proposal:
    """A program that the engine made from another one."""

    source: str
    operators: tuple[str, ...]
    tier: Tier
    note: str
    """One sentence for the reader of a log."""
    fingerprint: str
    """Equal for programs that mean the same but for names, comments and layout."""


@dataclass(frozen=True)
class Base:
    """A program to change in the place of the prompt's own, and the first digits of its sha256."""

    source: str
    sha256: str


@collector_paused()
def propose(
    source: str,
    inspirations: Sequence[str] = (),
    seed: int = 0,
    *,
    base: Base | None = None,
    origin: str = "",
    known: Collection[str] = (),
    weights: Mapping[str, float] | None = None,
    style: Style | None = None,
) -> Proposal:
    """A changed program; the same arguments give the same one, in any process.

    `inspirations` are other programs, the best first. `base` is changed instead of `source`, whose text outside of
    the evolve block stays; `origin` is the hash of `source`, if known. `known` holds fingerprints of programs that must
    not be proposed again. `weights` multiply the operators' shares. Raises `UnreadableProgram` when the program does
    not parse and `NothingToPropose` when nothing new can be made of it.
    """
    parent = study(source)
    start = parent if base is None else study(base.source)
    donors = _readable(inspirations)
    shown = {program.fingerprint for program in [parent, start, *donors]}
    rng = random.Random(seed)
    draw = _Draw(style or Style(), weights or {}, donors, rng)
    for _ in range(_ATTEMPTS):
        child = start.program_for(parent)
        changed = draw.change(child)
        unchanged = start.unchanged(child)
        child.prune({name: start.mentions[name] for name in unchanged})
        parts = meanings(child.tree, {name: start.meanings[name] for name in unchanged})
        meaning = joined(parts)
        if not changed or meaning in shown or meaning in known or not is_sound(child, unchanged, start):
            continue
        new = child.name_helpers(parts.keys() - unchanged)
        tier: Tier = "T1" if any(name in draw.changing for name in changed) else "T0"
        applied = changed if base is None else [RESTART, *changed]
        text = child.render(tier, applied, origin if base is None else base.sha256, new)
        if len(text) <= MAX_CHARACTERS:
            return Proposal(text, tuple(applied), tier, f"{' then '.join(applied)} ({tier})", meaning)
    raise NothingToPropose("no operator found a place for a change that is new")


class _Draw:
    """Draws operators for one proposal."""

    def __init__(self, style: Style, weights: Mapping[str, float], donors: list[Study], rng: random.Random) -> None:
        self._style, self._weights, self._donors, self._rng = style, weights, donors, rng
        self.changing = {CROSSOVER} | {operator.name for operator in style.operators if operator.tier == "T1"}
        """Names of what changes the meaning of a program."""

    def change(self, child: Program) -> list[str]:
        """Change the program and name the operators; an empty list when none found a place."""
        applied: list[str] = []
        if self._donors and self._rng.random() < self._style.crossover_share * self._weights.get(CROSSOVER, 1.0):
            if not crossover(child, self._rng.choice(self._donors).program(), self._rng):
                return []
            applied.append(CROSSOVER)
            if self._rng.random() < 0.5:
                return applied
        lengths = self._style.lengths
        wanted = len(applied) + self._rng.choices(list(lengths), list(lengths.values()))[0]
        for operator in self._order()[: _LOOKS * wanted]:
            if operator.tier == "T1" and self.changing & set(applied):
                continue  # most changes of meaning break a program, two of them nearly always
            if operator.apply(child, self._rng):
                applied.append(operator.name)
            if len(applied) == wanted:
                break
        return applied

    def _order(self) -> list[Operator]:
        """The operators in a random order in which the likely ones come early."""

        def key(operator: Operator) -> float:
            share = operator.share * self._weights.get(operator.name, 1.0)
            return float(self._rng.random() ** (1 / share))

        return sorted(self._style.operators, key=key, reverse=True)


def _readable(sources: Sequence[str]) -> list[Study]:
    programs = []
    for source in sources:
        try:
            programs.append(study(source))
        except UnreadableProgram:
            continue  # a prompt may show a truncated program
    return programs
