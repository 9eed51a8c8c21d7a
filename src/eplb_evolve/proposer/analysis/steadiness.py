"""Variables whose numbers are of one class all the time.

An inferred kind covers all assignments of a variable: one that holds integers first and fractions later counts as
fractions. A rewrite that must not change a dtype needs to know more.
"""

import ast

from .expression_kinds import ExpressionKinds
from .kinds import UNKNOWN
from .scope import free_loads, function_locals, target_names
from .tree import walk


def steady_names(function: ast.FunctionDef, view: ExpressionKinds) -> set[str]:
    """Variables whose elements are of exactly the class that their kind says whenever they are read."""
    sources: dict[str, list[ast.expr]] = {}
    unclear: set[str] = set()
    for part in walk(function):
        match part:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                sources.setdefault(name, []).append(value)
            case ast.Assign(targets=[ast.Tuple()], value=ast.Attribute(attr="shape")):
                continue  # integers
            case ast.For(iter=ast.Call(func=ast.Name(id="range"))):
                continue
            case ast.AugAssign(target=ast.Name(id=name)) if view.of(ast.Name(name, ast.Load())).is_tensor:
                continue  # keeps its dtype
            case ast.For(target=target) | ast.AugAssign(target=target) | ast.AnnAssign(target=target):
                unclear |= target_names(target)
            case ast.Assign(targets=targets):
                unclear |= {name for target in targets for name in target_names(target)}
            case ast.withitem(optional_vars=ast.expr() as target) | ast.NamedExpr(target=target):
                unclear |= target_names(target)
            case ast.FunctionDef() if part is not function:
                unclear |= function_locals(part)
    local = function_locals(function)
    steady = {name for name in local - unclear if view.env.get(name, UNKNOWN).form in ("scalar", "array")}
    while True:
        lost = {name for name in steady if not all(_agrees(name, each, view) for each in sources.get(name, []))}
        lost |= {
            name for name in steady for each in sources.get(name, []) if (free_loads(each) & local) - (steady - lost)
        }
        if not lost:
            return steady
        steady -= lost


def _agrees(name: str, value: ast.expr, view: ExpressionKinds) -> bool:
    return view.of(value).element == view.env[name].element
