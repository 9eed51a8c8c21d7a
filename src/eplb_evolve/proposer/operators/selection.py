"""Find the best position of a list without a function call per element (T0)."""

import ast
import random
from dataclasses import dataclass

from ..analysis.expression_kinds import ExpressionKinds
from ..analysis.inference import kinds_of
from ..analysis.kinds import UNKNOWN
from ..analysis.scope import Block, blocks
from ..analysis.tree import walk
from ..lowering.reductions import liftable
from ..program import Program
from ..templates import expression, replace_expression, statements
from .base import Operator

_PLAIN = (ast.Compare, ast.BoolOp, ast.UnaryOp, ast.BinOp, ast.Name, ast.Constant, ast.Subscript)
_PLAIN_PARTS = (*_PLAIN, ast.expr_context, ast.operator, ast.unaryop, ast.cmpop, ast.boolop)


@dataclass(frozen=True)
class Selection:
    """`min(range(stop), key=values.__getitem__)`, or the same over the positions that meet a condition.

    Attributes:
        function: "min" or "max"
        stop: end of the range
        values: variable that holds the list of numbers
        position: variable of the condition
        condition: what a position must meet, if anything; without calls
    """

    function: str
    stop: ast.expr
    values: str
    position: str
    condition: ast.expr | None


def selection(call: ast.expr, kinds: ExpressionKinds) -> Selection | None:
    """The selection that a call is, or None."""
    match call:
        case ast.Call(
            func=ast.Name(id="min" | "max" as name), args=[among], keywords=[ast.keyword(arg="key", value=key)]
        ):
            values = _values(key)
        case _:
            return None
    kind = kinds.env.get(values or "", UNKNOWN)
    if values is None or kind.form != "list" or not kind.item.is_scalar:
        return None
    match among:
        case ast.Call(func=ast.Name(id="range"), args=[stop], keywords=[]):
            return Selection(name, stop, values, "", None)
        case ast.GeneratorExp(
            elt=ast.Name(id=chosen),
            generators=[
                ast.comprehension(
                    target=ast.Name(id=position),
                    iter=ast.Call(func=ast.Name(id="range"), args=[stop], keywords=[]),
                    ifs=[condition],
                )
            ],
        ) if chosen == position != values and _is_plain(condition):
            return Selection(name, stop, values, position, condition)
    return None


def _values(key: ast.expr) -> str | None:
    """The list whose elements `key` takes."""
    match key:
        case ast.Attribute(value=ast.Name(id=name), attr="__getitem__"):
            return name
        case ast.Lambda(
            args=ast.arguments(args=[ast.arg(arg=argument)], vararg=None, kwonlyargs=[], kwarg=None),
            body=ast.Subscript(value=ast.Name(id=name), slice=ast.Name(id=index)),
        ) if index == argument != name:
            return name
    return None


def _is_plain(condition: ast.expr) -> bool:
    return all(isinstance(part, _PLAIN_PARTS) for part in walk(condition))


def _argmin_of_sequence(program: Program, rng: random.Random) -> bool:
    """The position of the least or largest element is looked up by value."""
    kinds = kinds_of(program)
    places: list[tuple[Block, int, ast.Call, Selection]] = []
    for function in program.functions():
        view = kinds.expressions(function)
        for block in blocks(function):
            for index, stmt in enumerate(block):
                for call in liftable(stmt):
                    chosen = selection(call, view)
                    if chosen is not None:
                        places.append((block, index, call, chosen))
    if not places:
        return False
    block, index, call, chosen = rng.choice(places)
    extreme, values, stop = chosen.function, chosen.values, ast.unparse(chosen.stop)
    if chosen.condition is None:
        part = values if stop == f"len({values})" else f"{values}[:{stop}]"
        replace_expression(block[index], call, expression(f"{values}.index({extreme}({part}))"))
        return True
    fresh = program.names()
    among, keys, position = fresh("candidates"), fresh("keys"), chosen.position
    replace_expression(block[index], call, expression(f"{among}[{keys}.index({extreme}({keys}))]"))
    block[index:index] = statements(
        f"{among} = [{position} for {position} in range({stop}) if {ast.unparse(chosen.condition)}]\n"
        f"{keys} = [{values}[{position}] for {position} in {among}]\n"
    )
    return True


OPERATORS = (Operator("argmin_of_sequence", "T0", 0.5, _argmin_of_sequence),)
