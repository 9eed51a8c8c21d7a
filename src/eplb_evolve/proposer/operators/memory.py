"""Where results are put: buffers made once, changes in place, the order of elements in memory (T0)."""

import ast
import random

from ..analysis.aliasing import Aliases, closed_over, is_own, is_readable, stores
from ..analysis.effects import changed_names, is_library, is_pure
from ..analysis.expression_kinds import ExpressionKinds
from ..analysis.inference import kinds_of
from ..analysis.kinds import Element
from ..analysis.liveness import exposed_reads
from ..analysis.scope import Block, blocks, bound_names, free_loads, loops
from ..analysis.steadiness import steady_names
from ..analysis.tree import walk
from ..program import HELPER_PREFIX, Program
from ..templates import expression, replace_expression, statements
from .base import Operator
from .sharing import certain_parts, is_consumed, read_once

_RESIZING = frozenset({"resize_", "unsqueeze_", "squeeze_", "t_", "transpose_", "set_", "resize_as_"})
_READERS = frozenset({"len", "min", "max", "sum", "sorted", "enumerate", "zip", "print"})
_RANK: dict[Element, int] = {"bool": 0, "int": 1, "float": 2}
_IN_PLACE: dict[type[ast.operator], str] = {ast.Add: "add_", ast.Sub: "sub_", ast.Mult: "mul_", ast.Div: "div_"}
_LAYOUT_READERS = frozenset(
    {"view", "view_as", "reshape", "flatten", "ravel", "stride", "is_contiguous", "data_ptr", "as_strided"}
)
"""What tells, or depends on, how a tensor lies in memory, and with it the tensors that were computed from it."""
_LAYOUT_FREE = frozenset({"sum", "mean", "amax", "amin", "any", "all"})


def _preallocate(program: Program, rng: random.Random) -> bool:
    """A tensor or list that each pass of a loop makes anew is made once, before the loop, and refilled."""
    kinds = kinds_of(program)
    places: list[tuple[Block, int, ast.For, ast.Assign, list[ast.stmt]]] = []
    for function in program.functions():
        if not is_readable(function):
            continue
        view = kinds.expressions(function)
        aliases = Aliases(function, view)
        for block, index, loop in loops(function):
            changing = bound_names(loop) | changed_names([loop], view)
            for stmt in loop.body if len(loop.body) > 1 else ():
                match stmt:
                    case ast.Assign(targets=[ast.Name(id=name)], value=value) if not free_loads(value) & changing:
                        refill = _refill(name, value, view)
                        if refill is not None and _stays(function, loop, name, aliases):
                            places.append((block, index, loop, stmt, refill))
    if not places:
        return False
    block, index, loop, made, refill = rng.choice(places)
    position = loop.body.index(made)
    loop.body[position : position + 1] = refill
    block.insert(index, made)
    return True


def _in_place(program: Program, rng: random.Random) -> bool:
    """`a = a + 1` on a tensor that nothing else refers to changes its elements in place."""
    kinds = kinds_of(program)
    places: list[tuple[Block, int, list[str]]] = []
    for function in program.functions():
        if not is_readable(function):
            continue
        view = kinds.expressions(function)
        aliases, steady = Aliases(function, view), steady_names(function, view)
        for block in blocks(function):
            for index, stmt in enumerate(block):
                match stmt:
                    case ast.Assign(targets=[ast.Name(id=name)], value=value) if name in steady:
                        texts = _changes(name, value, view)
                        if texts and is_own(function, name, aliases, view):
                            places.append((block, index, texts))
    if not places:
        return False
    block, index, texts = rng.choice(places)
    block[index : index + 1] = statements(rng.choice(texts))
    return True


def _make_contiguous(program: Program, rng: random.Random) -> bool:
    """A permuted tensor is copied into the order in which it is read, or no longer is."""
    kinds = kinds_of(program)
    parts = (part for function in program.functions() for part in walk(function))
    reads_layout = any(isinstance(part, ast.Attribute) and part.attr in _LAYOUT_READERS for part in parts)
    places: list[tuple[ast.AST, ast.expr]] = []
    for function in program.functions():
        view = kinds.expressions(function)
        for stmt in walk(function):
            read = read_once(stmt) if isinstance(stmt, ast.stmt) else None
            for expr, parent in certain_parts(read, stmt) if read is not None else ():
                if not view.of(expr).is_tensor or not is_consumed(expr, parent, view):
                    continue
                if _is_gathered(parent) or (not reads_layout and _is_layout_free(parent) and _is_moved(expr)):
                    places.append((parent, expr))
    if not places:
        return False
    parent, expr = rng.choice(places)
    return replace_expression(parent, expr, _copied(expr) or expression("permuted.contiguous()", permuted=expr))


