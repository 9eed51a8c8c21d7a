"""Genetic programming over index and score expressions (T1)."""

import ast
import random

from ..analysis.expression_kinds import ExpressionKinds
from ..analysis.inference import kinds_of
from ..analysis.kinds import Kind
from ..analysis.scope import bound_names, loops
from ..analysis.tree import walk
from ..program import Program
from ..templates import expression, replace_expression, statements
from .base import Operator
from .formulas import Terminals, changed_formula, random_formula

_SCORE_OPERATORS = ("+", "-", "*", "/")
_SIZED = frozenset({"full", "zeros", "ones", "empty", "arange", "view", "reshape", "expand", "broadcast_to"})
_EXTREMES = (("max", " + 1"), ("max", " + 1"), ("max", ""), ("min", ""))  # most integers count from 0
_COMPUTED = 0.7  # how often a bound that is computed is replaced, not one that is given
_MOST_TERMS = 40  # syntax elements of a formula


def _loop_to_formula(program: Program, rng: random.Random) -> bool:
    """A loop that scatters integers along the rows of an order becomes a formula in the position.

    `for row: for x in order[row]: a[row, x] = ...` becomes `a.scatter_(1, order, f(position))`.
    """
    kinds = kinds_of(program)
    torch = _torch(program)
    places = []
    for function in program.functions():
        view = kinds.expressions(function)
        for block, index, loop in loops(function):
            order = _order_of(loop, view)
            targets = _scattered(loop, view)
            if order is not None and targets and torch is not None:
                places.append((block, index, order, targets, _integers(view, loop)))
    if not places:
        return False
    block, index, order, targets, integers = rng.choice(places)
    position = program.names()("position")
    lines = [f"{position} = {torch}.arange({order}.shape[1])"]
    for target in targets:
        terminals = Terminals((*[position] * 3, *integers, "1", "2"), frozenset({position}), torch)
        formula = random_formula(rng, rng.choice([1, 1, 2]), terminals)
        lines.append(f"{target}.scatter_(1, {order}, ({formula} + {position} * 0).expand_as({order}))")
    block[index : index + 1] = statements("\n".join(lines))
    return True


def _mutate_formula(program: Program, rng: random.Random) -> bool:
    """A part of an integer expression is replaced, extended or wrapped in a condition."""
    kinds = kinds_of(program)
    for function in _shuffled(program, rng):
        view = kinds.expressions(function)
        places = []
        for stmt, part in _values(function):
            kind = view.of(part)
            if kind.element == "int" and (kind.is_array or kind.is_scalar) and _size(part) <= _MOST_TERMS:
                places.append((stmt, part, kind))
        if places:
            return _with_other_formula(program, view, *rng.choice(places), rng)
    return False


def _with_other_formula(
    program: Program, view: ExpressionKinds, stmt: ast.stmt, part: ast.expr, kind: Kind, rng: random.Random
) -> bool:
    like = [name for name, each in sorted(view.env.items()) if each == kind and name not in bound_names(stmt)]
    arrays = frozenset(like) if kind.is_array else frozenset()
    terminals = Terminals((*like, *_integers(view, stmt), "1", "2"), arrays, _torch(program))
    return replace_expression(stmt, part, expression(changed_formula(rng, ast.unparse(part), terminals)))


def _tweak_score(program: Program, rng: random.Random) -> bool:
    """A part of an expression over fractions gets another operator, operand or factor."""
    kinds = kinds_of(program)
    for function in _shuffled(program, rng):
        view = kinds.expressions(function)
        floats = [(stmt, part) for stmt, part in _values(function) if view.of(part).element == "float"]
        places = [(stmt, part) for stmt, part in floats if _size(part) <= _MOST_TERMS]
        if places:
            return _with_other_score(view, *rng.choice(places), rng)
    return False


def _with_other_score(view: ExpressionKinds, stmt: ast.stmt, part: ast.expr, rng: random.Random) -> bool:
    if isinstance(part, ast.BinOp) and rng.random() < 0.5:
        changed = f"({ast.unparse(part.left)}) {rng.choice(_SCORE_OPERATORS)} ({ast.unparse(part.right)})"
        return replace_expression(stmt, part, expression(changed))
    kind = view.of(part)
    alike = [name for name, each in sorted(view.env.items()) if _combines(each, kind)]
    other = rng.choice([*alike, "0.5", "2.0", "1e-3"])
    changed = f"(({ast.unparse(part)}) {rng.choice(_SCORE_OPERATORS)} {other})"
    return replace_expression(stmt, part, expression(changed))


