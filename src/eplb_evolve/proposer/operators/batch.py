"""Loops over independent rows as operations on all rows at once (T0)."""

import random

from ..analysis.inference import kinds_of
from ..analysis.scope import Block, function_locals, loops
from ..analysis.tree import walk
from ..batching.loops import batched
from ..lowering.base import Unsupported
from ..program import Program
from .base import Operator


def _batch_loop(program: Program, rng: random.Random) -> bool:
    """A loop whose passes are independent becomes tensor operations in which each pass is a row."""
    kinds = kinds_of(program)
    functions = program.functions()
    places: list[tuple[Block, int, Block]] = []
    for function in functions:
        view = kinds.expressions(function)
        around = [outer for outer in functions if outer is not function and function in walk(outer)]
        scope = {name for outer in around for name in function_locals(outer)}
        for block, index, _ in loops(function):
            try:
                places.append((block, index, batched(program, view, function, block, index, scope)))
            except Unsupported:
                continue
    if not places:
        return False
    block, index, new = rng.choice(places)
    block[index : index + 1] = new
    return True


OPERATORS = (Operator("batch_loop", "T0", 1.0, _batch_loop),)
