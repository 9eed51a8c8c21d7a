"""Loops that look for the smallest or largest element, with less to test in each pass (T1).

The meaning stays where all keys are finite and where some element passes; nothing proves that they are.
"""

import ast
import random
from collections.abc import Iterator
from dataclasses import dataclass

from ..analysis.scope import Block, blocks
from ..analysis.tree import walk
from ..program import Program
from ..templates import expression, statements
from .base import Operator


@dataclass(frozen=True)
class _Scan:
    """`for at in range(...): [if filled[at] < limit:] key = keys[at]; if not found or key < best: ...`."""

    block: Block
    index: int
    loop: ast.For
    update: ast.If
    found: str
    key: str
    best: str
    smallest: bool

    @property
    def worst(self) -> str:
        """What every key beats."""
        return "np.inf" if self.smallest else "-np.inf"


def _start_from_infinity(program: Program, rng: random.Random) -> bool:
    """A scan for the best key starts from infinity and not with a flag that says whether one was found."""
    scans = [scan for helper in program.helpers() for scan in _scans(helper)]
    if not scans:
        return False
    scan = rng.choice(scans)
    better = scan.update.test
    assert isinstance(better, ast.BoolOp)
    scan.update.test = better.values[1]
    scan.update.body = [stmt for stmt in scan.update.body if not _binds(stmt, scan.found)]
    for stmt in scan.block[: scan.index]:
        if _binds(stmt, scan.best):
            assert isinstance(stmt, ast.Assign)
            stmt.value = expression(scan.worst)
    scan.block[:] = [stmt for stmt in scan.block if not _binds(stmt, scan.found)]
    return True


def _bar_when_full(program: Program, rng: random.Random) -> bool:
    """What a counter bars from a scan for good gets an infinite key once, and no test in every pass."""
    places: list[tuple[_Scan, list[ast.stmt], str, str, str, tuple[int, str]]] = []
    for helper in program.helpers():
        for scan in _scans(helper):
            match scan.loop:
                case ast.For(
                    target=ast.Name(id=at),
                    body=[
                        ast.If(
                            test=ast.Compare(
                                left=ast.Subscript(value=ast.Name(id=counts), slice=ast.Name(id=where)),
                                ops=[ast.Lt()],
                                comparators=[ast.Name(id=bound)],
                            ),
                            body=[ast.Assign(value=ast.Subscript(value=ast.Name(id=keys))), *_] as body,
                            orelse=[],
                        )
                    ],
                ) if where == at:
                    change = _last_change(scan, counts, keys)
                    if change is not None and _count(helper, keys) == 3:  # made, read as a key, added to
                        places.append((scan, body, counts, bound, keys, change))
    if not places:
        return False
    scan, body, counts, limit, keys, (last, chosen) = rng.choice(places)
    bar = f"if {counts}[{chosen}] >= {limit}:\n    {keys}[{chosen}] = {scan.worst}"
    scan.block[last + 1 : last + 1] = statements(bar)
    scan.loop.body = body
    return True


OPERATORS = (
    Operator("start_from_infinity", "T1", 0.6, _start_from_infinity),
    Operator("bar_when_full", "T1", 0.8, _bar_when_full),
)


def _scans(helper: ast.FunctionDef) -> Iterator[_Scan]:
    for block in blocks(helper):
        for index, stmt in enumerate(block):
            if not isinstance(stmt, ast.For):
                continue
            inner = stmt.body[0].body if len(stmt.body) == 1 and isinstance(stmt.body[0], ast.If) else stmt.body
            match inner:
                case [
                    ast.Assign(targets=[ast.Name(id=key)], value=ast.Subscript()),
                    ast.If(
                        test=ast.BoolOp(
                            op=ast.Or(),
                            values=[
                                ast.UnaryOp(op=ast.Not(), operand=ast.Name(id=found)),
                                ast.Compare(
                                    left=ast.Name(id=left),
                                    ops=[ast.Lt() | ast.Gt() as op],
                                    comparators=[ast.Name(id=best)],
                                ),
                            ],
                        ),
                        orelse=[],
                    ) as update,
                ] if left == key:
                    yield _Scan(block, index, stmt, update, found, key, best, isinstance(op, ast.Lt))


def _last_change(scan: _Scan, counts: str, keys: str) -> tuple[int, str] | None:
    """Where, after the scan, both `keys[chosen]` and `counts[chosen]` have been added to, and the name of `chosen`."""
    changed: dict[str, tuple[int, str]] = {}
    for index, stmt in enumerate(scan.block[scan.index + 1 :], scan.index + 1):
        match stmt:
            case ast.AugAssign(
                target=ast.Subscript(value=ast.Name(id=array), slice=ast.Name(id=chosen)), op=ast.Add()
            ) if array in (counts, keys):
                changed[array] = (index, chosen)
    first, second = changed.get(counts), changed.get(keys)
    if first is None or second is None or first[1] != second[1]:
        return None
    return max(first, second)


def _count(function: ast.FunctionDef, name: str) -> int:
    return sum(isinstance(part, ast.Name) and part.id == name for part in walk(function))


def _binds(stmt: ast.stmt, name: str) -> bool:
    return isinstance(stmt, ast.Assign) and isinstance(target := stmt.targets[0], ast.Name) and target.id == name