OPERATORS = (
    Operator("preallocate", "T0", 0.5, _preallocate),
    Operator("in_place", "T0", 0.3, _in_place),
    Operator("make_contiguous", "T0", 0.2, _make_contiguous),
)


def _refill(name: str, value: ast.expr, view: ExpressionKinds) -> list[ast.stmt] | None:
    """What gives the variable's elements the values that they had when it was made; None when that is not known."""
    if not is_pure(value, view):
        return None
    match value:
        case ast.BinOp(left=ast.List(elts=[element]), op=ast.Mult(), right=count):
            if view.of(element).is_scalar and view.of(count).is_int:
                return statements(f"{name}[:] = {ast.unparse(value)}")
        case ast.Call(func=ast.Attribute(value=owner, attr=maker)) if is_library(owner, view):
            if not view.of(value).is_tensor:
                return None
            if maker == "full" and len(value.args) == 2 and view.of(value.args[1]).is_scalar:
                return statements(f"{name}.fill_({ast.unparse(value.args[1])})")
            refill = {"zeros": f"{name}.zero_()", "ones": f"{name}.fill_(1)", "empty": ""}.get(maker)
            return None if refill is None else statements(refill)
    return None


def _stays(function: ast.FunctionDef, loop: ast.For, name: str, aliases: Aliases) -> bool:
    """Whether what the variable refers to is out of reach when the next pass begins, and keeps its size."""
    if name in exposed_reads([loop])[0] or name in closed_over(function) or aliases.of(name) != {name}:
        return False
    inside = {id(part) for part in walk(loop)}
    for part in walk(function):
        match part:
            case ast.Name(id=used) if used == name and id(part) not in inside:
                return False
            case ast.Return(value=ast.expr() as value) if name in aliases.carried(value):
                return False
            case ast.Call(func=ast.Attribute(value=ast.Name(id=used), attr=method)) if used == name:
                if method in _RESIZING:
                    return False
            case ast.Call(func=ast.Name(id=callee)) if not callee.startswith(HELPER_PREFIX):
                passed = any(isinstance(argument, ast.Name) and argument.id == name for argument in part.args)
                if passed and callee not in _READERS:
                    return False
    return stores(loop, name) == 1


def _changes(name: str, value: ast.expr, view: ExpressionKinds) -> list[str]:
    """Statements that change the elements as `name = value` would; none when shape or dtype may differ."""
    kind = view.env[name]
    if not kind.is_tensor or not kind.axes or kind.element not in ("int", "float"):
        return []
    match value:
        case ast.BinOp(left=ast.Name(id=left), op=op, right=right) if left == name and type(op) in _IN_PLACE:
            fits = not isinstance(op, ast.Div) or kind.element == "float"
            if fits and _fits(right, kind.element, view):
                changed = ast.unparse(ast.AugAssign(ast.Name(name, ast.Store()), op, right))
                return [changed, f"{name}.{_IN_PLACE[type(op)]}({ast.unparse(right)})"]
        case ast.Call(func=ast.Attribute(value=owner, attr="where"), args=[ast.Compare() as mask, fill, kept]):
            same = _is_name(kept, name) and _is_name(mask.left, name) and len(mask.comparators) == 1
            known = same and is_library(owner, view) and view.of(mask.comparators[0]).is_scalar
            if known and _fits(fill, kind.element, view):
                return [f"{name}.masked_fill_({ast.unparse(mask)}, {ast.unparse(fill)})"]
    return []


def _fits(expr: ast.expr, element: Element, view: ExpressionKinds) -> bool:
    """Whether it is a number that a tensor with such elements takes in without a change of dtype."""
    kind = view.of(expr)
    return kind.is_scalar and kind.element is not None and _RANK[kind.element] <= _RANK[element]


def _is_name(expr: ast.expr, name: str) -> bool:
    return isinstance(expr, ast.Name) and expr.id == name


def _is_layout_free(parent: ast.AST) -> bool:
    """Whether the elements of the result do not depend, but for rounding, on how the operand lies in memory."""
    return not isinstance(parent, ast.Attribute) or parent.attr in _LAYOUT_FREE


def _is_gathered(parent: ast.AST) -> bool:
    return isinstance(parent, ast.Attribute) and parent.attr == "gather"


def _is_moved(expr: ast.expr) -> bool:
    match expr:
        case ast.Attribute(attr="T" | "mT"):
            return True
        case ast.Call(func=ast.Attribute(attr="transpose" | "permute" | "expand" | "t" | "contiguous")):
            return True
    return False


def _copied(expr: ast.expr) -> ast.expr | None:
    """`x` of `x.contiguous()`."""
    match expr:
        case ast.Call(func=ast.Attribute(value=inner, attr="contiguous"), args=[], keywords=[]):
            return inner
    return None
