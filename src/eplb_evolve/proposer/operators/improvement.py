"""Improve an integer array by exchanging entries while an objective falls (T1).

The objective is a function of segment sums: the entries of an integer array [rows, n] name segments, those of a float
array [rows, n] are summed per segment, and the sums of a row become one number.
"""

import ast
import random
import textwrap
from dataclasses import dataclass

from ..analysis.independence import possible_aliases
from ..analysis.inference import kinds_of
from ..analysis.kinds import Kind
from ..analysis.liveness import exposed_reads
from ..analysis.scope import Block, free_loads, mutated_names, parameters
from ..analysis.shapes import shaped_alike
from ..program import HELPER_PREFIX, Program, helper_name
from ..templates import statements
from .base import Operator

_MOST_PASSES = 8
_COMPANION = 0.7  # how often an array that could be exchanged along is: most programs keep such arrays in step
_MOST_SEED = 1 << 16
_LOOP = (ast.For, ast.While)

_HELPER = """
@numba.njit(error_model='numpy')
def {name}({parameters}):
    if segment.size == 0 or segment.min() < 0 or segment.max() >= segment.shape[1]:
        return
    sums = np.empty(segment.max() + 1)
    for row in range(segment.shape[0]):
        sums[:] = 0.0
        for column in range(segment.shape[1]):
            sums[segment[row, column]] += score[row, column]
{start}
        for _ in range({passes}):
{visits}
"""

_TRIAL = """
one, other = (segment[row, first], segment[row, second])
change = score[row, second] - score[row, first]
if one != other and change * (sums[one] - sums[other] + change) < 0:
    sums[one] += change
    sums[other] -= change
"""
"""No convex function of the sums falls unless the two sums draw nearer, and the sum of squares falls whenever they do.

`change * (difference + change) < 0` says just that.
"""

_KEEP_IF_BETTER = """
if {objective} < best:
    best = {objective}
{exchanges}
else:
    sums[one] -= change
    sums[other] += change
"""

_OBJECTIVES = {"squares": "", "largest": "sums.max()", "spread": "sums.max() - sums.min()"}

_VISITS = {
    "adjacent": """
for first in range(segment.shape[1] - 1):
    second = first + 1
{trial}
""",
    "extreme": """
extreme = sums.argmax()
for first in range(segment.shape[1]):
    if segment[row, first] == extreme:
        for second in range(segment.shape[1]):
{deep_trial}
""",
    "random": """
for _ in range(segment.shape[1]):
    state = (state * 1103515245 + 12345) % 2147483648
    first = state // 8 % segment.shape[1]
    state = (state * 1103515245 + 12345) % 2147483648
    second = state // 8 % segment.shape[1]
{trial}
""",
}
"""Which pairs of entries of a row one pass tries; none takes more than n * n steps, the objective included."""


@dataclass(frozen=True)
class _Place:
    """Somewhere to insert a search: before statement `index` of the function.

    Attributes:
        segments: integer array whose entries are exchanged
        score: array of floats, as far as known, that is summed per segment
        others: integer arrays that may be exchanged along
        axes: number of axes of all of them, 1 or 2
    """

    function: ast.FunctionDef
    index: int
    segments: str
    score: str
    others: tuple[str, ...]
    axes: int


def _local_improvement(program: Program, rng: random.Random) -> bool:
    """After a loop or before a return, a few passes exchange entries of an integer array within its rows."""
    places = _places(program, rng)
    if not places:
        return False
    place = rng.choice(places)
    companions = [name for name in place.others if rng.random() < _COMPANION]
    helper = _helper(rng, len(companions))
    arrays = [place.segments, *companions, place.score]
    views = [f"np.asarray({name})" if place.axes == 2 else f"np.asarray({name})[None]" for name in arrays]
    shapes = " == ".join(f"{name}.shape" for name in arrays)
    place.function.body[place.index : place.index] = statements(
        f"if {shapes}:\n    {helper.name}({', '.join(views)})"  # the helper checks no bounds
    )
    program.add_import("import numba")
    program.add_import("import numpy as np")
    program.add_helper(helper, place.function)
    return True


OPERATORS = (Operator("local_improvement", "T1", 0.4, _local_improvement),)


def _helper(rng: random.Random, companions: int) -> ast.FunctionDef:
    """A compiled search with a random objective, neighbourhood and length."""
    objective = rng.choice(sorted(_OBJECTIVES.values()))
    neighbourhood = rng.choice(sorted(_VISITS))
    exchanged = ["segment", *(f"other_{number}" for number in range(companions))]
    exchanges = "\n".join(
        f"{name}[row, first], {name}[row, second] = ({name}[row, second], {name}[row, first])" for name in exchanged
    )
    kept = _KEEP_IF_BETTER.format(objective=objective, exchanges=_indented(exchanges, 1)) if objective else exchanges
    trial = _TRIAL + _indented(kept, 1)
    start = [f"best = {objective}"] if objective else []
    start += [f"state = {rng.randrange(_MOST_SEED)}"] if neighbourhood == "random" else []
    visits = _VISITS[neighbourhood].format(trial=_indented(trial, 1), deep_trial=_indented(trial, 3))
    text = _HELPER.format(
        name=HELPER_PREFIX,
        parameters=", ".join([*exchanged, "score"]),
        start=_indented("\n".join(start), 2),
        passes=rng.randint(1, _MOST_PASSES),
        visits=_indented(visits, 3),
    )
    helper = ast.parse(text).body[0]
    assert isinstance(helper, ast.FunctionDef)
    helper.name = helper_name(helper)
    return helper


def _indented(text: str, levels: int) -> str:
    return textwrap.indent(text, "    " * levels)


def _places(program: Program, rng: random.Random) -> list[_Place]:
    """The places in one function: who may share memory with whom takes long to find out for all of them."""
    kinds = kinds_of(program)
    functions = [*program.functions(), *program.helpers()]
    found: list[_Place] = []
    for function in rng.sample(functions, len(functions)):
        if found:
            break
        env = kinds.expressions(function).env
        given = {argument.arg for argument in parameters(function)}
        untouched = given - mutated_names(function.body)
        aliases = {name: possible_aliases(function, name) for name, kind in env.items() if kind.is_array}
        alike = shaped_alike(function)
        for index in range(1, len(function.body) + 1):
            if isinstance(function.body[index - 1], _LOOP) or isinstance(_at(function.body, index), ast.Return):
                bound = given | exposed_reads(function.body[:index])[1]
                arrays = {name: env[name] for name in sorted(bound & set(aliases))}
                useful = free_loads(function.body[index:]) | given
                own = [name for name in arrays if name in useful and not aliases[name] & untouched]
                found += _pairs(function, index, arrays, own, alike)
    return found


def _at(block: Block, index: int) -> ast.stmt | None:
    return block[index] if index < len(block) else None


def _pairs(
    function: ast.FunctionDef, index: int, arrays: dict[str, Kind], own: list[str], alike: set[frozenset[str]]
) -> list[_Place]:
    """Every integer array among `own`, which the function may change, with every float array of its shape."""
    found = []
    for segments in (name for name in own if arrays[name].element == "int"):
        axes = arrays[segments].axes
        same = [name for name in arrays if frozenset((segments, name)) in alike and arrays[name].axes == axes]
        others = tuple(name for name in same if name in own and arrays[name].element == "int")
        scores = [name for name in same if arrays[name].element in ("float", None)]
        found += [_Place(function, index, segments, score, others, axes) for score in scores if axes in (1, 2)]
    return found
