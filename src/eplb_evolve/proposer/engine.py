"""Propose a changed program: draw operators, apply them, and keep the result only when it is a new, sound program."""

import ast
import builtins
import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from .analysis.liveness import exposed_reads
from .analysis.scope import bound_names, free_loads, parameters
from .operators.base import Operator, Tier
from .operators.crossover import crossover
from .operators.registry import OPERATORS
from .program import Program, UnreadableProgram

MAX_CHARACTERS = 40_000
_ATTEMPTS = 60
_CROSSOVER_SHARE = 0.2
_RESTART_SHARE = 0.75
_BEST = 3  # inspirations to restart from
_T0_SHARE = 0.65
_LENGTHS: dict[Tier, dict[int, float]] = {"T0": {1: 0.5, 2: 0.3, 3: 0.2}, "T1": {1: 0.8, 2: 0.2}}
"""How often so many operators are applied one after the other; most changes of meaning break the program."""


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
    failed: bool = False,
    known: Collection[str] = (),
    operators: Sequence[Operator] = OPERATORS,
) -> Proposal:
    """A changed program; the same arguments give the same one, in any process.

    `inspirations` are other programs, the best first. `failed` says that the program did not pass its evaluation, so
    that mostly an inspiration is changed in its stead. `known` holds fingerprints of programs that need not be
    proposed again. Raises `UnreadableProgram` when the program does not parse and `NothingToPropose` when nothing can
    be changed in it.
    """
    parent = Program.parse(source)
    donors = _readable(inspirations)
    shown = {fingerprint(program) for program in [parent, *donors]}
    rng = random.Random(seed)
    repeated: Proposal | None = None
    for _ in range(_ATTEMPTS):
        restart = failed and bool(donors) and rng.random() < _RESTART_SHARE
        base = rng.choice(donors[:_BEST]) if restart else parent
        proposal = _attempt(parent, base, donors, rng, operators)
        if proposal is None or proposal.fingerprint in shown:
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
    parent: Program, base: Program, donors: Sequence[Program], rng: random.Random, operators: Sequence[Operator]
) -> Proposal | None:
    child = parent.copy() if base is parent else parent.with_region_of(base)
    applied = [] if base is parent else ["restart"]
    tier: Tier = "T0" if base is parent else "T1"
    if donors and rng.random() < _CROSSOVER_SHARE:
        changed = ["crossover"] if crossover(child, rng.choice(donors), rng) else []
        tier = "T1"
    else:
        order: tuple[Tier, Tier] = ("T0", "T1") if rng.random() < _T0_SHARE else ("T1", "T0")
        changed = _applied(child, operators, rng, order[0]) or _applied(child, operators, rng, order[1])
        if any(operator.tier == "T1" for operator in operators if operator.name in changed):
            tier = "T1"
    child.prune()
    if not changed or not _is_sound(child, base):
        return None
    applied += changed
    text = child.render(tier, applied)
    if len(text) > MAX_CHARACTERS:
        return None
    return Proposal(text, tuple(applied), tier, f"{' then '.join(applied)} ({tier})", fingerprint(child))


def _applied(child: Program, operators: Sequence[Operator], rng: random.Random, tier: Tier) -> list[str]:
    """Apply one or a few operators of a tier to the child and name them."""
    wanted = rng.choices(list(_LENGTHS[tier]), list(_LENGTHS[tier].values()))[0]
    applied: list[str] = []
    for operator in _drawn([operator for operator in operators if operator.tier == tier], rng):
        if operator.apply(child, rng):
            applied.append(operator.name)
        if len(applied) == wanted:
            break
    return applied


def _drawn(operators: Sequence[Operator], rng: random.Random) -> list[Operator]:
    """The operators in a random order in which the likely ones come early."""
    return sorted(operators, key=lambda operator: rng.random() ** (1 / operator.share), reverse=True)


def _is_sound(child: Program, base: Program) -> bool:
    """Whether the child compiles and reads no unbound variable that its base did not read."""
    try:
        compile(child.render("T0", ["check"]), "<child>", "exec")
    except (SyntaxError, ValueError, RecursionError):
        return False
    known = bound_names(child.tree.body) | child.outside | set(dir(builtins))
    unknown = free_loads(child.tree.body) - known
    return unknown <= free_loads(base.tree.body) and _unbound(child) <= _unbound(base)


def _unbound(program: Program) -> set[tuple[str, str]]:
    """Variables that a function may read before it binds them."""
    return {
        (function.name, name)
        for function in [*program.functions(), *program.helpers()]
        for name in exposed_reads(function.body)[0] & bound_names(function.body)
        if name not in {argument.arg for argument in parameters(function)}
    }
