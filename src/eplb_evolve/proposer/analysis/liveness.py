"""Which variables flow into and out of a run of statements."""

import ast
from collections.abc import Sequence
from dataclasses import dataclass

from .scope import Block, bound_names, free_loads, function_locals, parameters, target_names
from .tree import walk


@dataclass(frozen=True)
class Interface:
    """Variables that a run of statements shares with the function around it."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    kept: tuple[str, ...]
    """Outputs that the run may leave as they were although nothing before the loop around it binds them."""


def interface(function: ast.FunctionDef, block: Block, start: int, stop: int, scope: set[str]) -> Interface:
    """The interface of `block[start:stop]`; `scope` holds the variables of the functions around `function`."""
    run = block[start:stop]
    bound = bound_names(run)
    exposed, defined = exposed_reads(run)
    earlier, later, repeated = _surroundings(function, block, start, stop)
    outputs = bound & exposed_reads(later)[0]
    outputs |= bound & {name for stmt in walk(function) if _is_inner(stmt, function) for name in free_loads(stmt)}
    before = {argument.arg for argument in parameters(function)} | earlier
    local = function_locals(function)
    inputs = exposed & (scope | local) - (bound - before)
    kept = outputs - defined - before if repeated else set()
    inputs |= (outputs - defined) & before
    return Interface(tuple(sorted(inputs)), tuple(sorted(outputs)), tuple(sorted(kept)))


def exposed_reads(stmts: Sequence[ast.stmt], defined: frozenset[str] = frozenset()) -> tuple[set[str], frozenset[str]]:
    """Names read before the statements themselves surely bind them, and the names surely bound at the end."""
    exposed: set[str] = set()
    for stmt in stmts:
        match stmt:
            case ast.For():
                exposed |= free_loads(stmt.iter) - defined
                exposed |= exposed_reads(stmt.body, defined | target_names(stmt.target))[0]
                exposed |= exposed_reads(stmt.orelse, defined)[0]
            case ast.While():
                exposed |= free_loads(stmt.test) - defined
                exposed |= exposed_reads(stmt.body, defined)[0]
            case ast.If():
                exposed |= free_loads(stmt.test) - defined
                first, after_first = exposed_reads(stmt.body, defined)
                second, after_second = exposed_reads(stmt.orelse, defined)
                exposed |= first | second
                defined = after_first & after_second
            case _:
                exposed |= free_loads(stmt) - defined
                defined = defined | bound_names(stmt)
    return exposed, defined


def _surroundings(
    function: ast.FunctionDef, block: Block, start: int, stop: int
) -> tuple[set[str], list[ast.stmt], bool]:
    """Names that may be bound before the run, what may be executed after it, and whether a loop repeats it."""
    earlier = bound_names(block[:start])
    later = list(block[stop:])
    repeated = False
    for outer, index in reversed(_path(function.body, block) or []):
        stmt = outer[index]
        if isinstance(stmt, ast.For | ast.While):
            repeated = True
            later.append(stmt)
        if isinstance(stmt, ast.For):
            earlier |= target_names(stmt.target)
        earlier |= bound_names(outer[:index])
        later += outer[index + 1 :]
    return earlier, later, repeated


def _path(outer: Block, block: Block) -> list[tuple[Block, int]] | None:
    """The statements, outermost first, inside which `block` lies."""
    if outer is block:
        return []
    for index, stmt in enumerate(outer):
        for field in ("body", "orelse"):
            inner = getattr(stmt, field, None)
            if isinstance(inner, list):
                rest = _path(inner, block)
                if rest is not None:
                    return [(outer, index), *rest]
    return None


def _is_inner(stmt: ast.AST, function: ast.FunctionDef) -> bool:
    return isinstance(stmt, ast.FunctionDef | ast.Lambda) and stmt is not function
