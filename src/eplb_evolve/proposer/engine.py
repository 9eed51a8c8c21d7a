"""Propose a changed program: draw operators, apply them, and keep the result only when it is a new, sound program."""

import ast
import builtins
import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from .operators.base import Operator, Tier
from .operators.crossover import crossover
from .operators.registry import OPERATORS
from .program import Program, UnreadableProgram
from .analysis.scope import bound_names, free_loads

MAX_CHARACTERS = 40_000
_ATTEMPTS = 60
_CROSSOVER_SHARE = 0.2
_LENGTHS = {1: 0.5, 2: 0.3, 3: 0.2}


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
    """Equal for programs that differ in comments and layout only."""


def propose(
    source: str,
    inspirations: Sequence[str] = (),
    seed: int = 0,
    *,
    operators: Sequence[Operator] = OPERATORS,
    known: Collection[str] = (),
) -> Proposal:
    """A changed program; the same arguments give the same one, in any process.

    `known` holds fingerprints of programs that need not be proposed again. Raises `UnreadableProgram` when the
    program does not parse and `NothingToPropose` when nothing can be changed in it.
    """
    parent = Program.parse(source)
    donors = _readable(inspirations)
    rng = random.Random(seed)
    repeated: Proposal | None = None
    for _ in range(_ATTEMPTS):
        proposal = _attempt(parent, donors, rng, operators)
        if proposal is None:
            continue
        if proposal.fingerprint not in known:
            return proposal
        repeated = repeated or proposal
    if repeated is None:
        raise NothingToPropose("no operator found a place in the program")
    return repeated


def fingerprint(program: Program) -> str:
    """What the program means, without its comments and layout."""
    return ast.dump(program.tree)


def _readable(sources: Sequence[str]) -> list[Program]:
    programs = []
    for source in sources:
        try:
            programs.append(Program.parse(source))
        except UnreadableProgram:
            continue  # a prompt may show a truncated program
    return programs


def _attempt(
    parent: Program, donors: Sequence[Program], rng: random.Random, operators: Sequence[Operator]
) -> Proposal | None:
    child = parent.copy()
    applied: list[str] = []
    tier: Tier = "T0"
    if donors and rng.random() < _CROSSOVER_SHARE:
        if crossover(child, rng.choice(donors), rng):
            applied.append("crossover")
            tier = "T1"
    else:
        wanted = rng.choices(list(_LENGTHS), list(_LENGTHS.values()))[0]
        for operator in _drawn(operators, rng):
            if len(applied) == wanted:
                break
            if operator.rewrite(child, rng):
                applied.append(operator.name)
                tier = "T1" if operator.tier == "T1" else tier
    child.prune()
    if not applied or fingerprint(child) == fingerprint(parent) or not _is_sound(child, parent):
        return None
    text = child.render(tier, applied)
    if len(text) > MAX_CHARACTERS:
        return None
    return Proposal(text, tuple(applied), tier, f"{' then '.join(applied)} ({tier})", fingerprint(child))


def _drawn(operators: Sequence[Operator], rng: random.Random) -> list[Operator]:
    """The operators in a random order in which the likely ones come early."""
    return sorted(operators, key=lambda operator: rng.random() ** (1 / operator.share), reverse=True)


def _is_sound(child: Program, parent: Program) -> bool:
    """Whether the child compiles and reads no name that nothing binds and that the parent did not read."""
    try:
        compile(child.render("T0", ["check"]), "<child>", "exec")
    except (SyntaxError, ValueError, RecursionError):
        return False
    known = bound_names(child.tree.body) | child.outside | set(dir(builtins))
    unknown = free_loads(child.tree.body) - known
    return unknown <= free_loads(parent.tree.body)
