"""Element-wise loops as assignments to slices (T0)."""

import ast
import random

from ..analysis.independence import element_accesses, iterations_independent
from ..analysis.inference import kinds_of
from ..analysis.kinds import UNKNOWN, Kind
from ..analysis.scope import loops
from ..analysis.tree import copied
from ..program import Program
from ..templates import expression
from .base import Operator
from .loops import is_range


def _vectorise(program: Program, rng: random.Random) -> bool:
    """A loop of element-wise assignments becomes assignments to slices."""
    kinds = kinds_of(program)
    torch = next((alias for alias, module in program.module_aliases().items() if module == "torch"), None)
    places = []
    for function in program.functions():
        view = kinds.expressions(function)
        for block, index, loop in loops(function):
            if isinstance(loop.target, ast.Name) and is_range(loop.iter) and torch is not None:
                whole = iterations_independent(function, loop.body, (loop.target.id,))
                simple = all(_is_elementwise(stmt, loop.target.id, view.env) for stmt in loop.body)
                accesses = element_accesses(loop.body)
                if whole and simple and all(view.env[name].axes == len(parts) for name, parts in accesses):
                    places.append((block, index, loop))
    if not places:
        return False
    block, index, loop = rng.choice(places)
    assert isinstance(loop.target, ast.Name)
    assert isinstance(loop.iter, ast.Call)
    bounds = loop.iter.args
    start, stop = (ast.Constant(0), bounds[0]) if len(bounds) == 1 else (bounds[0], bounds[1])
    writer = _Slices(loop.target.id, ast.Slice(start, stop), f"{torch}.arange")
    block[index : index + 1] = [writer.visit(stmt) for stmt in loop.body]
    return True


OPERATORS = (Operator("vectorise", "T0", 1.0, _vectorise),)


class _Slices(ast.NodeTransformer):
    """Puts a slice in place of the loop variable in indices, and the range in place of it elsewhere."""

    def __init__(self, name: str, span: ast.Slice, arange: str) -> None:
        self.name = name
        self.span = span
        self.arange = arange

    def visit_Subscript(self, node: ast.Subscript) -> ast.Subscript:
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        sliced = [copied(self.span) if isinstance(part, ast.Name) and part.id == self.name else part for part in parts]
        node.slice = sliced[0] if len(sliced) == 1 else ast.Tuple(sliced, ast.Load())
        return node

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id != self.name:
            return node
        assert self.span.lower is not None
        assert self.span.upper is not None
        return expression(f"{self.arange}(start, stop)", start=self.span.lower, stop=self.span.upper)


def _is_elementwise(stmt: ast.stmt, variable: str, env: dict[str, Kind]) -> bool:
    """`a[i] = ...` where the right side is arithmetic on elements at i and numbers that do not depend on i."""
    match stmt:
        case ast.Assign(targets=[ast.Subscript(value=ast.Name(id=name)) as target], value=value):
            pass
        case ast.AugAssign(target=ast.Subscript(value=ast.Name(id=name)) as target, value=value):
            pass
        case _:
            return False
    return env.get(name, UNKNOWN).is_tensor and _indexes_once(target, variable) and _is_arithmetic(value, variable, env)


def _is_arithmetic(expr: ast.expr, variable: str, env: dict[str, Kind]) -> bool:
    match expr:
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() | ast.Mult() | ast.Div(), right=right):
            return _is_arithmetic(left, variable, env) and _is_arithmetic(right, variable, env)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return _is_arithmetic(operand, variable, env)
        case ast.Subscript(value=ast.Name(id=name)):
            return env.get(name, UNKNOWN).is_tensor and _indexes_once(expr, variable)
        case ast.Name(id=name):
            return name == variable or env.get(name, UNKNOWN).is_scalar
    return isinstance(expr, ast.Constant)


def _indexes_once(expr: ast.Subscript, variable: str) -> bool:
    parts = expr.slice.elts if isinstance(expr.slice, ast.Tuple) else [expr.slice]
    plain = [part for part in parts if isinstance(part, ast.Name) and part.id == variable]
    others = [part for part in parts if part not in plain]
    simple = all(isinstance(part, ast.Name | ast.Constant) for part in others)
    return len(plain) == 1 and simple
