"""Move array code into functions that numba compiles (T0)."""

import ast
import random
from dataclasses import dataclass, replace

from ..analysis.inference import Kinds
from ..lowering.arrays import Unsupported
from ..lowering.outline import Outliner
from ..program import Program
from ..analysis.scope import Block, blocks
from .base import Operator

_OUTERMOST = 0.8  # compiling an inner loop alone pays for a call and its conversions on each pass
_LEAST_STATEMENTS = 3  # of a run without a loop


@dataclass(frozen=True)
class _Run:
    function: ast.FunctionDef
    block: Block
    start: int
    stop: int

    def at(self, index: int) -> "_Run":
        """The run of one statement of the same block."""
        return replace(self, start=index, stop=index + 1)

    @property
    def is_worthwhile(self) -> bool:
        run = self.block[self.start : self.stop]
        looped = any(isinstance(part, ast.For | ast.While) for stmt in run for part in ast.walk(stmt))
        return looped or len(run) >= _LEAST_STATEMENTS


def _outline_loop(program: Program, rng: random.Random) -> bool:
    """Compile one loop with everything in it."""
    loops = [run for run in _runs(program) if isinstance(run.block[run.start], ast.For | ast.While)]
    outermost = [run for run in loops if run.block is run.function.body]
    rng.shuffle(loops)
    rng.shuffle(outermost)
    ordered = outermost + loops if rng.random() < _OUTERMOST else loops
    kinds = Kinds(program)
    return any(_replace(program, kinds, run) for run in ordered)


def _outline_run(program: Program, rng: random.Random) -> bool:
    """Compile the longest compilable run of statements around one of them."""
    runs = _runs(program)
    rng.shuffle(runs)
    kinds = Kinds(program)
    for run in runs:
        compilable = [_compiles(program, kinds, run.at(index)) for index in range(len(run.block))]
        if not compilable[run.start]:
            continue
        start, stop = run.start, run.stop
        while start > 0 and compilable[start - 1]:
            start -= 1
        while stop < len(compilable) and compilable[stop]:
            stop += 1
        longest = replace(run, start=start, stop=stop)
        if longest.is_worthwhile and _replace(program, kinds, longest):
            return True
    return False


OPERATORS = (
    Operator("jit_outline", "T0", 3.0, _outline_loop),
    Operator("jit_run", "T0", 2.0, _outline_run),
)


def _runs(program: Program) -> list[_Run]:
    """Every single statement as a run."""
    return [
        _Run(function, block, index, index + 1)
        for function in program.functions()
        for block in blocks(function)
        for index in range(len(block))
        if not any(isinstance(part, ast.FunctionDef) for part in ast.walk(block[index]))
    ]


def _compiles(program: Program, kinds: Kinds, run: _Run) -> bool:
    if isinstance(run.block[run.start], ast.Expr) and run.start == 0:
        return False  # a docstring stays where it is
    try:
        _outlined(program, kinds, run)
    except Unsupported:
        return False
    return True


def _replace(program: Program, kinds: Kinds, run: _Run) -> bool:
    try:
        outliner, call = _outlined(program, kinds, run)
    except Unsupported:
        return False
    run.block[run.start : run.stop] = call
    outliner.install(run.function)
    return True


def _outlined(program: Program, kinds: Kinds, run: _Run) -> tuple[Outliner, list[ast.stmt]]:
    outer = next(
        (
            function
            for function in program.functions()
            if function is not run.function and any(part is run.function for part in ast.walk(function))
        ),
        None,
    )
    outliner = Outliner(program, kinds, program.names())
    return outliner, outliner.replacement(run.function, run.block, run.start, run.stop, outer)
