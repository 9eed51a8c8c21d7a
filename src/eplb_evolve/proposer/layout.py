"""Turn a changed syntax tree back into text without losing the text that did not change.

`ast.unparse` drops comments and the author's line breaks. Each statement of the original text therefore remembers
its lines; a statement that still means what it meant is printed from those lines, and only the others are unparsed.
"""

import ast
from collections.abc import Collection
from dataclasses import dataclass
from typing import cast

from .analysis.tree import Meanings, located, meaning, walk

INDENT = 4
_ORIGIN = "layout_origin"
_COMPOUND = (ast.For, ast.While, ast.If, ast.With, ast.FunctionDef, ast.ClassDef)


@dataclass(frozen=True)
class Origin:
    """Where a statement stood in the original text."""

    leading: tuple[str, ...]
    """Blank and comment lines directly above it."""
    lines: tuple[str, ...]
    header: tuple[str, ...]
    """Lines of a compound statement up to its colon; empty when it has none of its own."""
    trailing: str
    """Comment after a statement of one line."""
    column: int
    meaning: str
    header_meaning: str

    @property
    def is_elif(self) -> bool:
        """Whether it was written as the `elif` of another statement."""
        return self.lines[0].lstrip().startswith("elif")


class Layout:
    """The text of a region, addressed by statement."""

    def __init__(self, text: str, tree: ast.Module) -> None:
        self._lines = text.split("\n")
        self._origins: list[Origin] = []
        occupied = {
            line
            for stmt in walk(tree)
            if isinstance(stmt, ast.stmt)
            for line in range(_first_line(stmt), _last_own_line(stmt))
        }
        meanings = Meanings(tree)
        for stmt in walk(tree):
            if isinstance(stmt, ast.stmt):
                self._remember(stmt, occupied, meanings)
        last = max((stmt.end_lineno or 0 for stmt in tree.body), default=0)
        self._epilogue = self._lines[last:]

    def render(self, tree: ast.Module, changed: Collection[str] | None = None) -> str:
        """The text of `tree`, which is the original tree after any number of edits.

        Functions are compared with how they were unless it is known which have changed.
        """
        lines: list[str] = []
        for stmt in tree.body:
            origin = self._origin(stmt)
            if origin and changed is not None and isinstance(stmt, ast.FunctionDef) and stmt.name not in changed:
                lines += [*origin.leading, *origin.lines]
            else:
                lines += self._checked(stmt)
        return "\n".join(lines + self._epilogue)

    def _checked(self, stmt: ast.stmt) -> list[str]:
        """Lines of a top-level statement; a layout that we failed to keep must not change the meaning."""
        meanings = Meanings(stmt)
        lines = self._stmt(stmt, 0, meanings)
        return lines if _says(lines, meanings.of(stmt)) else ast.unparse(located(stmt)).split("\n")

    def _remember(self, stmt: ast.stmt, occupied: set[int], meanings: Meanings) -> None:
        first, last = _first_line(stmt), (stmt.end_lineno or stmt.lineno) - 1
        line, end_line = self._lines[first], self._lines[last]
        rest = end_line.encode()[stmt.end_col_offset or 0 :].decode().strip()
        if line[: stmt.col_offset].strip() or (rest and not rest.startswith("#")):
            return  # shares its line with another statement
        header: list[str] = []
        if isinstance(stmt, _COMPOUND):
            body_first = _first_line(stmt.body[0])
            above = self._leading(body_first, occupied)
            header = self._lines[first : body_first - len(above)]
        setattr(stmt, _ORIGIN, len(self._origins))
        self._origins.append(
            Origin(
                leading=tuple(self._leading(first, occupied)),
                lines=tuple(self._lines[first : last + 1]),
                header=tuple(header),
                trailing=rest,
                column=stmt.col_offset,
                meaning=meanings.of(stmt),
                header_meaning=meanings.header(stmt) if isinstance(stmt, _COMPOUND) else "",
            )
        )

    def _leading(self, first: int, occupied: set[int]) -> list[str]:
        start = first
        while start > 0 and start - 1 not in occupied:
            text = self._lines[start - 1].strip()
            if text and not text.startswith("#"):
                break
            start -= 1
        return self._lines[start:first]

    def _origin(self, stmt: ast.stmt) -> Origin | None:
        key = getattr(stmt, _ORIGIN, None)
        return None if key is None else self._origins[cast(int, key)]

    def _body(self, stmts: list[ast.stmt], indent: int, meanings: Meanings) -> list[str]:
        lines: list[str] = []
        for stmt in stmts:
            lines += self._stmt(stmt, indent, meanings)
        return lines

    def _stmt(self, stmt: ast.stmt, indent: int, meanings: Meanings, elif_of: bool = False) -> list[str]:
        origin = self._origin(stmt)
        if origin is None:
            leading = ["", ""] if indent == 0 and isinstance(stmt, ast.FunctionDef) else []
        elif origin.column == indent:
            leading = list(origin.leading)
        else:
            leading = [" " * indent + line.strip() if line.strip() else "" for line in origin.leading]
        in_place = origin is not None and origin.column == indent and origin.is_elif == elif_of
        if origin is not None and in_place and meanings.of(stmt) == origin.meaning:
            return leading + list(origin.lines)
        if isinstance(stmt, _COMPOUND):
            kept = origin if in_place else None
            return leading + self._compound(stmt, indent, meanings, kept, elif_of)
        text = ast.unparse(located(stmt)).split("\n")
        if origin is not None and origin.trailing and len(text) == 1:
            text[0] += "  " + origin.trailing
        return leading + _indented(text, indent)

    def _compound(
        self, stmt: ast.stmt, indent: int, meanings: Meanings, origin: Origin | None, elif_of: bool
    ) -> list[str]:
        assert isinstance(stmt, _COMPOUND)
        if origin is not None and origin.header and meanings.header(stmt) == origin.header_meaning:
            lines = list(origin.header)
        else:
            header = ast.unparse(_without_bodies(stmt)).split("\n")[:-1]
            if elif_of:
                header[0] = "el" + header[0]
            lines = _indented(header, indent)
        lines += self._body(stmt.body, indent + INDENT, meanings)
        orelse = stmt.orelse if isinstance(stmt, ast.For | ast.While | ast.If) else []
        if len(orelse) == 1 and isinstance(stmt, ast.If) and isinstance(orelse[0], ast.If):
            inner = self._origin(orelse[0])
            if inner is not None and inner.is_elif:
                return lines + self._stmt(orelse[0], indent, meanings, elif_of=True)
        if orelse:
            lines += [" " * indent + "else:", *self._body(orelse, indent + INDENT, meanings)]
        return lines


