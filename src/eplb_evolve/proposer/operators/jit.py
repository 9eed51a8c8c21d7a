"""Move array code into functions that numba compiles (T0)."""

import ast
import random
from dataclasses import dataclass, replace

from ..analysis.inference import kinds_of
from ..analysis.scope import Block, blocks, identifiers
from ..analysis.tree import walk
from ..lowering.base import Unsupported
from ..lowering.outline import Outliner
from ..lowering.sorting import SortForm
from ..program import HELPER_PREFIX, NameSource, Program
from .base import Operator

_OUTERMOST = 0.8  # compiling an inner loop alone pays for a call and its conversions on each pass
_SHORTER = 0.4  # how often a run is not the longest possible: long ones take numba seconds to compile
_CONVERSIONS = frozenset({"asarray", "ascontiguousarray", "from_numpy"})
_SORTS: dict[SortForm, float] = {"ranks": 0.6, "insertion": 0.3, "library": 0.1}
"""How often a sort takes each form; numba's own takes two seconds to compile."""
_LEAST_CALLS = 3  # on arrays, in a run without a loop


@dataclass(frozen=True)
class _Run:
    """Neighbouring statements of a function, `outer` being the function around that one if there is any."""

    function: ast.FunctionDef
    outer: ast.FunctionDef | None
    block: Block
    start: int
    stop: int

    @property
    def stmts(self) -> list[ast.stmt]:
        """The statements."""
        return self.block[self.start : self.stop]


class _Jit:
    """One program with what is known about it."""

    def __init__(self, program: Program, rng: random.Random) -> None:
        self._program = program
        self._sort_form = rng.choices(list(_SORTS), list(_SORTS.values()))[0]
        self._kinds = kinds_of(program)
        self._taken = identifiers(program.tree) | program.outside
        self._compilable: dict[int, bool] = {}

    def runs(self) -> list[_Run]:
        """Every single statement as a run."""
        functions = self._program.functions()
        outer_of = {
            id(inner): outer
            for outer in functions
            for inner in walk(outer)
            if isinstance(inner, ast.FunctionDef) and inner is not outer
        }
        return [
            _Run(function, outer_of.get(id(function)), block, index, index + 1)
            for function in functions
            for block in blocks(function)
            for index in range(len(block))
        ]

    def replace(self, run: _Run) -> bool:
        """Put a call of a compiled helper in place of the run, if that can be done."""
        outliner = self._outliner()
        try:
            call = outliner.replacement(run.function, run.block, run.start, run.stop, run.outer)
        except Unsupported:
            return False
        run.block[run.start : run.stop] = call
        outliner.install(run.function)
        return True

    def widest(self, run: _Run) -> _Run:
        """The longest run of compilable statements around a statement; empty when that one is not compilable."""
        if not self._compiles(run):
            return replace(run, stop=run.start)
        start, stop = run.start, run.stop
        while start > 0 and self._compiles(replace(run, start=start - 1, stop=start)):
            start -= 1
        while stop < len(run.block) and self._compiles(replace(run, start=stop, stop=stop + 1)):
            stop += 1
        return replace(run, start=start, stop=stop)

    def is_worthwhile(self, run: _Run) -> bool:
        """Whether the run holds a loop, several operations on arrays, or several helpers that can be one."""
        view = self._kinds.expressions(run.function)
        calls = helpers = 0
        for part in (inner for stmt in run.stmts for inner in walk(stmt)):
            match part:
                case ast.For() | ast.While():
                    return True
                case ast.Call(func=ast.Attribute(attr=name)) if name not in _CONVERSIONS:
                    calls += view.of(part).is_array
                case ast.Call(func=ast.Name(id=name)) if name.startswith(HELPER_PREFIX):
                    helpers += 1
        return calls >= _LEAST_CALLS or helpers > 1

    def _compiles(self, run: _Run) -> bool:
        """Whether a single statement can be compiled; a docstring stays where it is."""
        stmt = run.block[run.start]
        if id(stmt) not in self._compilable:
            try:
                self._outliner(writes=False).replacement(run.function, run.block, run.start, run.stop, run.outer)
                self._compilable[id(stmt)] = run.start > 0 or not isinstance(stmt, ast.Expr)
            except Unsupported:
                self._compilable[id(stmt)] = False
        return self._compilable[id(stmt)]

    def _outliner(self, writes: bool = True) -> Outliner:
        return Outliner(self._program, self._kinds, NameSource(self._taken), self._sort_form, writes)


def _outline_loop(program: Program, rng: random.Random) -> bool:
    """Compile one loop with everything in it."""
    jit = _Jit(program, rng)
    loops = [run for run in jit.runs() if isinstance(run.stmts[0], ast.For | ast.While)]
    outermost = [run for run in loops if run.block is run.function.body]
    rng.shuffle(loops)
    rng.shuffle(outermost)
    return any(jit.replace(run) for run in (outermost + loops if rng.random() < _OUTERMOST else loops))


def _outline_run(program: Program, rng: random.Random) -> bool:
    """Compile a run of statements, mostly the longest compilable one around a statement."""
    jit = _Jit(program, rng)
    runs = jit.runs()
    rng.shuffle(runs)
    for run in runs:
        chosen = jit.widest(run)
        if chosen.stmts and rng.random() < _SHORTER:
            start, stop = rng.randint(chosen.start, run.start), rng.randint(run.stop, chosen.stop)
            chosen = replace(chosen, start=start, stop=stop)
        if chosen.stmts and jit.is_worthwhile(chosen) and jit.replace(chosen):
            return True
    return False


OPERATORS = (
    Operator("jit_outline", "T0", 3.0, _outline_loop),
    Operator("jit_run", "T0", 2.0, _outline_run),
)
