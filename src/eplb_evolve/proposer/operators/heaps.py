"""Keep the candidates of a repeated selection in a heap (T0)."""

import ast
import random
from dataclasses import dataclass

from ..analysis.expression_kinds import ExpressionKinds
from ..analysis.independence import possible_aliases
from ..analysis.inference import kinds_of
from ..analysis.purity import is_total
from ..analysis.scope import Block, blocks, bound_names, free_loads, identifiers, mutated_names, parameters
from ..analysis.tree import walk
from ..program import Program
from ..templates import renamed, statements
from .base import Operator
from .selection import Selection, selection

_Loop = ast.For | ast.While


@dataclass(frozen=True)
class _Place:
    """`loop`, statement `index` of `block`, selects in statement `step` of its body."""

    block: Block
    index: int
    loop: _Loop
    step: int
    target: str
    chosen: Selection


def _heap_selection(program: Program, rng: random.Random) -> bool:
    """A loop that selects the least element and then changes only that one keeps them in a heap.

    A heap of (value, position) gives the first of equal elements, as `min` does.
    """
    if "heapq" in identifiers(program.tree) | program.outside and program.module_aliases().get("heapq") != "heapq":
        return False
    kinds = kinds_of(program)
    places = [
        place
        for function in program.functions()
        for block in blocks(function)
        for index, stmt in enumerate(block)
        if isinstance(stmt, _Loop)
        for place in _places(function, kinds.expressions(function), block, index, stmt)
    ]
    if not places:
        return False
    place = rng.choice(places)
    _rewrite(place, program)
    program.add_import("import heapq")
    return True


OPERATORS = (Operator("heap_selection", "T0", 0.5, _heap_selection),)


def _rewrite(place: _Place, program: Program) -> None:
    chosen, target, body = place.chosen, place.target, place.loop.body
    fresh = program.names()
    heap, position = fresh("heap"), chosen.position or fresh("position")
    sign = "" if chosen.function == "min" else "-"
    test = "" if chosen.condition is None else f" if {ast.unparse(chosen.condition)}"
    among = f"for {position} in range({ast.unparse(chosen.stop)}){test}"
    body[place.step : place.step + 1] = statements(f"{target} = {heap}[0][1]")
    changed = f"heapq.heapreplace({heap}, ({sign}{chosen.values}[{target}], {target}))"
    if chosen.condition is None:
        body += statements(changed)
    else:
        again = ast.unparse(renamed(chosen.condition, {position: target}))
        body += statements(f"if {again}:\n    {changed}\nelse:\n    heapq.heappop({heap})")
    place.block[place.index : place.index] = statements(
        f"{heap} = [({sign}{chosen.values}[{position}], {position}) {among}]\nheapq.heapify({heap})"
    )


def _places(function: ast.FunctionDef, view: ExpressionKinds, block: Block, index: int, loop: _Loop) -> list[_Place]:
    """Selections in the loop's own body whose candidates change only where they are selected."""
    if loop.orelse or any(isinstance(part, ast.Continue) for part in walk(loop)):
        return []
    found = []
    for step, stmt in enumerate(loop.body):
        match stmt:
            case ast.Assign(targets=[ast.Name(id=target)], value=value):
                chosen = selection(value, view)
                if chosen is not None and _is_binding_unique(loop, target):
                    place = _Place(block, index, loop, step, target, chosen)
                    if _changes_only_the_selected(function, place):
                        found.append(place)
    return found


def _is_binding_unique(loop: _Loop, name: str) -> bool:
    return sum(isinstance(part, ast.Name) and part.id == name and _is_stored(part) for part in walk(loop)) == 1


def _changes_only_the_selected(function: ast.FunctionDef, place: _Place) -> bool:
    """Whether a pass changes order and condition of no position but the selected one, and of that one afterwards."""
    chosen, loop = place.chosen, place.loop
    used = free_loads([chosen.stop] if chosen.condition is None else [chosen.stop, chosen.condition]) - {
        chosen.position
    }
    changing = bound_names(loop) | mutated_names(loop)
    varying = {name for name in used if possible_aliases(function, name) & changing} | {chosen.values}
    return (
        is_total(chosen.stop)
        and all(_is_read_at_position(chosen, name) for name in varying)
        and all(_is_own_list(function, name) and _stores_only_at(place, name) for name in varying)
    )


def _is_read_at_position(chosen: Selection, name: str) -> bool:
    """Whether all that the condition knows of a list is its element at the position."""
    if chosen.condition is None:
        return True
    parts = list(walk(chosen.condition))
    reads = sum(
        isinstance(part, ast.Subscript) and _is_name(part.value, name) and _is_name(part.slice, chosen.position)
        for part in parts
    )
    return reads == sum(_is_name(part, name) for part in parts)


def _is_own_list(function: ast.FunctionDef, name: str) -> bool:
    """Whether the function made the list and nothing else can hold it while the loop runs."""
    if name in {argument.arg for argument in parameters(function)}:
        return False
    known: set[int] = set()
    for part in walk(function):
        match part:
            case ast.FunctionDef() if part is not function and name in identifiers(part):
                return False
            case ast.Assign(targets=[ast.Name() as mention], value=value) if _is_new_list(value):
                known.add(id(mention))
            case ast.Subscript(value=mention) | ast.Attribute(value=mention, attr="__getitem__"):
                known.add(id(mention))
            case ast.Call(func=ast.Name(id="len"), args=[mention]):
                known.add(id(mention))
            case ast.Return(value=ast.expr() as result):
                known |= {id(inner) for inner in walk(result)}
    return all(id(part) in known for part in walk(function) if _is_name(part, name))


def _is_new_list(value: ast.expr) -> bool:
    match value:
        case ast.ListComp() | ast.List() | ast.Call(func=ast.Attribute(attr="tolist")):
            return True
        case ast.BinOp(left=ast.List(), op=ast.Mult()) | ast.Call(func=ast.Name(id="list" | "sorted")):
            return True
    return False


def _stores_only_at(place: _Place, name: str) -> bool:
    """Whether the loop changes the list only at the selected position, and only after the selection."""
    late = {id(part) for stmt in place.loop.body[place.step + 1 :] for part in walk(stmt)}
    for part in walk(place.loop):
        match part:
            case ast.Subscript(value=owner, slice=at) if _is_name(owner, name) and _is_stored(part):
                if id(part) not in late or not _is_name(at, place.target) or isinstance(part.ctx, ast.Del):
                    return False
            case ast.Name() if part.id == name and _is_stored(part):
                return False
    return True


def _is_stored(part: ast.Name | ast.Subscript) -> bool:
    return not isinstance(part.ctx, ast.Load)


def _is_name(part: ast.AST, name: str) -> bool:
    return isinstance(part, ast.Name) and part.id == name
