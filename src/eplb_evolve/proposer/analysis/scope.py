"""Which names a piece of code reads, binds and changes."""

import ast
from collections.abc import Iterable, Iterator

from .tree import children, walk

Block = list[ast.stmt]

_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
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
        if isinstance(part, ast.Name):
            names.add(part.id)
        elif isinstance(part, ast.FunctionDef | ast.ClassDef):
            names.add(part.name)
        elif isinstance(part, ast.arg):
            names.add(part.arg)
        elif isinstance(part, ast.alias):
            names.add((part.asname or part.name).split(".")[0])
    return names


def mentioned(tree: ast.AST) -> set[str]:
    """Every variable name in the code, whatever its scope; several times as fast as the exact functions below."""
    names: set[str] = set()
    pending: list[ast.AST] = [tree]
    while pending:
        part = pending.pop()
        if isinstance(part, ast.Name):
            names.add(part.id)
            continue
        for value in part.__dict__.values():
            if isinstance(value, list):
                pending += [item for item in value if isinstance(item, ast.AST)]
            elif isinstance(value, ast.AST):
                pending.append(value)
    return names


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
    return {name for part in parts for name in _loads(part, frozenset())}


def bound_names(tree: ast.AST | Iterable[ast.AST]) -> set[str]:
    """Names that the code binds in its own scope."""
    parts = [tree] if isinstance(tree, ast.AST) else list(tree)
    return {name for part in parts for name in _stores(part)}


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


def _loads(tree: ast.AST, bound: frozenset[str]) -> Iterator[str]:
    match tree:
        case ast.Name(id=name, ctx=ast.Load()):
            if name not in bound:
                yield name
        case ast.AugAssign(target=ast.Name(id=name)):
            if name not in bound:
                yield name
            yield from _loads(tree.value, bound)
        case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            for generator in tree.generators:
                yield from _loads(generator.iter, bound)
                bound = bound | target_names(generator.target)
                for condition in generator.ifs:
                    yield from _loads(condition, bound)
            results = [tree.key, tree.value] if isinstance(tree, ast.DictComp) else [tree.elt]
            for result in results:
                yield from _loads(result, bound)
        case ast.Lambda():
            for default in tree.args.defaults:
                yield from _loads(default, bound)
            yield from _loads(tree.body, bound | {argument.arg for argument in parameters(tree)})
        case ast.FunctionDef():
            for part in [*tree.decorator_list, *tree.args.defaults]:
                yield from _loads(part, bound)
            for annotation in [argument.annotation for argument in parameters(tree)] + [tree.returns]:
                if annotation is not None:
                    yield from _loads(annotation, bound)
            inner = bound | function_locals(tree)
            for stmt in tree.body:
                yield from _loads(stmt, inner)
        case _:
            for child in children(tree):
                yield from _loads(child, bound)


def _stores(tree: ast.AST) -> Iterator[str]:
    match tree:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
            yield name
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.Import() | ast.ImportFrom():
            for alias in tree.names:
                yield (alias.asname or alias.name).split(".")[0]
        case ast.Lambda():
            return
        case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            return
        case _:
            for child in children(tree):
                yield from _stores(child)
