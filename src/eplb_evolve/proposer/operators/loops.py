"""Loops written in another way (T0)."""

import ast
import copy
import random

from ..analysis.inference import Kinds
from ..analysis.independence import element_accesses, iterations_independent, shares_safely
from ..program import Program
from ..analysis.purity import is_total
from ..lowering.reductions import lift_reductions, liftable
from ..analysis.scope import Block, blocks, bound_names, free_loads, loops, mutated_names
from ..templates import expression, replace_expression
from .base import Operator


def _expand_reduction(program: Program, rng: random.Random) -> bool:
    """`min(... for ...)`, `sum(... for ...)` and their like become explicit loops."""
    places: list[tuple[Block, int]] = [
        (block, index)
        for function in program.functions()
        for block in blocks(function)
        for index, stmt in enumerate(block)
        if liftable(stmt)
    ]
    if not places:
        return False
    block, index = rng.choice(places)
    written = [block[index]]
    lift_reductions(written, program.names())
    block[index : index + 1] = written
    return True


def _hoist_invariant(program: Program, rng: random.Random) -> bool:
    """An expression that a loop does not change is computed before the loop."""
    kinds = Kinds(program)
    places = []
    for function in program.functions():
        view = kinds.expressions(function)
        for block, index, loop in loops(function):
            changing = bound_names(loop) | mutated_names(loop)
            for stmt in loop.body:
                places += [
                    (block, index, loop, part)
                    for part in _own_expressions(stmt)
                    if view.of(part).is_scalar  # an object made once would be shared by all passes
                    and is_total(part)
                    and free_loads(part)
                    and not free_loads(part) & changing
                ]
    if not places:
        return False
    block, index, loop, part = rng.choice(places)
    name = program.names()("hoisted")
    meaning = ast.dump(part)
    for same in [each for stmt in loop.body for each in ast.walk(stmt)]:
        if isinstance(same, ast.expr) and ast.dump(same) == meaning:
            replace_expression(loop, same, ast.Name(name, ast.Load()))
    block.insert(index, ast.Assign([ast.Name(name, ast.Store())], part))
    return True


def _fuse_loops(program: Program, rng: random.Random) -> bool:
    """Two neighbouring loops over the same range become one."""
    places = []
    for function in program.functions():
        for block in blocks(function):
            for index in range(len(block) - 1):
                first, second = block[index], block[index + 1]
                if isinstance(first, ast.For) and isinstance(second, ast.For):
                    if _same_range(first, second) and shares_safely(function, first, second):
                        places.append((block, index))
    if not places:
        return False
    block, index = rng.choice(places)
    first, second = block[index], block[index + 1]
    assert isinstance(first, ast.For) and isinstance(second, ast.For)
    first.body += second.body
    del block[index + 1]
    return True


def _interchange_loops(program: Program, rng: random.Random) -> bool:
    """Two nested loops over ranges change places."""
    places = []
    for function in program.functions():
        for _, _, outer in loops(function):
            match outer:
                case ast.For(target=ast.Name(id=first), body=[ast.For(target=ast.Name(id=second), orelse=[]) as inner]):
                    fixed = first not in free_loads(inner.iter) and _is_range(outer.iter) and _is_range(inner.iter)
                    if fixed and iterations_independent(function, inner.body, (first, second)):
                        places.append((outer, inner))
    if not places:
        return False
    outer, inner = rng.choice(places)
    outer.target, inner.target = inner.target, outer.target
    outer.iter, inner.iter = inner.iter, outer.iter
    return True


def _vectorise(program: Program, rng: random.Random) -> bool:
    """A loop of element-wise assignments becomes assignments to slices."""
    kinds = Kinds(program)
    torch = next((alias for alias, module in program.module_aliases().items() if module == "torch"), None)
    places = []
    for function in program.functions():
        view = kinds.expressions(function)
        for block, index, loop in loops(function):
            if isinstance(loop.target, ast.Name) and _is_range(loop.iter) and torch is not None:
                whole = iterations_independent(function, loop.body, (loop.target.id,))
                arrays = {name: kind for name, kind in view.env.items() if kind.is_tensor}
                if whole and all(_is_elementwise(stmt, loop.target.id, set(arrays)) for stmt in loop.body):
                    counts = {name: kind.axes for name, kind in arrays.items()}
                    if all(counts[name] == len(parts) for name, parts in element_accesses(loop.body)):
                        places.append((block, index, loop))
    if not places:
        return False
    block, index, loop = rng.choice(places)
    assert isinstance(loop.target, ast.Name) and isinstance(loop.iter, ast.Call)
    bounds = loop.iter.args
    start, stop = (ast.Constant(0), bounds[0]) if len(bounds) == 1 else (bounds[0], bounds[1])
    writer = _Slices(loop.target.id, ast.Slice(start, stop), f"{torch}.arange")
    block[index : index + 1] = [writer.visit(stmt) for stmt in loop.body]
    return True


