"""Programs as HTML: what changed between two of them, line by line, syntax coloured here and not in the browser."""

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup, escape
from pygments.lexers.python import PythonLexer
from pygments.token import Comment, Keyword, Name, Number, Operator, String, _TokenType

from eplb_evolve.hostile_text import clip, printable

LONGEST_LINE = 300
CONTEXT = 3
CLASSES = (
    (Comment, "c"),
    (String, "s"),
    (Keyword, "k"),
    (Number, "m"),
    (Operator.Word, "k"),
    (Name.Decorator, "d"),
    (Name.Function, "f"),
    (Name.Builtin, "b"),
)
"""Kinds of words that have a colour, and their CSS class."""


@dataclass(frozen=True)
class Line:
    """One line of a diff.

    Attributes:
        kind: what became of it, or `gap` where lines that did not change are left out
        old, new: its number in either program; None where it does not stand
        code: coloured, escaped
    """

    kind: Literal["same", "removed", "added", "gap"]
    old: int | None
    new: int | None
    code: Markup


@dataclass(frozen=True)
class Diff:
    """What changed from one program to the next, and how many of its lines are left out for length."""

    lines: Sequence[Line]
    added: int
    removed: int
    left_out: int


def diff(before: str, after: str, most_lines: int) -> Diff:
    """The changes with some lines around them, the first `most_lines` lines of that."""
    old, new = _lines(before), _lines(after)
    found = list(_changes(old, new))
    added, removed = (sum(line.kind == kind for line in found) for kind in ("added", "removed"))
    return Diff(found[:most_lines], added, removed, max(0, len(found) - most_lines))


def _changes(old: list[str], new: list[str]) -> Iterator[Line]:
    colours = _coloured(old), _coloured(new)
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    end = 0
    for group in matcher.get_grouped_opcodes(CONTEXT):
        if group[0][1] > end:
            yield Line("gap", None, None, Markup(""))
        for tag, old_from, old_to, new_from, new_to in group:
            if tag == "equal":
                for offset in range(old_to - old_from):
                    at = old_from + offset
                    yield Line("same", at + 1, new_from + offset + 1, colours[0][at])
                continue
            for at in range(old_from, old_to):
                yield Line("removed", at + 1, None, colours[0][at])
            for at in range(new_from, new_to):
                yield Line("added", None, at + 1, colours[1][at])
        end = group[-1][2]
    if end < len(old):
        yield Line("gap", None, None, Markup(""))


def _lines(source: str) -> list[str]:
    text = source.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n")
    return [clip(printable(line).expandtabs(4), LONGEST_LINE) for line in text.split("\n")]


def _coloured(lines: Sequence[str]) -> list[Markup]:
    """Each line as HTML. Lines, not the program, were clipped, so what a lexer makes of them stays bounded."""
    found: list[list[Markup]] = [[]]
    for kind, value in PythonLexer(stripnl=False, ensurenl=False).get_tokens("\n".join(lines)):
        css = _css(kind)
        for number, part in enumerate(value.split("\n")):
            if number:
                found.append([])
            if part:
                found[-1].append(Markup('<span class="{}">{}</span>').format(css, part) if css else escape(part))
    if len(found) != len(lines):  # the lexer changed the text
        return [escape(line) for line in lines]
    return [Markup("").join(parts) for parts in found]


def _css(kind: _TokenType) -> str:
    return next((css for known, css in CLASSES if kind in known), "")
