"""Which names a piece of code reads, binds and changes."""

import ast
from collections.abc import Iterable, Iterator

from .tree import add_children, walk

Block = list[ast.stmt]

_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_SCOPES = frozenset({*_COMPREHENSIONS, ast.Lambda, ast.FunctionDef})
_NAMING = _SCOPES | {ast.ClassDef, ast.Import, ast.ImportFrom}
"""What binds names in a way of its own, or none."""
_LIST_MUTATORS = frozenset(
    {"append", "extend", "insert", "pop", "remove", "clear", "reverse", "fill", "update", "add", "setdefault"}
)
_FRESH_BUILTINS = frozenset(
    {"range", "len", "min", "max", "abs", "int", "float", "bool", "sum", "sorted", "enumerate", "zip", "round"}
    | {"any", "all", "print", "list", "tuple", "isinstance", "divmod", "reversed", "repr", "str", "set"}
)


def identifiers(tree: ast.AST) -> set[str]:
    """Every name that occurs in the code in any role."""
    names: set[str] = set()
    for part in walk(tree):
        kind = part.__class__
        if kind is ast.Name:
            names.add(part.id)  # type: ignore[attr-defined]
        elif kind is ast.FunctionDef or kind is ast.ClassDef:
            names.add(part.name)  # type: ignore[attr-defined]
        elif kind is ast.arg:
            names.add(part.arg)  # type: ignore[attr-defined]
        elif kind is ast.alias:
            names.add((part.asname or part.name).split(".")[0])  # type: ignore[attr-defined]
    return names


def mentioned(tree: ast.AST) -> set[str]:
    """Every variable name in the code, whatever its scope; several times as fast as the exact functions below."""
    return {part.id for part in walk(tree) if isinstance(part, ast.Name)}


def target_names(target: ast.AST) -> set[str]:
    """Names that an assignment to `target` binds."""
    return {part.id for part in walk(target) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)}


def parameters(function: ast.FunctionDef | ast.Lambda) -> list[ast.arg]:
    """All parameters of a function."""
    arguments = function.args
    extra = [argument for argument in (arguments.vararg, arguments.kwarg) if argument is not None]
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *extra]


def free_loads(tree: ast.AST | Iterable[ast.AST]) -> set[str]:
    """Names that the code reads from the scope around it (an augmented assignment reads its target)."""
    parts = [tree] if isinstance(tree, ast.AST) else list(tree)
    found: set[str] = set()
    for part in parts:
        _add_loads(part, frozenset(), found)
    return found


def bound_names(tree: ast.AST | Iterable[ast.AST]) -> set[str]:
    """Names that the code binds in its own scope."""
    parts = [tree] if isinstance(tree, ast.AST) else list(tree)
    found: set[str] = set()
    _add_stores(parts, found)
    return found


def function_locals(function: ast.FunctionDef) -> set[str]:
    """Parameters and names bound in the function's own scope."""
    return {argument.arg for argument in parameters(function)} | bound_names(function.body)


def blocks(root: ast.FunctionDef | Block) -> Iterator[Block]:
    """Every list of statements of the function or block, outermost first, nested functions left out."""
    pending: list[Block] = [root.body if isinstance(root, ast.FunctionDef) else root]
    while pending:
        block = pending.pop(0)
        yield block
        for stmt in block:
            if isinstance(stmt, ast.For | ast.While | ast.If):
                pending += [part for part in (stmt.body, stmt.orelse) if part]
            elif isinstance(stmt, ast.With):
                pending.append(stmt.body)


def loops(function: ast.FunctionDef) -> list[tuple[Block, int, ast.For]]:
    """Every `for` statement of the function with the block that holds it, outermost first."""
    return [
        (block, index, stmt)
        for block in blocks(function)
        for index, stmt in enumerate(block)
        if isinstance(stmt, ast.For)
    ]


def root_name(expr: ast.AST) -> str | None:
    """The variable that an access path such as `x.view(2, 3)[0]` starts from."""
    while True:
        match expr:
            case ast.Name(id=name):
                return name
            case ast.Attribute(attr="shape" | "dtype" | "device" | "ndim"):
                return None
            case ast.Attribute(value=inner) | ast.Subscript(value=inner) | ast.Starred(value=inner):
                expr = inner
            case ast.Call(func=ast.Attribute() as inner):
                expr = inner
            case _:
                return None


