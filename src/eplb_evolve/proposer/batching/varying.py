"""Which variables of a loop's body differ between its passes."""

import ast

from ..analysis.scope import Block, identifiers, target_names
from ..analysis.tree import walk


def varying_names(body: Block, row: str) -> frozenset[str]:
    """Variables that the body binds to a list, to something that depends on the pass, or only in some passes."""
    varying = {row}
    while True:
        more = _bound_differently(body, varying, some=False) - varying
        if not more:
            return frozenset(varying - {row})
        varying |= more


def _bound_differently(block: Block, varying: set[str], some: bool) -> set[str]:
    """One round; `some` tells whether only some passes execute the block."""
    found: set[str] = set()
    for stmt in block:
        match stmt:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AugAssign(target=ast.Name(id=name), value=value)
            ):
                is_list = any(isinstance(part, ast.List | ast.ListComp) for part in walk(value))
                if some or is_list or identifiers(value) & varying:
                    found.add(name)
            case ast.For(target=target, iter=iterable, body=inner):
                counter = target.elts[0] if isinstance(target, ast.Tuple) and _counts(iterable) else None
                if identifiers(iterable) & varying:
                    found |= target_names(target) - (target_names(counter) if counter else set())
                found |= _bound_differently(inner, varying, some)
            case ast.If(test=test, body=first, orelse=second):
                differs = some or bool(identifiers(test) & varying)
                found |= _bound_differently(first, varying, differs) | _bound_differently(second, varying, differs)
    return found


def _counts(iterable: ast.expr) -> bool:
    """Whether the first loop variable counts the steps, which are the same in all passes."""
    return isinstance(iterable, ast.Call) and isinstance(iterable.func, ast.Name) and iterable.func.id == "enumerate"
