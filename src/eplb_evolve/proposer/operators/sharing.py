"""Values computed once and named, or put where they are used (T0)."""

import ast
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..analysis.aliasing import Aliases, closed_over, is_parameter, is_readable
from ..analysis.effects import FRESH_METHODS, changed_names, is_pure
from ..analysis.expression_kinds import ExpressionKinds
from ..analysis.inference import kinds_of
from ..analysis.scope import Block, blocks, bound_names, free_loads
from ..analysis.tree import children, meaning, walk
from ..program import Program
from ..templates import replace_expression
from .base import Operator


@dataclass(frozen=True)
class _Use:
    """An expression in a block: the index of its statement, and the expression that it is a direct part of."""

    index: int
    expr: ast.expr
    parent: ast.AST


def _common_subexpression(program: Program, rng: random.Random) -> bool:
    """An expression that a block computes twice is computed once, into a variable."""
    kinds = kinds_of(program)
    places: list[tuple[Block, list[_Use]]] = []
    for function in program.functions():
        if not is_readable(function):
            continue
        view = kinds.expressions(function)
        aliases = Aliases(function, view)
        for block in blocks(function):
            places += [(block, uses) for uses in _repeated(block, view, aliases)]
    if not places:
        return False
    block, uses = rng.choice(places)
    first = uses[0]
    name = program.names()("shared")
    for use in uses:
        replace_expression(block[use.index], use.expr, ast.Name(name, ast.Load()))
    block.insert(first.index, ast.Assign([ast.Name(name, ast.Store())], first.expr))
    return True


def _inline_variable(program: Program, rng: random.Random) -> bool:
    """A variable that is assigned once and read once, soon after, is replaced by its value."""
    kinds = kinds_of(program)
    places: list[tuple[Block, int, _Use]] = []
    for function in program.functions():
        if not is_readable(function):
            continue
        view = kinds.expressions(function)
        aliases = Aliases(function, view)
        single = _single_use(function)
        for block in blocks(function):
            for index, stmt in enumerate(block):
                match stmt:
                    case ast.Assign(targets=[ast.Name(id=name)], value=value) if name in single:
                        if is_pure(value, view):
                            places += [
                                (block, index, use)
                                for use in _uses(block[index + 1 :], index + 1)
                                if isinstance(use.expr, ast.Name)
                                and use.expr.id == name
                                and _unchanged(value, block[index + 1 : use.index], block[use.index], view, aliases)
                            ]
    if not places:
        return False
    block, index, use = rng.choice(places)
    made = block[index]
    assert isinstance(made, ast.Assign)
    replace_expression(block[use.index], use.expr, made.value)
    del block[index]
    return True


OPERATORS = (
    Operator("common_subexpression", "T0", 0.4, _common_subexpression),
    Operator("inline_variable", "T0", 0.3, _inline_variable),
)


def read_once(stmt: ast.stmt) -> ast.expr | None:
    """The expression that a statement evaluates once and before anything else that it does."""
    match stmt:
        case ast.Assign(value=value) | ast.AugAssign(value=value) | ast.Expr(value=value):
            return value
        case ast.Return(value=value) | ast.AnnAssign(value=value):
            return value
        case ast.If(test=test):
            return test
        case ast.For(iter=iterable):
            return iterable
    return None


def is_consumed(expr: ast.expr, parent: ast.AST, view: ExpressionKinds) -> bool:
    """Whether `parent` only reads the array `expr` and makes an object of its own of it."""
    match parent:
        case ast.BinOp() | ast.Compare():
            return view.of(expr).is_array
        case ast.Attribute(value=owner, attr=name):
            return owner is expr and name in FRESH_METHODS and view.of(expr).is_array
    return False


def certain_parts(expr: ast.expr, parent: ast.AST) -> Iterator[tuple[ast.expr, ast.AST]]:
    """Parts that are evaluated whenever the expression is, in its own scope, each with what it is a part of."""
    yield expr, parent
    match expr:
        case ast.BoolOp(values=[first, *_]) | ast.IfExp(test=first):
            yield from certain_parts(first, expr)
        case ast.Compare(left=left, comparators=[second, *_]):
            yield from certain_parts(left, expr)
            yield from certain_parts(second, expr)
        case ast.Lambda() | ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp() | ast.JoinedStr():
            return
        case _:
            for part in children(expr):
                if isinstance(part, ast.keyword):
                    yield from certain_parts(part.value, part)
                elif isinstance(part, ast.expr):
                    yield from certain_parts(part, expr)


def _uses(stmts: Sequence[ast.stmt], start: int) -> Iterator[_Use]:
    for index, stmt in enumerate(stmts, start):
        read = read_once(stmt)
        if read is not None:
            for expr, parent in certain_parts(read, stmt):
                yield _Use(index, expr, parent)


def _repeated(block: Block, view: ExpressionKinds, aliases: Aliases) -> Iterator[list[_Use]]:
    """Uses of each expression that may be one value, its first use first."""
    found: dict[str, list[_Use]] = {}
    for use in _uses(block, 0):
        if _is_worth(use.expr, view) and is_pure(use.expr, view):
            found.setdefault(meaning(use.expr), []).append(use)
    for uses in found.values():
        first = uses[0]
        same = [
            use
            for use in uses
            if _may_share(use, view)
            and _unchanged(first.expr, block[first.index : use.index], block[use.index], view, aliases)
        ]
        if len(same) > 1 and same[0] is first:
            yield same


def _is_worth(expr: ast.expr, view: ExpressionKinds) -> bool:
    inner = any(isinstance(part, ast.Call | ast.Subscript) for part in walk(expr))
    return isinstance(expr, ast.BinOp | ast.Call) and bool(free_loads(expr)) and (inner or view.of(expr).is_array)


def _may_share(use: _Use, view: ExpressionKinds) -> bool:
    """Whether nobody can tell if the value is an object of its own: it is a number, or it is only read."""
    return view.of(use.expr).is_scalar or is_consumed(use.expr, use.parent, view)


def _unchanged(
    expr: ast.expr, between: Sequence[ast.stmt], last: ast.stmt, view: ExpressionKinds, aliases: Aliases
) -> bool:
    """Whether the statements between, and what `last` does as it evaluates its expression, leave the value alone."""
    read = read_once(last)
    changed = changed_names([*between, *([read] if read is not None else [])], view)
    inputs = free_loads(expr)
    reached = {each for name in inputs for each in aliases.of(name)}
    return not (inputs & bound_names(between)) and not (reached & changed)


def _single_use(function: ast.FunctionDef) -> set[str]:
    """Variables that the function binds at one place and reads at one place."""
    bound: dict[str, int] = {}
    read: dict[str, int] = {}
    for part in walk(function):
        if isinstance(part, ast.Name):
            counts = read if isinstance(part.ctx, ast.Load) else bound
            counts[part.id] = counts.get(part.id, 0) + 1
    inner = closed_over(function)
    return {
        name
        for name, count in bound.items()
        if count == read.get(name) == 1 and name not in inner and not is_parameter(function, name)
    }
