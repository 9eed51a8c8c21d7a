"""Expressions of whole arrays kept up to date instead of computed anew (T0); known as finite differencing."""

import ast
import random
from collections.abc import Iterator
from dataclasses import dataclass

from ..analysis.aliasing import Aliases, is_own, is_readable
from ..analysis.effects import changed_names
from ..analysis.expression_kinds import ExpressionKinds
from ..analysis.inference import kinds_of
from ..analysis.scope import Block, blocks, bound_names, free_loads, loops
from ..analysis.shapes import shaped_the_same
from ..analysis.steadiness import steady_names
from ..analysis.tree import copied, walk
from ..program import Program
from ..templates import replace_expression, substituted
from .base import Operator
from .sharing import certain_parts, is_consumed, read_once

_OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div)


@dataclass(frozen=True)
class _Place:
    """An expression in a loop, the arrays that it reads, and the stores in the loop that change elements of one."""

    block: Block
    index: int
    """Where the loop stands."""
    expr: ast.expr
    parent: ast.AST
    arrays: set[str]
    changes: list[tuple[Block, int, ast.expr]]
    """Each store: where it is, and its index."""


def _incremental_expression(program: Program, rng: random.Random) -> bool:
    """An expression of whole arrays that each pass computes anew is computed once; then only what changed is."""
    kinds = kinds_of(program)
    places = [
        place
        for function in program.functions()
        if is_readable(function)
        for place in _places(function, kinds.expressions(function))
    ]
    if not places:
        return False
    place = rng.choice(places)
    name = program.names()("current")
    made = ast.Assign([ast.Name(name, ast.Store())], copied(place.expr))
    replace_expression(place.parent, place.expr, ast.Name(name, ast.Load()))
    for block, index, at in sorted(place.changes, key=lambda change: -change[1]):
        block.insert(index + 1, _update(name, place.expr, place.arrays, at))
    place.block.insert(place.index, made)
    return True


OPERATORS = (Operator("incremental_expression", "T0", 1.5, _incremental_expression),)


def _places(function: ast.FunctionDef, view: ExpressionKinds) -> Iterator[_Place]:
    candidates = list(_candidates(function, view))
    if not candidates:
        return
    aliases, steady = Aliases(function, view), steady_names(function, view)
    alike = shaped_the_same(function, aliases)
    for block, index, loop, expr, parent in candidates:
        arrays, changing = _operands(expr, view), changed_names([loop], view)
        changed = {name for name in arrays if aliases.of(name) & changing}
        if len(changed) != 1 or free_loads(expr) & bound_names(loop):
            continue
        (name,) = changed
        fits = all(other == name or frozenset((name, other)) in alike for other in arrays)
        if fits and name in steady and is_own(function, name, aliases, view):
            changes = _changes(loop, name, view, aliases)
            if changes:
                yield _Place(block, index, expr, parent, arrays, changes)


def _candidates(
    function: ast.FunctionDef, view: ExpressionKinds
) -> Iterator[tuple[Block, int, ast.For, ast.expr, ast.AST]]:
    """Expressions of whole arrays in loops, each with the loop's place and with what it is a part of."""
    for block, index, loop in loops(function):
        for part in walk(loop):
            read = read_once(part) if isinstance(part, ast.stmt) and part is not loop else None
            for expr, parent in certain_parts(read, part) if read is not None else ():
                if _operands(expr, view) and is_consumed(expr, parent, view):
                    yield block, index, loop, expr, parent


def _operands(expr: ast.expr, view: ExpressionKinds) -> set[str]:
    """The arrays of an expression of whole arrays and numbers, all of them variables; empty for another expression."""
    arrays: set[str] = set()
    pending: list[ast.expr] = [expr] if isinstance(expr, ast.BinOp) else []
    while pending:
        match pending.pop():
            case ast.BinOp(left=left, op=op, right=right) if isinstance(op, _OPERATORS):
                pending += [left, right]
            case ast.Constant():
                pass
            case ast.Name(id=name) as leaf if view.of(leaf).is_tensor and view.of(leaf).axes:
                arrays.add(name)
            case ast.Name() as leaf if view.of(leaf).is_scalar:
                pass
            case _:
                return set()
    return arrays


def _changes(loop: ast.For, name: str, view: ExpressionKinds, aliases: Aliases) -> list[tuple[Block, int, ast.expr]]:
    """All stores to elements of the variable in the loop; none when something else may change it."""
    found: list[tuple[Block, int, ast.expr]] = []
    for block in blocks(loop.body):
        for index, stmt in enumerate(block):
            match stmt:
                case (
                    ast.Assign(targets=[ast.Subscript(value=ast.Name(id=target), slice=at)], value=value)
                    | ast.AugAssign(target=ast.Subscript(value=ast.Name(id=target), slice=at), value=value)
                ) if target == name and _is_plain(at) and name not in free_loads(at):
                    if name in changed_names([value], view):
                        return []
                    found.append((block, index, at))
                case ast.For() | ast.While() | ast.If():
                    header = stmt.iter if isinstance(stmt, ast.For) else stmt.test
                    if name in changed_names([header], view):
                        return []
                case _ if aliases.of(name) & changed_names([stmt], view):
                    return []
    return found


def _is_plain(at: ast.expr) -> bool:
    """Whether the index is made of variables and constants only."""
    plain = ast.Name | ast.Constant | ast.Tuple | ast.Slice | ast.UnaryOp | ast.BinOp | ast.operator | ast.unaryop
    return all(isinstance(part, plain | ast.expr_context) for part in walk(at))


def _update(name: str, expr: ast.expr, arrays: set[str], at: ast.expr) -> ast.stmt:
    """`name[at] = expr`, each array of the expression read at the same index."""
    parts: dict[str, ast.expr] = {
        array: ast.Subscript(ast.Name(array, ast.Load()), copied(at), ast.Load()) for array in arrays
    }
    return ast.Assign([ast.Subscript(ast.Name(name, ast.Load()), copied(at), ast.Store())], substituted(expr, parts))
