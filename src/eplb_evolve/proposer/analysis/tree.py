"""Walking, copying and comparing syntax trees, faster than the standard library: proposing is little else."""

import ast
from typing import TypeVar

Tree = TypeVar("Tree", bound=ast.AST)

_LEAVES = frozenset(
    {"ctx", "id", "attr", "arg", "kind", "type_comment", "op", "ops", "module", "level", "name", "asname", "rest"}
    | {"conversion", "is_async", "simple", "kwd_attrs"}
)
"""Fields without a part that anybody looks for."""
_HOLED = frozenset({"keys", "kw_defaults"})
"""Lists in which None may stand between the nodes."""
_PLACES = ("lineno", "col_offset", "end_lineno", "end_col_offset")
_FIELDS = {
    kind: tuple(field for field in kind._fields if field not in _LEAVES)
    for kind in vars(ast).values()
    if isinstance(kind, type) and issubclass(kind, ast.AST)
} | dict.fromkeys([ast.Constant, ast.Global, ast.Nonlocal, ast.MatchSingleton], ())


def walk(tree: ast.AST) -> list[ast.AST]:
    """The node and all below it, parents first; operators (`ast.Add`) and contexts (`ast.Load`) are left out."""
    found = [tree]
    for part in found:
        add_children(part, found)
    return found


def children(tree: ast.AST) -> list[ast.AST]:
    """The nodes directly below, without operators and contexts."""
    found: list[ast.AST] = []
    add_children(tree, found)
    return found


def add_children(tree: ast.AST, found: list[ast.AST]) -> None:
    """Put the nodes directly below, without operators and contexts, at the end of a list."""
    fields = _FIELDS[tree.__class__]
    if not fields:
        return
    parts = tree.__dict__
    for field in fields:
        value = parts.get(field)
        if value is None:
            continue
        if value.__class__ is not list:
            found.append(value)
        elif field in _HOLED:
            found += [item for item in value if item is not None]
        else:
            found += value


def copied(tree: Tree) -> Tree:
    """A copy that shares nothing that an operator changes."""
    new = tree.__class__.__new__(tree.__class__)
    parts = new.__dict__
    for name, value in tree.__dict__.items():
        if isinstance(value, ast.AST):
            parts[name] = copied(value) if value.__dict__ else value
        elif value.__class__ is list:
            parts[name] = [copied(item) if isinstance(item, ast.AST) else item for item in value]
        else:
            parts[name] = value
    return new


def meaning(tree: ast.AST) -> str:
    """Equal for equal code, whatever its layout; as `ast.dump` in half the time."""
    parts: list[str] = []
    _write(tree, parts, {})
    return " ".join(parts)


class Meanings:
    """The meanings of a piece of code and of every statement in it, all found in one pass."""

    def __init__(self, tree: ast.AST) -> None:
        self._parts: list[str] = []
        self._spans: dict[int, tuple[int, int]] = {}
        _write(tree, self._parts, self._spans)
        self._spans[id(tree)] = 0, len(self._parts)

    def of(self, tree: ast.AST) -> str:
        """Equal for equal code."""
        start, stop = self._spans[id(tree)]
        return " ".join(self._parts[start:stop])

    def header(self, stmt: ast.stmt) -> str:
        """Equal for compound statements that are equal but for the statements directly in them."""
        start, stop = self._spans[id(stmt)]
        parts: list[str] = []
        for inner in (part for field in ("body", "orelse") for part in getattr(stmt, field, [])):
            first, after = self._spans[id(inner)]
            parts += self._parts[start:first]
            start = after
        return " ".join(parts + self._parts[start:stop])


def _write(tree: ast.AST, parts: list[str], spans: dict[int, tuple[int, int]]) -> None:
    """Append the meaning in parts, and to `spans` where that of each inner statement lies."""
    kind = tree.__class__
    if kind is ast.Name:
        parts += (tree.id, tree.ctx.__class__.__name__)  # type: ignore[attr-defined]
        return
    if kind is ast.Constant:
        parts.append(repr(tree.value))  # type: ignore[attr-defined]
        return
    parts.append("(" + kind.__name__)
    values = tree.__dict__
    for field in kind._fields:
        value = values.get(field)
        if value is None:
            parts.append("-")
        elif isinstance(value, ast.AST):
            if value._fields:
                _write(value, parts, spans)
            else:
                parts.append(value.__class__.__name__)  # an operator, a context
        elif value.__class__ is list:
            parts.append("[")
            for item in value:
                if not isinstance(item, ast.AST):
                    parts.append(repr(item))
                elif isinstance(item, ast.stmt):
                    start = len(parts)
                    _write(item, parts, spans)
                    spans[id(item)] = start, len(parts)
                else:
                    _write(item, parts, spans)
            parts.append("]")
        else:
            parts.append(repr(value))
    parts.append(")")


def without_places(tree: Tree) -> Tree:
    """The same tree, without places in a text: half the bytes to copy."""
    for part in walk(tree):
        for name in _PLACES:
            part.__dict__.pop(name, None)
    return tree


def located(tree: Tree) -> Tree:
    """The same tree, every node of which has some place in a text, without which Python does not compile it."""
    for part in walk(tree):
        if "lineno" not in part.__dict__ and "lineno" in part._attributes:
            part.__dict__.update(lineno=1, col_offset=0, end_lineno=1, end_col_offset=0)
    return tree
