"""What a program means, without comments, layout, docstrings, annotations and the names of its local variables."""

import ast
import hashlib
from collections.abc import Mapping

from .analysis.scope import parameters
from .analysis.tree import meaning, walk
from .program import HELPER_PREFIX


def fingerprint(tree: ast.Module) -> str:
    """Equal for programs that differ in names of locals and helpers, comments, layout and order of functions only."""
    return joined(meanings(tree))


def joined(parts: dict[str, str]) -> str:
    """The fingerprint of a program whose statements mean this."""
    return _digest("\n".join(sorted(parts.values())))


def meanings(tree: ast.Module, known: Mapping[str, str] | None = None) -> dict[str, str]:
    """What each top-level function means, by its name, and each other statement, by its place.

    `known` are the meanings of functions that need not be looked at again.
    """
    known = known or {}
    helpers: dict[str, str] = {}
    found: dict[str, str] = {}
    for place, stmt in enumerate(tree.body):
        if isinstance(stmt, ast.FunctionDef):
            digest = known.get(stmt.name) or _digest(_Writer(stmt, helpers).text(stmt))
            found[stmt.name] = digest
            if stmt.name.startswith(HELPER_PREFIX):
                helpers[stmt.name] = digest
        elif not _is_text(stmt):
            found[f"{place}:"] = _digest(meaning(stmt))
    return found


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _is_text(stmt: ast.AST) -> bool:
    return isinstance(stmt, ast.Expr) and isinstance(stmt.value, ast.Constant)


_SILENT = frozenset({"ctx", "annotation", "returns", "type_comment", "kind"})


class _Writer:
    """Writes a function as text, its private names numbered in the order in which they appear."""

    def __init__(self, function: ast.FunctionDef, helpers: dict[str, str]) -> None:
        own = {argument.arg for argument in parameters(function)}
        self._private = {
            part.id for part in walk(function) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)
        }
        if function.name.startswith(HELPER_PREFIX):
            self._private |= own | {function.name}
        else:
            self._private -= own  # callers may name them
        self._helpers = helpers
        self._numbers: dict[str, str] = {}
        self._parts: list[str] = []

    def text(self, node: ast.AST) -> str:
        """The whole function."""
        self._write(node)
        return " ".join(self._parts)

    def _name(self, name: str) -> str:
        if name not in self._private:
            return self._helpers.get(name, name)
        return self._numbers.setdefault(name, f"v{len(self._numbers)}")

    def _write(self, node: ast.AST) -> None:
        parts = self._parts
        kind = node.__class__
        if kind is ast.Name:
            parts.append(self._name(node.id))  # type: ignore[attr-defined]
            return
        if kind is ast.Constant:
            parts.append(repr(node.value))  # type: ignore[attr-defined]
            return
        parts.append("(" + kind.__name__)
        values = node.__dict__
        for field in kind._fields:
            if field in _SILENT:
                continue
            value = values.get(field)
            if value is None:
                parts.append("-")
            elif isinstance(value, ast.AST):
                self._write(value)
            elif value.__class__ is list:
                if field == "body" and len(value) > 1 and kind is ast.FunctionDef and _is_text(value[0]):
                    value = value[1:]
                self._write_all(value)
            elif field in ("name", "arg"):
                parts.append(self._name(value))
            else:
                parts.append(repr(value))
        parts.append(")")

    def _write_all(self, items: list[object]) -> None:
        self._parts.append("[")
        for item in items:
            if isinstance(item, ast.AST):
                self._write(item)
            else:
                self._parts.append(repr(item))
        self._parts.append("]")
