"""Whether the iterations of loops may run in another order."""

import ast
from collections.abc import Iterator, Sequence

from .expression_kinds import ExpressionKinds
from .liveness import exposed_reads
from .scope import Block, bound_names, free_loads, function_locals, identifiers, mutated_names, root_name
from .tree import meaning, walk

_VIEWS = frozenset({"asarray", "as_tensor", "from_numpy", "ascontiguousarray"})


def element_accesses(body: Sequence[ast.stmt]) -> Iterator[tuple[str, list[ast.expr]]]:
    """Variable and index parts of each subscript of a plain variable."""
    for part in (inner for stmt in body for inner in walk(stmt)):
        match part:
            case ast.Subscript(value=ast.Name(id=name), slice=index):
                yield name, index.elts if isinstance(index, ast.Tuple) else [index]


def iterations_independent(function: ast.FunctionDef, body: Block, variables: Sequence[str]) -> bool:
    """Whether no pass through the body sees what another pass does, the passes differing in `variables`."""
    if _leaves(body):
        return False
    carried = exposed_reads(body)[0] & bound_names(body)
    if carried or set(variables) & bound_names(body) or _bound_names_escape(function, body):
        return False
    return _changed_by_element(function, [body], variables)


def rows_independent(
    function: ast.FunctionDef, body: Block, variable: str, changed: set[str], view: ExpressionKinds
) -> bool:
    """Whether each pass touches, of every array in `changed`, only the elements whose one index is `variable`.

    `changed` holds all that the body may change, with all variables that may share memory with it.
    """
    bound = bound_names(body)
    if _leaves(body) or exposed_reads(body)[0] & bound or variable in bound or _bound_names_escape(function, body):
        return False
    mentions = [part.id for stmt in body for part in walk(stmt) if isinstance(part, ast.Name)]
    touched = sorted((changed - bound) & set(mentions))
    for name in touched:
        if (possible_aliases(function, name) - {name} - bound) & set(mentions) or not view.of(_read(name)).is_array:
            return False
        accesses = [parts for each, parts in element_accesses(body) if each == name]
        fixed = [{axis for axis, part in enumerate(parts) if _is_variable(part, variable)} for parts in accesses]
        if len(accesses) != mentions.count(name) or not set.intersection(*fixed):
            return False
    return True


def shares_safely(function: ast.FunctionDef, first: ast.For, second: ast.For) -> bool:
    """Whether pass i of the second loop may come right after pass i of the first."""
    assert isinstance(first.target, ast.Name)
    if _leaves(first.body) or _leaves(second.body):
        return False
    reads_first, reads_second = exposed_reads(first.body)[0], exposed_reads(second.body)[0]
    if reads_second & bound_names(first.body) or reads_first & bound_names(second.body):
        return False
    bounds = free_loads(first.iter)
    if bounds & (bound_names(first) | bound_names(second) | mutated_names([first, second])):
        return False
    return _changed_by_element(function, [first.body, second.body], (first.target.id,))


def _changed_by_element(function: ast.FunctionDef, bodies: Sequence[Block], variables: Sequence[str]) -> bool:
    """Whether what one body changes and any body uses is used at the place of the pass only."""
    stmts = [stmt for body in bodies for stmt in body]
    changed = mutated_names(stmts) - bound_names(stmts)
    used = {name for stmt in stmts for name in identifiers(stmt)}
    for name in sorted(changed):
        if (possible_aliases(function, name) - {name}) & used:
            return False
        accesses = [parts for each, parts in element_accesses(stmts) if each == name]
        mentions = sum(isinstance(part, ast.Name) and part.id == name for stmt in stmts for part in walk(stmt))
        places = {tuple(meaning(part) for part in parts) for parts in accesses}
        if len(accesses) != mentions or len(places) != 1:
            return False
        plain = {part.id for part in accesses[0] if isinstance(part, ast.Name)}
        if not set(variables) <= plain:
            return False
    return True


def possible_aliases(function: ast.FunctionDef, name: str) -> set[str]:
    """Variables that may share memory with `name`, as far as assignments in the function tell."""
    local = function_locals(function)
    edges: list[tuple[str, str]] = []
    for part in walk(function):
        match part:
            case ast.Assign(
                targets=[ast.Name(id=target)], value=ast.Call(func=ast.Attribute(attr=method), args=[source])
            ) if method in _VIEWS:
                origin = root_name(source)
            case ast.Assign(targets=[ast.Name(id=target)], value=value):
                origin = root_name(value)
            case _:
                continue
        if origin in local and origin is not None:
            edges.append((target, origin))
    related = {name}
    while True:
        more = {name for edge in edges if set(edge) & related for name in edge} - related
        if not more:
            return related
        related |= more


def _read(name: str) -> ast.Name:
    return ast.Name(name, ast.Load())


def _is_variable(expr: ast.expr, name: str) -> bool:
    return isinstance(expr, ast.Name) and expr.id == name


def _bound_names_escape(function: ast.FunctionDef, body: Block) -> bool:
    """Whether a variable that the body binds is read elsewhere, where the last pass would show."""
    inside = {id(part) for stmt in body for part in walk(stmt)}
    bound = bound_names(body)
    return any(
        isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load) and part.id in bound and id(part) not in inside
        for part in walk(function)
    )


def _leaves(body: Block) -> bool:
    return any(
        isinstance(part, ast.Break | ast.Continue | ast.Return | ast.Raise | ast.FunctionDef)
        for stmt in body
        for part in walk(stmt)
    )
