"""Cheaper access to the elements of tensors in loops (T0).

Reading one element of a tensor costs a microsecond and gives a tensor again; Python numbers are twenty times cheaper.
Sums of Python numbers are rounded as float64 where the tensor's would have been rounded as its own dtype.
"""

import ast
import random
from collections.abc import Callable

from ..analysis.inference import kinds_of
from ..analysis.kinds import Kind
from ..analysis.scope import bound_names, loops, mutated_names, root_name
from ..analysis.tree import walk
from ..program import Program
from ..templates import expression, statements
from .base import Operator


def _iterate_scalars(program: Program, rng: random.Random) -> bool:
    """`for x in tensor` becomes `for x in tensor.tolist()`."""
    kinds = kinds_of(program)
    places: list[tuple[ast.For, str]] = []
    for function in program.interpreted():
        view = kinds.expressions(function)
        for _, _, loop in loops(function):
            kind = view.of(loop.iter)
            match loop.target:
                case ast.Name(id=name) if kind.is_array and kind.axes == 1:
                    if not _used_as_tensor(loop.body, name):
                        places.append((loop, name))
    if not places:
        return False
    loop, name = rng.choice(places)
    loop.iter = expression("values.tolist()", values=loop.iter)
    for stmt in loop.body:
        _Replace(lambda expr: _without_item(expr, name)).visit(stmt)
    return True


def _item_reads(program: Program, rng: random.Random) -> bool:
    """`float(tensor[i, j])` and `x = tensor[i, j]` read a number with `.item()`."""
    kinds = kinds_of(program)
    places: list[tuple[ast.Subscript, ast.AST]] = []
    for function in program.interpreted():
        view = kinds.expressions(function)
        for block_loop in loops(function):
            for part in walk(block_loop[2]):
                operands: list[ast.expr] = []
                match part:
                    case ast.BinOp(left=left, right=right):
                        operands = [left, right]
                    case ast.AugAssign(value=value) | ast.Call(func=ast.Name(id="float" | "int"), args=[value]):
                        operands = [value]
                    case ast.Compare(left=left, comparators=sides):
                        operands = [left, *sides]
                for operand in operands:
                    if isinstance(operand, ast.Subscript) and _is_element(view.of(operand)):
                        places.append((operand, part))
    if not places:
        return False
    _, owner = rng.choice(places)
    wanted = {id(operand) for operand, part in places if part is owner}
    _Replace(lambda expr: expression("read.item()", read=expr) if id(expr) in wanted else None).visit(owner)
    return True


def _hoist_reads(program: Program, rng: random.Random) -> bool:
    """Element reads of a tensor that a loop does not change go to nested lists made before the loop."""
    return _through(program, rng, written=False, source="{array}.tolist()", nested=True, after=None)


def _buffer_writes(program: Program, rng: random.Random) -> bool:
    """Element writes of a tensor go to nested lists that are copied into the tensor after the loop."""
    after = "{array}[...] = {torch}.tensor({view}, dtype={array}.dtype)"
    return _through(program, rng, written=True, source="{array}.tolist()", nested=True, after=after)


def _numpy_views(program: Program, rng: random.Random) -> bool:
    """Element reads and writes of a tensor go through its numpy view, which shares its memory."""
    return _through(program, rng, written=None, source="{array}.numpy()", nested=False, after=None)


OPERATORS = (
    Operator("iterate_scalars", "T0", 1.5, _iterate_scalars),
    Operator("item_reads", "T0", 0.7, _item_reads),
    Operator("hoist_reads", "T0", 1.5, _hoist_reads),
    Operator("buffer_writes", "T0", 1.2, _buffer_writes),
    Operator("numpy_views", "T0", 1.0, _numpy_views),
)


class _Replace(ast.NodeTransformer):
    """Replaces the expressions for which `replacement` gives another one."""

    def __init__(self, replacement: Callable[[ast.expr], ast.expr | None]) -> None:
        self.replacement = replacement

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        new = self.replacement(node) if isinstance(node, ast.expr) else None
        return node if new is None else new


