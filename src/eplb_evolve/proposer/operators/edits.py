"""The classic edits of genetic improvement: statements, constants, dtypes, comparisons (T1)."""

import ast
import random

from ..analysis.inference import kinds_of
from ..analysis.kinds import UNKNOWN, Kind
from ..analysis.scope import Block, blocks
from ..analysis.tree import copied, meaning, walk
from ..layout import forget_layout
from ..program import Program
from ..templates import expression, replace_expression
from .base import Operator

_DTYPES = (("int16", "int32", "int64"), ("float32", "float64"))
_COMPARISONS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq)


def _delete_statement(program: Program, rng: random.Random) -> bool:
    """A statement goes away."""
    places = [place for place in _statements(program) if len(place[0]) > 1]
    if not places:
        return False
    block, index = rng.choice(places)
    del block[index]
    return True


def _move_statement(program: Program, rng: random.Random) -> bool:
    """A statement changes places with another one of its block, or is repeated there."""
    places = [place for place in _statements(program) if len(place[0]) > 2]
    if not places:
        return False
    block, index = rng.choice(places)
    other = rng.choice([place for place in range(len(block)) if place != index])
    if rng.random() < 0.7:
        block[index], block[other] = block[other], block[index]
    else:
        repeated = copied(block[index])
        forget_layout(repeated)
        block.insert(other, repeated)
    return True


def _change_constant(program: Program, rng: random.Random) -> bool:
    """A number or truth value becomes another one."""
    places = [
        (function, part)
        for function in _all_functions(program)
        for part in walk(function)
        if isinstance(part, ast.Constant) and isinstance(part.value, bool | int | float)
    ]
    if not places:
        return False
    function, part = rng.choice(places)
    new: object
    match part.value:
        case bool() as flag:
            new = not flag
        case int() as whole:
            new = rng.choice([whole - 1, whole + 1, whole * 2, whole // 2, 0, 1, -1])
        case float() as value:
            new = rng.choice([value * 2, value / 2, value + 1, -value, 0.0, 1.0])
    return replace_expression(function, part, expression(f"({new!r})"))


def _change_dtype(program: Program, rng: random.Random) -> bool:
    """A dtype becomes another one of its class."""
    places = [
        (part, family)
        for function in _all_functions(program)
        for part in walk(function)
        for family in _DTYPES
        if isinstance(part, ast.Attribute) and part.attr in family
    ]
    if not places:
        return False
    part, family = rng.choice(places)
    part.attr = rng.choice([name for name in family if name != part.attr])
    return True


def _change_comparison(program: Program, rng: random.Random) -> bool:
    """A comparison compares otherwise."""
    places = [
        part
        for function in _all_functions(program)
        for part in walk(function)
        if isinstance(part, ast.Compare) and isinstance(part.ops[0], _COMPARISONS)
    ]
    if not places:
        return False
    part = rng.choice(places)
    part.ops[0] = rng.choice([each for each in _COMPARISONS if not isinstance(part.ops[0], each)])()
    return True


def _transplant_expression(program: Program, rng: random.Random) -> bool:
    """An expression is replaced by another one of the same kind from the same function."""
    kinds = kinds_of(program)
    places: list[tuple[ast.FunctionDef, ast.expr, Kind]] = []
    for function in program.functions():
        view = kinds.expressions(function)
        places += [
            (function, part, kind)
            for part in walk(function)
            if isinstance(part, ast.Name | ast.Call | ast.BinOp | ast.Subscript)
            and isinstance(getattr(part, "ctx", ast.Load()), ast.Load)
            and (kind := view.of(part)) != UNKNOWN
        ]
    rng.shuffle(places)
    for function, part, kind in places:
        alike = [other for owner, other, known in places if owner is function and known == kind]
        others = [other for other in alike if meaning(other) != meaning(part)]
        if others:
            return replace_expression(function, part, copied(rng.choice(others)))
    return False


OPERATORS = (
    Operator("delete_statement", "T1", 0.3, _delete_statement),
    Operator("move_statement", "T1", 0.2, _move_statement),
    Operator("change_constant", "T1", 0.3, _change_constant),
    Operator("change_dtype", "T1", 0.3, _change_dtype),
    Operator("change_comparison", "T1", 0.2, _change_comparison),
    Operator("transplant_expression", "T1", 0.4, _transplant_expression),
)


def _all_functions(program: Program) -> list[ast.FunctionDef]:
    return [*program.functions(), *program.helpers()]


def _statements(program: Program) -> list[tuple[Block, int]]:
    return [
        (block, index)
        for function in _all_functions(program)
        for block in blocks(function)
        for index, stmt in enumerate(block)
        if not isinstance(stmt, ast.Return)
    ]
