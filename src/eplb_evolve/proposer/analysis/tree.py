"""Walking syntax trees, several times as fast as `ast.walk`: proposing is little else."""

import ast

_LEAVES = frozenset({"ctx", "id", "attr", "arg", "kind", "type_comment", "op", "ops", "module", "level"})
"""Fields without a part that anybody looks for."""
_FIELDS = {
    kind: tuple(field for field in kind._fields if field not in _LEAVES)
    for kind in vars(ast).values()
    if isinstance(kind, type) and issubclass(kind, ast.AST)
} | {ast.Constant: ()}


def walk(tree: ast.AST) -> list[ast.AST]:
    """The node and all below it, parents first; operators (`ast.Add`) and contexts (`ast.Load`) are left out."""
    found = [tree]
    for part in found:
        for field in _FIELDS[type(part)]:
            value = getattr(part, field, None)
            if value.__class__ is list:
                found += [item for item in value if isinstance(item, ast.AST)]
            elif isinstance(value, ast.AST):
                found.append(value)
    return found


def children(tree: ast.AST) -> list[ast.AST]:
    """The nodes directly below, without operators and contexts."""
    found: list[ast.AST] = []
    for field in _FIELDS[type(tree)]:
        value = getattr(tree, field, None)
        if value.__class__ is list:
            found += [item for item in value if isinstance(item, ast.AST)]
        elif isinstance(value, ast.AST):
            found.append(value)
    return found
