"""Changes inside compiled helpers, which the operators on the program's own functions leave alone (T0)."""

import ast
import random

from ..analysis.scope import blocks
from ..program import Program
from ..templates import statements
from .base import Operator


def _insert_sort(program: Program, rng: random.Random) -> bool:
    """A stable argsort of one row becomes an insertion sort, which is faster on short rows and compiles at once."""
    places = [
        (block, index, target, keys, sign)
        for helper in program.helpers()
        for block in blocks(helper)
        for index, stmt in enumerate(block)
        if (found := _argsort(stmt)) is not None
        for target, keys, sign in [found]
    ]
    if not places:
        return False
    block, index, target, keys, sign = rng.choice(places)
    fresh = program.names()
    values, held, column, key, place = (fresh(base) for base in ("values", "held", "column", "key", "place"))
    block[index : index + 1] = statements(
        f"{values} = keys\n"
        f"{target} = np.empty({values}.shape[0], np.int64)\n"
        f"{held} = np.empty({values}.shape[0], {values}.dtype)\n"
        f"for {column} in range({values}.shape[0]):\n"
        f"    {key} = {values}[{column}]\n"
        f"    {place} = {column}\n"
        f"    while {place} > 0 and {held}[{place} - 1] {sign} {key}:\n"
        f"        {held}[{place}] = {held}[{place} - 1]\n"
        f"        {target}[{place}] = {target}[{place} - 1]\n"
        f"        {place} -= 1\n"
        f"    {held}[{place}] = {key}\n"
        f"    {target}[{place}] = {column}\n",
        keys=keys,
    )
    return True


OPERATORS = (Operator("insert_sort", "T0", 0.8, _insert_sort),)


def _argsort(stmt: ast.stmt) -> tuple[str, ast.expr, str] | None:
    """(target, keys, comparison) of `target = np.argsort(keys or -keys, kind='mergesort')`."""
    match stmt:
        case ast.Assign(
            targets=[ast.Name(id=target)],
            value=ast.Call(
                func=ast.Attribute(value=ast.Name(id="np"), attr="argsort"),
                args=[keys],
                keywords=[ast.keyword(arg="kind", value=ast.Constant(value="mergesort" | "stable"))],
            ),
        ):
            if isinstance(keys, ast.UnaryOp) and isinstance(keys.op, ast.USub):
                return target, keys.operand, "<"
            return target, keys, ">"
    return None