def _says(lines: list[str], wanted: str) -> bool:
    try:
        parsed = ast.parse("\n".join(lines)).body
    except SyntaxError:
        return False
    return len(parsed) == 1 and meaning(parsed[0]) == wanted


def forget_layout(tree: ast.AST) -> None:
    """Make copied statements print as new ones, without the comments of the original."""
    for part in walk(tree):
        if hasattr(part, _ORIGIN):
            delattr(part, _ORIGIN)


def _first_line(stmt: ast.stmt) -> int:
    decorators = stmt.decorator_list if isinstance(stmt, ast.FunctionDef | ast.ClassDef) else []
    return min([stmt.lineno, *(decorator.lineno for decorator in decorators)]) - 1


def _last_own_line(stmt: ast.stmt) -> int:
    """End (exclusive) of the lines that belong to the statement itself rather than to statements inside it."""
    if isinstance(stmt, _COMPOUND):
        return stmt.lineno
    return stmt.end_lineno or stmt.lineno


def _without_bodies(stmt: ast.stmt) -> ast.stmt:
    fields = {name: getattr(stmt, name) for name in stmt._fields if hasattr(stmt, name)}
    fields["body"] = [ast.Pass()]
    if "orelse" in fields:
        fields["orelse"] = []
    return located(type(stmt)(**fields))


def _indented(lines: list[str], indent: int) -> list[str]:
    return [" " * indent + line if line else line for line in lines]
