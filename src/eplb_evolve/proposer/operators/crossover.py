"""Take functions from another program, with the helpers and imports that they need (T1)."""

import ast
import random

from ..analysis.scope import bound_names, free_loads
from ..analysis.tree import copied, meaning, walk
from ..layout import forget_layout
from ..program import HELPER_PREFIX, Program

_ALL = 0.3  # how often every differing function is taken, not one
CROSSOVER = "crossover"
"""Name of this operator among those of a child."""


def crossover(program: Program, donor: Program, rng: random.Random) -> bool:
    """Replace functions of `program` by those of the same name and parameters in `donor`."""
    theirs = {stmt.name: stmt for stmt in donor.tree.body if isinstance(stmt, ast.FunctionDef)}
    differing = [
        index
        for index, stmt in enumerate(program.tree.body)
        if isinstance(stmt, ast.FunctionDef)
        and not stmt.name.startswith(HELPER_PREFIX)
        and stmt.name in theirs
        and meaning(theirs[stmt.name]) != meaning(stmt)
        and _parameter_names(theirs[stmt.name]) == _parameter_names(stmt)
    ]
    if not differing:
        return False
    several = rng.random() < _ALL
    taken = sorted(rng.sample(differing, rng.randint(1, len(differing)))) if several else [rng.choice(differing)]
    for index in taken:
        replaced = program.tree.body[index]
        assert isinstance(replaced, ast.FunctionDef)
        program.tree.body[index] = _copied(theirs[replaced.name])
    for stmt in _needed(program, donor):
        _insert(program, _copied(stmt))
    program.memory.clear()
    return True


def _parameter_names(function: ast.FunctionDef) -> str:
    bare = copied(function.args)
    for argument in walk(bare):
        if isinstance(argument, ast.arg):
            argument.annotation = None
    return meaning(bare)


def _copied(stmt: ast.stmt) -> ast.stmt:
    fresh = copied(stmt)
    forget_layout(fresh)
    return fresh


def _needed(program: Program, donor: Program) -> list[ast.stmt]:
    """The donor's top-level statements that bind what the program now reads and does not bind."""
    bound = {name for stmt in program.tree.body for name in _top_level(stmt)} | program.outside
    missing = {name for stmt in program.tree.body for name in free_loads(stmt)} - bound
    rest = {id(stmt): (stmt, _top_level(stmt)) for stmt in donor.tree.body}
    needed: list[ast.stmt] = []
    while True:
        more = [stmt for stmt, names in rest.values() if names & missing]
        if not more:
            return needed
        for stmt in more:
            bound |= rest.pop(id(stmt))[1]
        missing = {name for stmt in more for name in free_loads(stmt)} - bound
        needed += more


def _top_level(stmt: ast.stmt) -> set[str]:
    return {stmt.name} if isinstance(stmt, ast.FunctionDef) else bound_names(stmt)


def _insert(program: Program, stmt: ast.stmt) -> None:
    if isinstance(stmt, ast.Import | ast.ImportFrom):
        program.add_import(ast.unparse(stmt))
        return
    position = next(
        (index for index, each in enumerate(program.tree.body) if isinstance(each, ast.FunctionDef)),
        len(program.tree.body),
    )
    program.tree.body.insert(position, stmt)