def _through(
    program: Program, rng: random.Random, written: bool | None, source: str, nested: bool, after: str | None
) -> bool:
    """Send the element accesses of one tensor in one loop through another view of its contents."""
    kinds = kinds_of(program)
    torch = next((alias for alias, module in program.module_aliases().items() if module == "torch"), None)
    places = []
    for function in program.interpreted():
        env = kinds.expressions(function).env
        for block, index, loop in loops(function):
            changed = mutated_names(loop)
            rebound = bound_names(loop)
            for name in sorted(_element_names(loop, env)):
                fits = written is None or (name in changed) == written
                if fits and env[name].is_tensor and name not in rebound:
                    places.append((block, index, loop, name))
    if not places or torch is None:
        return False
    block, index, loop, name = rng.choice(places)
    view = program.names()(f"{name}_values")
    before = statements(f"{view} = {source.format(array=name)}")
    behind = statements(after.format(array=name, view=view, torch=torch)) if after else []
    _Replace(lambda expr: _redirected(expr, name, view, nested)).visit(loop)
    block[index : index + 1] = [*before, loop, *behind]
    return True


def _element_names(loop: ast.For, env: dict[str, Kind]) -> set[str]:
    """Arrays that the loop touches element by element and in no other way."""
    elements: dict[str, int] = {}
    mentions: dict[str, int] = {}
    for part in walk(loop):
        match part:
            case ast.Attribute(value=ast.Subscript() as element, attr=attribute) if attribute != "item":
                mentions[root_name(element) or ""] = 10**6  # a method of the element needs a tensor
            case ast.Subscript(value=ast.Name(id=name), slice=index):
                parts = index.elts if isinstance(index, ast.Tuple) else [index]
                plain = not any(isinstance(each, ast.Slice | ast.Constant) and not _is_number(each) for each in parts)
                scalar = all(_is_index(each, env) for each in parts)
                if plain and scalar and name in env and env[name].is_array and env[name].axes == len(parts):
                    elements[name] = elements.get(name, 0) + 1
            case ast.Name(id=name):
                mentions[name] = mentions.get(name, 0) + 1
    return {name for name, count in elements.items() if mentions[name] == count}


def _is_number(expr: ast.AST) -> bool:
    return isinstance(expr, ast.Constant) and isinstance(expr.value, int)


def _is_index(expr: ast.expr, env: dict[str, Kind]) -> bool:
    """Whether the expression is one integer, as far as the kinds of its variables tell."""
    for part in walk(expr):
        match part:
            case ast.Name(id=name):
                kind = env.get(name)
                if kind is None or not (kind.is_int or (kind.element == "int" and kind.axes == 0)):
                    return False
            case ast.Call() | ast.Subscript() | ast.Attribute() | ast.Slice():
                return False
    return True


def _redirected(expr: ast.expr, name: str, view: str, nested: bool) -> ast.expr | None:
    match expr:
        case ast.Call(func=ast.Attribute(attr="item", value=ast.Subscript() as element)) if nested:
            return element if root_name(element) == view else None
        case ast.Subscript(value=ast.Name(id=used), slice=index) if used == name:
            if not nested:
                return ast.Subscript(ast.Name(view, ast.Load()), index, expr.ctx)
            parts = index.elts if isinstance(index, ast.Tuple) else [index]
            result: ast.expr = ast.Name(view, ast.Load())
            for part in parts:
                result = ast.Subscript(result, part, ast.Load())
            assert isinstance(result, ast.Subscript)
            result.ctx = expr.ctx
            return result
    return None


def _without_item(expr: ast.expr, name: str) -> ast.expr | None:
    match expr:
        case ast.Call(func=ast.Attribute(value=ast.Name(id=used) as value, attr="item")) if used == name:
            return value
    return None


def _is_element(kind: Kind) -> bool:
    return kind.is_tensor and kind.axes == 0


def _used_as_tensor(body: list[ast.stmt], name: str) -> bool:
    """Whether the code needs `name` to be a tensor: it calls its methods or changes it in place."""
    for part in (inner for stmt in body for inner in walk(stmt)):
        match part:
            case ast.Attribute(value=ast.Name(id=used), attr=attribute) if used == name and attribute != "item":
                return True
            case ast.Subscript(value=ast.Name(id=used)) if used == name:
                return True
            case ast.AugAssign(target=ast.Name(id=used)) if used == name:
                return True
            case ast.Call(func=ast.Attribute(), args=arguments):
                if any(isinstance(argument, ast.Name) and argument.id == name for argument in arguments):
                    return True
    return False
