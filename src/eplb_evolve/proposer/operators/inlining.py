"""What stands for the call of a function."""

import ast
import copy
from collections.abc import Sequence

from ..analysis.aliasing import is_readable
from ..analysis.liveness import exposed_reads
from ..analysis.scope import bound_names, free_loads, function_locals, identifiers, target_names
from ..analysis.tree import walk
from ..program import NameSource
from ..templates import renamed, substituted
from .calls import bound_arguments

_AT_ONCE = frozenset({"min", "max", "sum", "any", "all", "sorted", "list", "tuple", "set"})
"""Builtins that are done with a lambda or generator when they return."""
_DEFERRED = (ast.Lambda, ast.GeneratorExp)
_INNER = (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef, ast.Import, ast.ImportFrom, ast.Delete, ast.Match)


def can_be_inlined(function: ast.FunctionDef) -> bool:
    """Whether its statements can stand for its calls: it returns at its end only and binds what it reads."""
    returns = [part for part in walk(function) if isinstance(part, ast.Return)]
    unbound = exposed_reads(function.body)[0] & bound_names(function.body)
    return (
        is_readable(function)
        and is_plain(function)
        and all(each is function.body[-1] for each in returns)
        and unbound <= {argument.arg for argument in function.args.args}
        and not _free_names(function) & ({function.name} | _private_names(function.body))
    )


def is_plain(function: ast.FunctionDef) -> bool:
    """Whether it holds no code that may run after its statement is done, and none that deletes names."""
    done = [
        value
        for part in walk(function)
        if isinstance(part, ast.Call) and isinstance(part.func, ast.Name) and part.func.id in _AT_ONCE
        for value in [*part.args, *(keyword.value for keyword in part.keywords)]
    ]
    return not any(
        isinstance(part, _INNER) or (isinstance(part, _DEFERRED) and part not in done)
        for part in walk(function)
        if part is not function
    )


def inlined(
    stmt: ast.Assign | ast.Return | ast.Expr, function: ast.FunctionDef, around: ast.FunctionDef
) -> list[ast.stmt] | None:
    """What stands for a statement inside `around` that is a call of `function`; None when nothing can."""
    assert isinstance(stmt.value, ast.Call)
    given = bound_arguments(function, stmt.value)
    shadowed = _private_names([around]) & (_free_names(function) | {function.name})
    if given is None or shadowed:
        return None
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    private = _private_names(body)
    as_given: dict[str, ast.expr] = {
        name: value
        for name, value in given.items()
        if isinstance(value, ast.Constant | ast.Name) and name not in private
    }
    fresh = NameSource(identifiers(around) | _free_names(function) | set(as_given))
    names = {name: fresh(name) for name in [*given, *sorted(private - set(given))] if name not in as_given}
    bind = [ast.Assign([ast.Name(names[name], ast.Store())], value) for name, value in given.items() if name in names]
    new = [substituted(renamed(each, names), as_given) for each in body]
    result: ast.expr = ast.Constant(None)
    if new and isinstance(last := new[-1], ast.Return):
        result = last.value or result
        new.pop()
    if isinstance(stmt, ast.Expr) and isinstance(result, ast.Name | ast.Constant):
        return [*bind, *new] or [ast.Pass()]
    end = copy.copy(stmt)
    end.value = result
    return [*bind, *new, end]


def _free_names(function: ast.FunctionDef) -> set[str]:
    """What the statements of a function read from around it."""
    return free_loads(function.body) - function_locals(function)


def _private_names(stmts: Sequence[ast.stmt]) -> set[str]:
    """Names that the code binds in whatever scope inside it."""
    parts = [part for stmt in stmts for part in walk(stmt)]
    names = {part.name for part in parts if isinstance(part, ast.FunctionDef | ast.ClassDef) and part not in stmts}
    names |= {part.arg for part in parts if isinstance(part, ast.arg)}
    return names | {name for stmt in stmts for name in target_names(stmt)}
