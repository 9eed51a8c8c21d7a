"""Which arrays have one shape, as far as the text of a function shows it."""

import ast
from collections.abc import Sequence
from itertools import combinations

from ..program import HELPER_PREFIX
from .aliasing import READING_BUILTINS, Aliases, is_parameter, stores
from .tree import walk

_MAKERS = frozenset({"zeros", "ones", "empty", "full"})
_SAME_SHAPE = frozenset({"fill_", "zero_", "add_", "sub_", "mul_", "div_", "clamp_", "masked_fill_", "scatter_"})
"""Methods that change a tensor's elements only; others that end in an underscore may change its shape."""


def shaped_alike(function: ast.FunctionDef) -> set[frozenset[str]]:
    """Pairs of arrays that seem to have one shape: of the same sizes, or read or written at the same indices.

    A guess: nothing safe rests on it.
    """
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
    return _pairs(shapes)


def shaped_the_same(function: ast.FunctionDef, aliases: Aliases) -> set[frozenset[str]]:
    """Pairs of tensors that surely have one shape: made of the same sizes, or of those of the other."""
    shapes: dict[str, set[str]] = {}
    for stmt in function.body:  # the outermost statements run at most once
        match stmt:
            case ast.Assign(
                targets=[ast.Tuple(elts=sizes)], value=ast.Attribute(value=ast.Name(id=name), attr="shape")
            ):
                pass
            case ast.Assign(
                targets=[ast.Name(id=name)],
                value=ast.Call(func=ast.Attribute(attr="zeros" | "ones" | "empty"), args=[ast.Tuple(elts=sizes)])
                | ast.Call(func=ast.Attribute(attr="zeros" | "ones" | "empty"), args=[*sizes])
                | ast.Call(func=ast.Attribute(attr="full"), args=[ast.Tuple(elts=sizes), _]),
            ):
                pass
            case _:
                continue
        fixed = all(isinstance(size, ast.Name) and _is_fixed(function, size.id) for size in sizes)
        if fixed and _is_fixed(function, name) and not _may_be_resized(function, aliases.of(name)):
            shapes.setdefault(", ".join(ast.unparse(size) for size in sizes), set()).add(name)
    return _pairs(shapes)


def _pairs(shapes: dict[str, set[str]]) -> set[frozenset[str]]:
    return {frozenset(pair) for names in shapes.values() for pair in combinations(sorted(names), 2)}


def _is_fixed(function: ast.FunctionDef, name: str) -> bool:
    """Whether the variable is bound once and for all: by the caller, or by one of the outermost statements."""
    if is_parameter(function, name):
        return stores(function, name) == 0
    outermost = sum(stores(stmt, name) for stmt in function.body if isinstance(stmt, ast.Assign))
    return stores(function, name) == outermost == 1


def _may_be_resized(function: ast.FunctionDef, names: set[str]) -> bool:
    """Whether a method, or a function that is not known, may change the shape of one of the variables in place."""
    for part in walk(function):
        match part:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method)) if name in names:
                if method.endswith("_") and method not in _SAME_SHAPE:
                    return True
            case ast.Call(func=ast.Name(id=callee), args=arguments):
                known = callee in READING_BUILTINS or callee.startswith(HELPER_PREFIX)
                if not known and _mention([*arguments, *part.keywords], names):
                    return True
            case ast.Assign(targets=[ast.Attribute(value=ast.Name(id=name))]) if name in names:
                return True
    return False


def _mention(parts: Sequence[ast.AST], names: set[str]) -> bool:
    return any(isinstance(inner, ast.Name) and inner.id in names for part in parts for inner in walk(part))
