"""Which arrays seem to have one shape, as far as the text of a function shows it. A guess: nothing safe rests on it."""

import ast
from itertools import combinations

from .tree import walk

_MAKERS = frozenset({"zeros", "ones", "empty", "full"})


def shaped_alike(function: ast.FunctionDef) -> set[frozenset[str]]:
    """Pairs of arrays that seem to have one shape: of the same sizes, or read or written at the same indices."""
    shapes: dict[str, set[str]] = {}
    for part in walk(function):
        match part:
            case ast.Assign(
                targets=[ast.Tuple(elts=sizes)], value=ast.Attribute(value=ast.Name(id=name), attr="shape")
            ):
                pass
            case ast.Assign(
                targets=[ast.Name(id=name)],
                value=ast.Call(func=ast.Attribute(attr=maker), args=[ast.Tuple(elts=sizes), *_] | [*sizes]),
            ) if maker in _MAKERS:
                pass
            case ast.Subscript(value=ast.Name(id=name), slice=ast.Tuple(elts=sizes)):
                pass
            case ast.Subscript(value=ast.Name(id=name), slice=ast.Name() as index):
                sizes = [index]
            case _:
                continue
        shapes.setdefault(", ".join(ast.unparse(size) for size in sizes), set()).add(name)
    return {frozenset(pair) for names in shapes.values() for pair in combinations(sorted(names), 2)}
