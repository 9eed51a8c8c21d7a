"""Loops of compiled helpers on several cores (T0)."""

import ast
import random
from collections.abc import Callable
from functools import cache

from ..analysis.aliasing import Aliases
from ..analysis.effects import changed_names
from ..analysis.independence import rows_independent
from ..analysis.inference import Kinds, kinds_of
from ..analysis.scope import mentioned, parameters
from ..analysis.tree import walk
from ..program import Program
from ..templates import expression
from .base import Operator

_AliasesOf = Callable[[ast.FunctionDef], Aliases]


def _parallel_loop(program: Program, rng: random.Random) -> bool:
    """An outermost loop of a compiled helper whose passes touch nothing in common runs on several cores."""
    kinds = kinds_of(program)

    @cache
    def aliases(function: ast.FunctionDef) -> Aliases:
        return Aliases(function, kinds.expressions(function))

    places = [
        (helper, stmt)
        for helper in program.helpers()
        if _decorator(helper) is not None
        for stmt in helper.body
        if isinstance(stmt, ast.For) and _is_independent(program, kinds, aliases, helper, stmt)
    ]
    if not places:
        return False
    helper, loop = rng.choice(places)
    assert isinstance(loop.iter, ast.Call)
    loop.iter.func = expression("numba.prange")
    decorator = _decorator(helper)
    assert decorator is not None
    if not any(keyword.arg == "parallel" for keyword in decorator.keywords):
        decorator.keywords.append(ast.keyword("parallel", ast.Constant(True)))
    return True


OPERATORS = (Operator("parallel_loop", "T0", 0.1, _parallel_loop),)


def _decorator(helper: ast.FunctionDef) -> ast.Call | None:
    """The call of `numba.njit` that the helper is decorated with."""
    match helper.decorator_list:
        case [ast.Call(func=ast.Attribute(value=ast.Name(id="numba"), attr="njit"), args=[]) as decorator]:
            return decorator
    return None


def _is_independent(
    program: Program, kinds: Kinds, aliases: _AliasesOf, helper: ast.FunctionDef, loop: ast.For
) -> bool:
    view = kinds.expressions(helper)
    changed = {each for name in changed_names(loop.body, view) for each in aliases(helper).of(name)}
    match loop:
        case ast.For(target=ast.Name(id=variable), orelse=[]) if _counts_up_from_zero(loop.iter):
            return rows_independent(helper, loop.body, variable, changed, view) and _are_apart(
                program, aliases, helper, changed
            )
    return False


def _counts_up_from_zero(expr: ast.expr) -> bool:
    """Whether it is a range without negative numbers, of which two may be indices of one element."""
    match expr:
        case ast.Call(func=ast.Name(id="range"), args=[_], keywords=[]):
            return True
        case ast.Call(func=ast.Name(id="range"), args=[ast.Constant(value=int() as start), _], keywords=[]):
            return start >= 0
    return False


def _are_apart(program: Program, aliases: _AliasesOf, helper: ast.FunctionDef, changed: set[str]) -> bool:
    """Whether the program never passes the helper the same memory as a changed array and as another one."""
    names = [argument.arg for argument in parameters(helper)]
    callers = [each for each in [*program.functions(), *program.helpers()] if helper.name in mentioned(each)]
    for caller in callers:
        shared = aliases(caller)
        for part in walk(caller):
            match part:
                case ast.Call(func=ast.Name(id=callee)) if callee == helper.name:
                    if part.keywords or len(part.args) != len(names):
                        return False
                    reached = [{each for name in shared.carried(arg) for each in shared.of(name)} for arg in part.args]
                    for first, name in enumerate(names):
                        others = (reached[second] for second in range(len(names)) if second != first)
                        if name in changed and any(reached[first] & other for other in others):
                            return False
    return True
