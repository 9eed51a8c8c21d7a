"""Loops written in another way (T0)."""

import ast
import random

from ..analysis.independence import iterations_independent, shares_safely
from ..analysis.inference import kinds_of
from ..analysis.purity import is_total
from ..analysis.scope import Block, blocks, bound_names, free_loads, loops, mutated_names
from ..analysis.tree import children, meaning, walk
from ..lowering.reductions import lift_reductions, liftable
from ..program import Program
from ..templates import replace_expression
from .base import Operator


def _expand_reduction(program: Program, rng: random.Random) -> bool:
    """`min(... for ...)`, `sum(... for ...)` and their like become explicit loops."""
    places: list[tuple[Block, int]] = [
        (block, index)
        for function in program.functions()
        for block in blocks(function)
        for index, stmt in enumerate(block)
        if liftable(stmt)
    ]
    if not places:
        return False
    block, index = rng.choice(places)
    written = [block[index]]
    lift_reductions(written, program.names())
    block[index : index + 1] = written
    return True


def _hoist_invariant(program: Program, rng: random.Random) -> bool:
    """An expression that a loop does not change is computed before the loop."""
    kinds = kinds_of(program)
    places = []
    for function in program.functions():
        view = kinds.expressions(function)
        for block, index, loop in loops(function):
            changing = bound_names(loop) | mutated_names(loop)
            for stmt in loop.body:
                places += [
                    (block, index, loop, part)
                    for part in _own_expressions(stmt)
                    if view.of(part).is_scalar  # an object made once would be shared by all passes
                    and is_total(part)
                    and free_loads(part)
                    and not free_loads(part) & changing
                ]
    if not places:
        return False
    block, index, loop, part = rng.choice(places)
    name = program.names()("hoisted")
    wanted = meaning(part)
    for same in [each for stmt in loop.body for each in walk(stmt)]:
        if isinstance(same, ast.expr) and meaning(same) == wanted:
            replace_expression(loop, same, ast.Name(name, ast.Load()))
    block.insert(index, ast.Assign([ast.Name(name, ast.Store())], part))
    return True


def _fuse_loops(program: Program, rng: random.Random) -> bool:
    """Two neighbouring loops over the same range become one."""
    places: list[tuple[Block, int, ast.For, ast.For]] = []
    for function in program.functions():
        for block in blocks(function):
            for index in range(len(block) - 1):
                match block[index], block[index + 1]:
                    case (ast.For() as first, ast.For() as second):
                        if _same_range(first, second) and shares_safely(function, first, second):
                            places.append((block, index, first, second))
    if not places:
        return False
    block, index, first, second = rng.choice(places)
    first.body += second.body
    del block[index + 1]
    return True


def _interchange_loops(program: Program, rng: random.Random) -> bool:
    """Two nested loops over ranges change places."""
    places = []
    for function in program.functions():
        for _, _, outer in loops(function):
            match outer:
                case ast.For(target=ast.Name(id=first), body=[ast.For(target=ast.Name(id=second), orelse=[]) as inner]):
                    fixed = first not in free_loads(inner.iter) and is_range(outer.iter) and is_range(inner.iter)
                    if fixed and iterations_independent(function, inner.body, (first, second)):
                        places.append((outer, inner))
    if not places:
        return False
    outer, inner = rng.choice(places)
    outer.target, inner.target = inner.target, outer.target
    outer.iter, inner.iter = inner.iter, outer.iter
    return True


def _drop_unused(program: Program, rng: random.Random) -> bool:
    """An assignment whose variable nothing reads goes away."""
    places: list[tuple[Block, ast.stmt]] = []
    for function in program.functions():
        read = free_loads(function.body) | {name for stmt in function.body for name in free_loads(stmt)}
        for block in blocks(function):
            for stmt in block:
                match stmt:
                    case ast.Assign(targets=[ast.Name(id=name)], value=value) if name not in read:
                        if len(block) > 1 and is_total(value):
                            places.append((block, stmt))
    if not places:
        return False
    for block, stmt in places if rng.random() < 0.5 else [rng.choice(places)]:
        if len(block) > 1:
            block[:] = [each for each in block if each is not stmt]
    return True


OPERATORS = (
    Operator("expand_reduction", "T0", 1.0, _expand_reduction),
    Operator("hoist_invariant", "T0", 0.7, _hoist_invariant),
    Operator("fuse_loops", "T0", 0.5, _fuse_loops),
    Operator("interchange_loops", "T0", 0.3, _interchange_loops),
    Operator("drop_unused", "T0", 0.3, _drop_unused),
)


def _own_expressions(stmt: ast.stmt) -> list[ast.expr]:
    """Larger expressions of a statement, without those in comprehensions, whose variables are their own."""
    found: list[ast.expr] = []
    pending: list[ast.AST] = [stmt]
    while pending:
        part = pending.pop(0)
        if isinstance(part, ast.ListComp | ast.GeneratorExp | ast.SetComp | ast.DictComp | ast.Lambda):
            continue
        if isinstance(part, ast.BinOp | ast.Attribute | ast.Call):
            found.append(part)
        pending += children(part)
    return found


def is_range(expr: ast.expr) -> bool:
    """Whether the expression is a range of step one."""
    match expr:
        case ast.Call(func=ast.Name(id="range"), args=[_] | [_, _], keywords=[]):
            return True
    return False


def _same_range(first: ast.For, second: ast.For) -> bool:
    plain = isinstance(first.target, ast.Name) and not first.orelse and not second.orelse
    same = meaning(first.target) == meaning(second.target) and meaning(first.iter) == meaning(second.iter)
    return plain and same and is_range(first.iter)
