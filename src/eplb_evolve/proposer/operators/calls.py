"""Calls of functions with simple parameters."""

import ast
from collections.abc import Sequence

from ..analysis.tree import copied, meaning, walk
from ..templates import substituted


def bound_arguments(function: ast.FunctionDef, call: ast.Call) -> dict[str, ast.expr] | None:
    """The value of each parameter, in the order in which a call evaluates them; None when the call does not tell.

    Parameters with a default that is not a constant must be given.
    """
    names = _parameter_names(function)
    plain = not any(isinstance(part, ast.Starred | ast.NamedExpr) for part in walk(call))
    if names is None or not plain or len(call.args) > len(names):
        return None
    given = dict(zip(names, call.args, strict=False))
    for keyword in call.keywords:
        if keyword.arg not in names or keyword.arg in given:
            return None
        given[keyword.arg] = keyword.value
    defaults = function.args.defaults
    for name, default in zip(names[len(names) - len(defaults) :], defaults, strict=True):
        if name not in given and isinstance(default, ast.Constant):
            given[name] = default
    return given if set(given) == set(names) else None


def calls_of(tree: ast.AST, name: str) -> list[ast.Call]:
    """All calls of a function; empty when the code mentions it in any other way."""
    calls = [
        part
        for part in walk(tree)
        if isinstance(part, ast.Call) and isinstance(part.func, ast.Name) and part.func.id == name
    ]
    mentions = [part for part in walk(tree) if name in _names_of(part)]
    return calls if len(mentions) == len(calls) + 1 else []  # and its definition


def constants_passed(function: ast.FunctionDef, calls: Sequence[ast.Call]) -> list[tuple[int, ast.expr]]:
    """Index and value of each parameter that is only read and is given the same number at every call."""
    found: list[tuple[int, ast.expr]] = []
    given = [bound_arguments(function, call) for call in calls]
    for index, name in enumerate(_parameter_names(function) or []):
        values = [each[name] for each in given if each is not None]
        same = len({meaning(value) for value in values}) == 1 and len(values) == len(calls)
        if same and _is_number(values[0]) and _is_only_read(function, name):
            found.append((index, values[0]))
    return found


def without_parameter(function: ast.FunctionDef, calls: Sequence[ast.Call], index: int, value: ast.expr) -> None:
    """Drop a parameter from the function and its calls; it was always `value`."""
    arguments = function.args
    name = arguments.args[index].arg
    required = len(arguments.args) - len(arguments.defaults)
    value = copied(value)
    for call in calls:
        del call.args[index : index + 1]
        call.keywords = [keyword for keyword in call.keywords if keyword.arg != name]
    if index >= required:
        del arguments.defaults[index - required]
    del arguments.args[index]
    function.body = [substituted(stmt, {name: value}) for stmt in function.body]


def _parameter_names(function: ast.FunctionDef) -> list[str] | None:
    """Names of the parameters, when all of them can be given by place and by name."""
    arguments = function.args
    if arguments.posonlyargs or arguments.kwonlyargs or arguments.vararg or arguments.kwarg:
        return None
    return [argument.arg for argument in arguments.args]


def _is_number(value: ast.expr) -> bool:
    if isinstance(value, ast.UnaryOp) and isinstance(value.op, ast.USub):
        value = value.operand
    return isinstance(value, ast.Constant) and isinstance(value.value, bool | int | float)


def _is_only_read(function: ast.FunctionDef, name: str) -> bool:
    """Whether the name means the parameter wherever it occurs in the function."""
    parts = [part for stmt in function.body for part in walk(stmt) if name in _names_of(part)]
    return all(isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load) for part in parts)


def _names_of(part: ast.AST) -> list[str]:
    """Names that a syntax element itself, not its parts, reads or binds."""
    match part:
        case ast.Name(id=name) | ast.arg(arg=name) | ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Global(names=names) | ast.Nonlocal(names=names):
            return names
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
            return [alias.asname or alias.name for alias in aliases]
    return []
