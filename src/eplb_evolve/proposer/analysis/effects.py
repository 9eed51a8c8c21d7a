"""What evaluating an expression or running statements may change, as far as names of functions tell."""

import ast
from collections.abc import Iterable

from .expression_kinds import ExpressionKinds
from .scope import mutated_names, root_name
from .tree import children, walk

FRESH_METHODS = frozenset(
    {"abs", "add", "all", "amax", "amin", "any", "argmax", "argmin", "argsort", "bincount", "clamp", "clip", "clone"}
    | {"cumsum", "div", "eq", "flip", "floor", "gather", "ge", "gt", "index_select", "item", "le", "lt", "masked_fill"}
    | {"max", "mean", "min", "mul", "ne", "neg", "prod", "repeat", "roll", "round", "scatter", "scatter_add", "sqrt"}
    | {"sub", "sum", "tolist", "size", "dim", "numel", "astype", "copy", "topk", "exp", "log"}
)
"""Methods of arrays whose results share no memory with anything."""
_VIEW_METHODS = frozenset(
    {"contiguous", "cpu", "cuda", "detach", "double", "expand", "expand_as", "flatten", "float", "int", "long"}
    | {"numpy", "permute", "ravel", "reshape", "squeeze", "t", "to", "transpose", "unflatten", "unsqueeze", "view"}
    | {"bool", "select", "narrow"}
)
FRESH_FUNCTIONS = frozenset(
    {"abs", "amax", "amin", "arange", "argmax", "argmin", "argsort", "bincount", "cat", "concatenate", "cumsum"}
    | {"empty", "empty_like", "full", "full_like", "linspace", "maximum", "minimum", "ones", "ones_like", "stack"}
    | {"sum", "tensor", "where", "zeros", "zeros_like", "sqrt", "exp", "log", "log2", "ceil", "floor", "mean"}
)
"""Functions of torch and numpy whose results share no memory with anything."""
_VIEW_FUNCTIONS = frozenset({"as_tensor", "asarray", "ascontiguousarray", "from_numpy"})
_PURE_BUILTINS = frozenset({"len", "int", "float", "bool", "abs", "min", "max", "sum", "round"})
_ARRAY_ATTRIBUTES = frozenset({"shape", "dtype", "ndim", "device", "T", "mT", "values", "indices"})
_MODULES = frozenset({"torch", "numpy", "math"})


def is_library(expr: ast.expr, view: ExpressionKinds) -> bool:
    """Whether the expression is torch, numpy or math."""
    return isinstance(expr, ast.Name) and view.aliases.get(expr.id) in _MODULES


def is_pure(expr: ast.expr, view: ExpressionKinds) -> bool:
    """Whether the expression changes nothing and gives an equal value until its variables change."""
    match expr:
        case ast.Constant() | ast.Name():
            return True
        case ast.UnaryOp() | ast.BinOp() | ast.Compare() | ast.Tuple() | ast.List() | ast.Slice():
            return all(is_pure(part, view) for part in children(expr) if isinstance(part, ast.expr))
        case ast.Attribute(value=owner, attr=name):
            constant = is_library(owner, view)  # such as torch.int64
            return constant or (name in _ARRAY_ATTRIBUTES and is_pure(owner, view))
        case ast.Subscript(value=owner, slice=index):
            return is_pure(owner, view) and is_pure(index, view)
        case ast.Call(func=func, args=arguments, keywords=keywords):
            values = [*arguments, *(keyword.value for keyword in keywords)]
            named = all(keyword.arg not in (None, "out") for keyword in keywords)
            return named and _is_pure_function(func, view) and all(is_pure(value, view) for value in values)
    return False


def changed_names(parts: Iterable[ast.AST], view: ExpressionKinds) -> set[str]:
    """Variables whose contents the code may change; a function that is not known changes all that it is given."""
    parts = list(parts)
    changed = mutated_names(parts)
    for call in (inner for part in parts for inner in walk(part) if isinstance(inner, ast.Call)):
        if isinstance(call.func, ast.Attribute) and not _is_pure_function(call.func, view):
            given = [call.func.value, *call.args]
            changed |= {name for each in given if (name := root_name(each)) is not None}
        for keyword in call.keywords:
            if keyword.arg == "out":
                changed |= {part.id for part in walk(keyword.value) if isinstance(part, ast.Name)}
    return changed - set(view.aliases)


def _is_pure_function(func: ast.expr, view: ExpressionKinds) -> bool:
    match func:
        case ast.Name(id=name):
            return name in _PURE_BUILTINS and name not in view.env and name not in view.results
        case ast.Attribute(value=owner, attr=name) if is_library(owner, view):
            assert isinstance(owner, ast.Name)
            return view.aliases[owner.id] == "math" or name in FRESH_FUNCTIONS | _VIEW_FUNCTIONS
        case ast.Attribute(value=owner, attr=name):
            known = view.of(owner).is_array and name in FRESH_METHODS | _VIEW_METHODS | {"sort"}
            library = view.of(owner).library
            return known and not (name == "sort" and library != "torch") and is_pure(owner, view)
    return False