def _reduce_bound(program: Program, rng: random.Random) -> bool:
    """An integer that bounds something is replaced by an extreme of an integer array in reach."""
    kinds = kinds_of(program)
    for function in _shuffled(program, rng):
        view = kinds.expressions(function)
        bound: set[str] = {argument.arg for argument in function.args.args}
        sizes = {part.id for size in _sizes(function) for part in walk(size) if isinstance(part, ast.Name)}
        places = []
        for stmt in function.body:
            arrays = [name for name in sorted(bound) if _is_integer_array(view.env.get(name))]
            places += [(stmt, part, arrays) for part in _bounds(stmt, sizes) if arrays and view.of(part).is_int]
            bound |= bound_names(stmt)
        computed = [place for place in places if isinstance(place[1], ast.BinOp)]
        if places:
            stmt, part, arrays = rng.choice(computed if computed and rng.random() < _COMPUTED else places)
            method, more = rng.choice(_EXTREMES)
            return replace_expression(stmt, part, expression(f"int({rng.choice(arrays)}.{method}()){more}"))
    return False


OPERATORS = (
    Operator("loop_to_formula", "T1", 0.5, _loop_to_formula),
    Operator("mutate_formula", "T1", 0.7, _mutate_formula),
    Operator("tweak_score", "T1", 0.6, _tweak_score),
    Operator("reduce_bound", "T1", 0.8, _reduce_bound),
)


def _values(function: ast.FunctionDef) -> list[tuple[ast.stmt, ast.expr]]:
    """Expressions in simple statements that are read, with their statement."""
    found: list[tuple[ast.stmt, ast.expr]] = []
    for stmt in walk(function):
        if isinstance(stmt, ast.Assign | ast.AugAssign | ast.Expr):
            found += [
                (stmt, part)
                for part in walk(stmt)
                if isinstance(part, ast.BinOp | ast.Name | ast.Subscript)
                and isinstance(getattr(part, "ctx", ast.Load()), ast.Load)
            ]
    return found


def _order_of(loop: ast.For, view: ExpressionKinds) -> str | None:
    """`order`, when the loop over rows holds a loop over `order[row]`."""
    for inner in walk(loop):
        match loop.target, inner:
            case ast.Name(id=row), ast.For(iter=iterable):
                if isinstance(iterable, ast.Call) and isinstance(iterable.func, ast.Attribute):
                    iterable = iterable.func.value
                match iterable:
                    case ast.Subscript(value=ast.Name(id=order), slice=ast.Name(id=index)) if index == row:
                        kind = view.env.get(order)
                        if _is_integer_tensor(kind) and kind is not None and kind.axes == 2:
                            return order
    return None


def _scattered(loop: ast.For, view: ExpressionKinds) -> list[str]:
    """Integer tensors that the loop writes element by element."""
    names = {
        part.value.id
        for part in walk(loop)
        if isinstance(part, ast.Subscript)
        and isinstance(part.ctx, ast.Store)
        and isinstance(part.value, ast.Name)
        and isinstance(part.slice, ast.Tuple)
    }
    return [name for name in sorted(names) if _is_integer_tensor(view.env.get(name))]


def _bounds(stmt: ast.stmt, sizes: set[str]) -> list[ast.expr]:
    """Variables and arithmetic that bound something: sizes, ends of ranges, what the variables `sizes` are set to."""
    found = _sizes(stmt)
    for part in walk(stmt):
        match part:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if name in sizes:
                found.append(value)
    return [part for part in found if isinstance(part, ast.BinOp | ast.Name)]


def _sizes(tree: ast.AST) -> list[ast.expr]:
    """Sizes of arrays and ends of ranges."""
    found: list[ast.expr] = []
    for part in walk(tree):
        match part:
            case ast.Call(func=ast.Name(id="range"), args=arguments):
                found += arguments
            case ast.Call(func=ast.Attribute(attr=name), args=arguments) if name in _SIZED:
                found += [size for each in arguments for size in (each.elts if isinstance(each, ast.Tuple) else [each])]
    return found


def _shuffled(program: Program, rng: random.Random) -> list[ast.FunctionDef]:
    """All functions, compiled helpers too, in random order: the first with a place is changed, however few it has."""
    functions = [*program.functions(), *program.helpers()]
    return rng.sample(functions, len(functions))


def _is_integer_array(kind: Kind | None) -> bool:
    return kind is not None and kind.is_array and kind.element == "int" and kind.axes != 0


def _is_integer_tensor(kind: Kind | None) -> bool:
    return kind is not None and kind.is_tensor and _is_integer_array(kind)


def _integers(view: ExpressionKinds, stmt: ast.stmt) -> list[str]:
    """Integer variables that the statement does not bind itself."""
    own = bound_names(stmt)
    return [name for name, kind in sorted(view.env.items()) if kind.is_int and name not in own]


def _combines(kind: Kind, other: Kind) -> bool:
    numeric = kind.element in ("int", "float")
    return numeric and (kind.is_scalar or (kind.is_array and other.is_array and kind.axes == other.axes))


def _torch(program: Program) -> str | None:
    return next((alias for alias, module in program.module_aliases().items() if module == "torch"), None)


def _size(tree: ast.AST) -> int:
    return sum(1 for _ in walk(tree))