def _drop_unused(program: Program, rng: random.Random) -> bool:
    """An assignment whose variable nothing reads goes away."""
    places: list[tuple[Block, ast.stmt]] = []
    for function in program.functions():
        read = free_loads(function.body) | {name for stmt in function.body for name in free_loads(stmt)}
        for block in blocks(function):
            for stmt in block:
                match stmt:
                    case ast.Assign(targets=[ast.Name(id=name)], value=value) if name not in read:
                        if len(block) > 1 and is_total(value):
                            places.append((block, stmt))
    if not places:
        return False
    for block, stmt in places if rng.random() < 0.5 else [rng.choice(places)]:
        if len(block) > 1:
            block[:] = [each for each in block if each is not stmt]
    return True


OPERATORS = (
    Operator("expand_reduction", "T0", 1.0, _expand_reduction),
    Operator("hoist_invariant", "T0", 0.7, _hoist_invariant),
    Operator("fuse_loops", "T0", 0.5, _fuse_loops),
    Operator("interchange_loops", "T0", 0.3, _interchange_loops),
    Operator("vectorise", "T0", 1.0, _vectorise),
    Operator("drop_unused", "T0", 0.3, _drop_unused),
)


class _Slices(ast.NodeTransformer):
    """Puts a slice in place of the loop variable in indices, and the range in place of it elsewhere."""

    def __init__(self, name: str, span: ast.Slice, arange: str) -> None:
        self.name = name
        self.span = span
        self.arange = arange

    def visit_Subscript(self, node: ast.Subscript) -> ast.Subscript:
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        sliced = [
            copy.deepcopy(self.span) if isinstance(part, ast.Name) and part.id == self.name else part
            for part in parts
        ]
        node.slice = sliced[0] if len(sliced) == 1 else ast.Tuple(sliced, ast.Load())
        return node

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id != self.name:
            return node
        assert self.span.lower is not None and self.span.upper is not None
        return expression(f"{self.arange}(start, stop)", start=self.span.lower, stop=self.span.upper)


def _own_expressions(stmt: ast.stmt) -> list[ast.expr]:
    """Larger expressions of a statement, without those in comprehensions, whose variables are their own."""
    found: list[ast.expr] = []
    pending: list[ast.AST] = [stmt]
    while pending:
        part = pending.pop(0)
        if isinstance(part, ast.ListComp | ast.GeneratorExp | ast.SetComp | ast.DictComp | ast.Lambda):
            continue
        if isinstance(part, ast.BinOp | ast.Attribute | ast.Call):
            found.append(part)
        pending += ast.iter_child_nodes(part)
    return found


def _is_range(expr: ast.expr) -> bool:
    match expr:
        case ast.Call(func=ast.Name(id="range"), args=[_] | [_, _], keywords=[]):
            return True
    return False


def _same_range(first: ast.For, second: ast.For) -> bool:
    plain = isinstance(first.target, ast.Name) and not first.orelse and not second.orelse
    same = ast.dump(first.target) == ast.dump(second.target) and ast.dump(first.iter) == ast.dump(second.iter)
    return plain and same and _is_range(first.iter)


def _is_elementwise(stmt: ast.stmt, variable: str, arrays: set[str]) -> bool:
    """`a[i] = ...` where the right side is arithmetic on elements at i and numbers that do not depend on i."""
    match stmt:
        case ast.Assign(targets=[ast.Subscript(value=ast.Name(id=name)) as target], value=value):
            pass
        case ast.AugAssign(target=ast.Subscript(value=ast.Name(id=name)) as target, value=value):
            pass
        case _:
            return False
    return name in arrays and _indexes_once(target, variable) and _is_arithmetic(value, variable, arrays)


def _is_arithmetic(expr: ast.expr, variable: str, arrays: set[str]) -> bool:
    match expr:
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() | ast.Mult() | ast.Div(), right=right):
            return _is_arithmetic(left, variable, arrays) and _is_arithmetic(right, variable, arrays)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return _is_arithmetic(operand, variable, arrays)
        case ast.Subscript(value=ast.Name(id=name)):
            return name in arrays and _indexes_once(expr, variable)
        case ast.Name(id=name):
            return name not in arrays
    return isinstance(expr, ast.Constant)


def _indexes_once(expr: ast.Subscript, variable: str) -> bool:
    parts = expr.slice.elts if isinstance(expr.slice, ast.Tuple) else [expr.slice]
    plain = [part for part in parts if isinstance(part, ast.Name) and part.id == variable]
    others = [part for part in parts if part not in plain]
    simple = all(isinstance(part, ast.Name | ast.Constant) for part in others)
    return len(plain) == 1 and simple


