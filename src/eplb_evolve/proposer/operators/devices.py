"""Tensors on another device (T1)."""

import ast
import random

from ..analysis.inference import kinds_of
from ..analysis.tree import walk
from ..program import Program
from ..templates import expression, replace_expression
from .base import Operator


def _move_device(program: Program, rng: random.Random) -> bool:
    """A `.cpu()` is dropped from, or added to, an assigned tensor, which changes where what follows is computed."""
    kinds = kinds_of(program)
    places: list[tuple[ast.stmt, ast.expr, ast.expr]] = []
    for function in program.functions():
        view = kinds.expressions(function)
        for stmt in walk(function):
            if not isinstance(stmt, ast.Assign | ast.Return):
                continue
            moves = {
                part: part.func.value
                for part in walk(stmt)
                if isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute) and part.func.attr == "cpu"
            }
            places += [(stmt, part, inner) for part, inner in moves.items()]
            if isinstance(stmt, ast.Assign) and stmt.value not in moves and view.of(stmt.value).is_tensor:
                places.append((stmt, stmt.value, expression("moved.cpu()", moved=stmt.value)))
    if not places:
        return False
    stmt, part, moved = rng.choice(places)
    return replace_expression(stmt, part, moved)


OPERATORS = (Operator("move_device", "T1", 0.1, _move_device),)
