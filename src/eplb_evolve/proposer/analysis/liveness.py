"""Which variables flow into and out of a run of statements."""

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .scope import Block, blocks, bound_names, free_loads, function_locals, target_names


@dataclass(frozen=True)
class Interface:
    """Variables that a run of statements shares with the function around it."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def interface(function: ast.FunctionDef, block: Block, start: int, stop: int, scope: set[str]) -> Interface:
    """The interface of `block[start:stop]`, of whose variables only those in `scope` matter."""
    run = block[start:stop]
    bound = bound_names(run)
    exposed, defined = exposed_reads(run)
    repeated = any(block is inner for loop in _loop_bodies(function) for inner in blocks(loop))
    used_elsewhere = _loads_outside(function, run)
    outputs = bound & (used_elsewhere | (exposed if repeated else set()))
    bound_before = {argument.arg for argument in ast.walk(function.args) if isinstance(argument, ast.arg)}
    bound_before |= _bound_outside(function, run)
    inputs = (exposed | ((outputs - defined) & bound_before)) & (scope | function_locals(function))
    inputs -= {name for name in bound if name not in bound_before and not repeated}
    return Interface(tuple(sorted(inputs)), tuple(sorted(outputs)))


def exposed_reads(
    stmts: Sequence[ast.stmt], defined: frozenset[str] = frozenset()
) -> tuple[set[str], frozenset[str]]:
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


def _loop_bodies(function: ast.FunctionDef) -> list[Block]:
    return [
        stmt.body for block in blocks(function) for stmt in block if isinstance(stmt, ast.For | ast.While)
    ]


def _loads_outside(function: ast.FunctionDef, run: Sequence[ast.stmt]) -> set[str]:
    return {name for stmt in _statements_outside(function.body, run) for name in free_loads(stmt)}


def _bound_outside(function: ast.FunctionDef, run: Sequence[ast.stmt]) -> set[str]:
    return {name for stmt in _statements_outside(function.body, run) for name in bound_names(stmt)}


def _statements_outside(block: Sequence[ast.stmt], run: Sequence[ast.stmt]) -> Iterable[ast.AST]:
    """The function's code without the run: whole statements, and headers of the statements around the run."""
    for stmt in block:
        if any(stmt is inside for inside in run):
            continue
        if not any(part is run[0] for part in ast.walk(stmt)):
            yield stmt
            continue
        for field in ("target", "iter", "test"):
            header = getattr(stmt, field, None)
            if header is not None:
                yield header
        for field in ("body", "orelse"):
            yield from _statements_outside(getattr(stmt, field, []), run)
