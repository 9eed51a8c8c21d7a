"""Tune what a program names: a number with a name of its own is larger or smaller (T1)."""

import ast
import math
import random

from ..analysis.tree import walk
from ..program import Program
from ..templates import expression, replace_expression
from .base import Operator

_MOST = 4.0
"""Largest factor; its inverse is the smallest."""
_DIGITS = 3


def _scale_parameter(program: Program, rng: random.Random) -> bool:
    """A number that is given a name outside of functions is multiplied by a random factor."""
    places = [
        (stmt, part)
        for stmt in program.tree.body
        if isinstance(stmt, ast.Assign | ast.AnnAssign)
        for part in walk(stmt)
        if isinstance(part, ast.Constant) and _is_number(part.value)
    ]
    if not places:
        return False
    stmt, part = rng.choice(places)
    assert isinstance(part.value, int | float)
    scaled = part.value * math.exp(rng.uniform(-math.log(_MOST), math.log(_MOST)))
    new = round(scaled) if isinstance(part.value, int) else float(f"{scaled:.{_DIGITS}g}")
    return new != part.value and replace_expression(stmt, part, expression(repr(new)))


OPERATORS = (Operator("scale_parameter", "T1", 1.0, _scale_parameter),)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0
