"""Small helpers to write new syntax as text."""

import ast
from typing import TypeVar

from .analysis.tree import copied, walk

Tree = TypeVar("Tree", bound=ast.AST)


def expression(text: str, **parts: ast.expr) -> ast.expr:
    """Parse an expression and put `parts` in place of the names that stand for them."""
    return _filled(ast.parse(text, mode="eval").body, parts)


def statements(text: str, **parts: ast.expr) -> list[ast.stmt]:
    """Parse statements and put `parts` in place of the names that stand for them."""
    return [_filled(stmt, parts) for stmt in ast.parse(text).body]


def renamed(tree: Tree, names: dict[str, str]) -> Tree:
    """A copy of the code with variables renamed."""
    return _Rename(names).visit(copied(tree))  # type: ignore[no-any-return]


def substituted(tree: Tree, parts: dict[str, ast.expr]) -> Tree:
    """A copy of the code with expressions in place of variables that are read."""
    return _filled(copied(tree), parts)


def as_target(expr: ast.expr) -> ast.expr:
    """The expression as something to assign to."""
    target = copied(expr)
    target.ctx = ast.Store()  # type: ignore[attr-defined]
    return target


def replace_expression(tree: ast.AST, old: ast.expr, new: ast.expr) -> bool:
    """Put `new` where `old`, the very object, stands in `tree`."""
    for owner in walk(tree):
        for field, value in ast.iter_fields(owner):
            if value is old:
                setattr(owner, field, new)
                return True
            if isinstance(value, list):
                for index, item in enumerate(value):
                    if item is old:
                        value[index] = new
                        return True
    return False


def _filled(tree: Tree, parts: dict[str, ast.expr]) -> Tree:
    return _Fill(parts).visit(tree)  # type: ignore[no-any-return]


class _Fill(ast.NodeTransformer):
    def __init__(self, parts: dict[str, ast.expr]) -> None:
        self.parts = parts

    def visit_Name(self, node: ast.Name) -> ast.expr:
        part = self.parts.get(node.id)
        if part is None:
            return node
        if isinstance(node.ctx, ast.Store):
            return as_target(part)
        return copied(part)


class _Rename(ast.NodeTransformer):
    def __init__(self, names: dict[str, str]) -> None:
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.Name:
        node.id = self.names.get(node.id, node.id)
        return node

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.arg = self.names.get(node.arg, node.arg)
        return node