def mutated_names(tree: ast.AST | Iterable[ast.AST]) -> set[str]:
    """Variables whose contents the code may change in place, known aliases included."""
    parts = [tree] if isinstance(tree, ast.AST) else list(tree)
    changed: set[str] = set()
    aliases: list[tuple[str, str]] = []
    for part in (inner for outer in parts for inner in walk(outer)):
        match part:
            case ast.Subscript(ctx=ast.Store() | ast.Del()) | ast.Attribute(ctx=ast.Store() | ast.Del()):
                changed |= {root_name(part)} - {None}  # type: ignore[arg-type]
            case ast.AugAssign(target=ast.Name(id=name)):
                changed.add(name)  # `x += 1` changes a tensor or list in place
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                origin = root_name(value)
                if origin is not None:
                    aliases.append((name, origin))
            case ast.For(target=target, iter=value):
                origin = root_name(value)
                if origin is not None:
                    aliases += [(name, origin) for name in target_names(target)]
            case ast.Call(func=ast.Attribute(attr=method, value=owner)):
                origin = root_name(owner)
                in_place = method in _LIST_MUTATORS or (method.endswith("_") and not method.endswith("__"))
                if origin is not None and in_place:
                    changed.add(origin)
            case ast.Call(func=ast.Name(id=callee)) if callee not in _FRESH_BUILTINS:
                arguments = [*part.args, *(keyword.value for keyword in part.keywords)]
                changed |= {root_name(argument) for argument in arguments} - {None}  # type: ignore[arg-type]
    while True:
        more = {origin for name, origin in aliases if name in changed} - changed
        if not more:
            return changed
        changed |= more


def _add_loads(tree: ast.AST, bound: frozenset[str], found: set[str]) -> None:
    pending = [tree]
    while pending:
        part = pending.pop()
        kind = part.__class__
        if kind is ast.Name:
            if part.ctx.__class__ is ast.Load and part.id not in bound:  # type: ignore[attr-defined]
                found.add(part.id)  # type: ignore[attr-defined]
        elif kind in _SCOPES:
            _add_loads_of_scope(part, bound, found)
        else:
            if kind is ast.AugAssign and isinstance(part.target, ast.Name):  # type: ignore[attr-defined]
                found |= {part.target.id} - bound  # type: ignore[attr-defined]
            add_children(part, pending)


def _add_loads_of_scope(tree: ast.AST, bound: frozenset[str], found: set[str]) -> None:
    match tree:
        case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            for generator in tree.generators:
                _add_loads(generator.iter, bound, found)
                bound = bound | target_names(generator.target)
                for condition in generator.ifs:
                    _add_loads(condition, bound, found)
            for result in [tree.key, tree.value] if isinstance(tree, ast.DictComp) else [tree.elt]:
                _add_loads(result, bound, found)
        case ast.Lambda():
            for default in tree.args.defaults:
                _add_loads(default, bound, found)
            _add_loads(tree.body, bound | {argument.arg for argument in parameters(tree)}, found)
        case ast.FunctionDef():
            for part in [*tree.decorator_list, *tree.args.defaults]:
                _add_loads(part, bound, found)
            for annotation in [argument.annotation for argument in parameters(tree)] + [tree.returns]:
                if annotation is not None:
                    _add_loads(annotation, bound, found)
            inner = bound | function_locals(tree)
            for stmt in tree.body:
                _add_loads(stmt, inner, found)


def _add_stores(parts: Iterable[ast.AST], found: set[str]) -> None:
    pending = list(parts)
    while pending:
        part = pending.pop()
        kind = part.__class__
        if kind is ast.Name:
            if part.ctx.__class__ is not ast.Load:  # type: ignore[attr-defined]
                found.add(part.id)  # type: ignore[attr-defined]
        elif kind not in _NAMING:
            add_children(part, pending)
        elif isinstance(part, ast.FunctionDef | ast.ClassDef):
            found.add(part.name)
        elif isinstance(part, ast.Import | ast.ImportFrom):
            found |= {(alias.asname or alias.name).split(".")[0] for alias in part.names}
