"""A program as the operators see it: the editable region as a syntax tree, everything around it as bytes."""

import ast
import copy
import hashlib
import re
from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass, field

from .analysis.scope import identifiers, mentioned
from .analysis.tree import meaning, walk, without_places
from .header import RESTART, Header, without_header
from .layout import Layout

HELPER_PREFIX = "_jit_"
_MARKER = re.compile(r"^\W*EVOLVE-BLOCK-(START|END)\b")  # as OpenEvolve reads it
_GENERATED_IMPORTS = ("import numba", "import numpy as np", "import heapq")


class NameSource:
    """Gives out names that are not taken, each once."""

    def __init__(self, taken: set[str] | frozenset[str]) -> None:
        self._taken = set(taken)

    def __call__(self, base: str) -> str:
        """A new name that starts with `base`."""
        name, number = base, 1
        while name in self._taken:
            number += 1
            name = f"{base}_{number}"
        self._taken.add(name)
        return name


class UnreadableProgram(ValueError):
    """The text is not a Python program."""


@dataclass
class Program:
    """A parsed program. Operators change `tree` in place; `head` and `tail` are never touched."""

    head: str
    tail: str
    tree: ast.Module
    layout: Layout
    outside: frozenset[str]
    """Names that the code outside of the region mentions."""
    roots: frozenset[str]
    """Functions that no other statement of the region mentioned when it was read."""
    steps: tuple[str, ...] = ()
    """Operators of each proposal that led here, the oldest first."""
    memory: dict[str, object] = field(default_factory=dict)
    """What an analysis found out about the tree; an operator that changes the tree must clear it."""

    @classmethod
    def parse(cls, source: str) -> "Program":
        """Read a program; the region is its largest evolve block, or the whole text when there is none."""
        head, region, tail = _split(source)
        header, lines = without_header(region.split("\n"))
        region = "\n".join(lines)
        try:
            tree = ast.parse(region)
            outside = frozenset(identifiers(ast.parse(head)) | identifiers(ast.parse(tail)))
        except (SyntaxError, ValueError) as error:
            raise UnreadableProgram(f"the program does not parse: {error}") from None
        layout = Layout(region, tree)  # the last that asks for places
        steps = header.steps if header else ()
        return cls(head, tail, without_places(tree), layout, outside, _roots(tree), steps)

    def render(
        self, tier: str, operators: Sequence[str], origin: str = "", changed: Collection[str] | None = None
    ) -> str:
        """The program's text, with its provenance on top of the region.

        `origin` is its parent's hash, if known; `changed` are the functions that are not as they were read, if known.
        """
        step = "+".join(name for name in operators if name != RESTART)
        header = Header(tier, tuple(operators), (*self.steps, step), origin)
        return self.head + header.text() + self.layout.render(self.tree, changed) + self.tail

    def texts(self) -> dict[str, str]:
        """What stands in each top-level function, by its name."""
        known = self.memory.get("texts")
        if not isinstance(known, dict):
            functions = [stmt for stmt in self.tree.body if isinstance(stmt, ast.FunctionDef)]
            known = self.memory["texts"] = {function.name: meaning(function) for function in functions}
        return known

    def functions(self) -> list[ast.FunctionDef]:
        """Functions of the region that came with the program, nested ones after their parents."""
        helpers = {id(helper) for helper in self.helpers()}  # the largest part of many programs, and without any
        own = [stmt for stmt in self.tree.body if id(stmt) not in helpers]
        return [part for stmt in own for part in walk(stmt) if isinstance(part, ast.FunctionDef)]

    def interpreted(self) -> list[ast.FunctionDef]:
        """Those of `functions` that no decorator may compile: all of Python works there."""
        own = [stmt for stmt in self.tree.body if not (isinstance(stmt, ast.FunctionDef) and stmt.decorator_list)]
        inside = {id(part) for stmt in own for part in walk(stmt)}
        return [function for function in self.functions() if id(function) in inside]

    def helpers(self) -> list[ast.FunctionDef]:
        """Compiled helpers that an earlier proposal added."""
        return [
            stmt for stmt in self.tree.body if isinstance(stmt, ast.FunctionDef) and stmt.name.startswith(HELPER_PREFIX)
        ]

    def names(self) -> "NameSource":
        """A source of names that occur nowhere in the program."""
        return NameSource(identifiers(self.tree) | self.outside)

    def add_import(self, statement: str) -> None:
        """Add an import to the region unless it is there."""
        new = ast.parse(statement).body[0]
        if any(isinstance(stmt, ast.Import) and meaning(stmt) == meaning(new) for stmt in self.tree.body):
            return
        position = 0
        for index, stmt in enumerate(self.tree.body):
            if isinstance(stmt, ast.Import | ast.ImportFrom) or (index == 0 and _is_docstring(stmt)):
                position = index + 1
            else:
                break
        self.tree.body.insert(position, new)

    def add_helper(self, helper: ast.FunctionDef, user: ast.FunctionDef) -> None:
        """Add a helper in front of the top-level function that contains `user`, unless it is there."""
        if any(known.name == helper.name for known in self.helpers()):
            return
        for index, stmt in enumerate(self.tree.body):
            if any(part is user for part in walk(stmt)):
                self.tree.body.insert(index, helper)
                return
        self.tree.body.append(helper)

    def prune(self, known: Mapping[str, Set[str]] | None = None) -> None:
        """Remove functions that nothing calls any more, and generated imports that only they needed.

        What nothing called in the program as it was read is what callers outside ask for, and stays. `known` are the
        names in functions that need not be looked at again.
        """
        known = known or {}
        mentions = {id(stmt): _known_names(stmt, known) or mentioned(stmt) for stmt in self.tree.body}
        while True:
            used = {name for stmt in self.tree.body for name in mentions[id(stmt)] - _own_name(stmt)} | self.outside
            dead = [
                stmt
                for stmt in self.tree.body
                if isinstance(stmt, ast.FunctionDef) and stmt.name not in used and stmt.name not in self.roots
            ]
            if not dead:
                break
            self.tree.body = [stmt for stmt in self.tree.body if stmt not in dead]
        generated = [meaning(ast.parse(text).body[0]) for text in _GENERATED_IMPORTS]
        self.tree.body = [
            stmt
            for stmt in self.tree.body
            if not isinstance(stmt, ast.Import) or meaning(stmt) not in generated or _bound_by_import(stmt) in used
        ]

    def name_helpers(self, changed: Collection[str]) -> set[str]:
        """Name changed helpers by their content again, so that equal names mean equal helpers when programs cross.

        Returns the names of what changed as they are now.
        """
        renamed: dict[str, str] = {}
        for stmt in self.tree.body:
            for part in walk(stmt) if renamed else ():
                if isinstance(part, ast.Name) and part.id in renamed:
                    part.id = renamed[part.id]
            if isinstance(stmt, ast.FunctionDef) and stmt.name in changed and stmt.name.startswith(HELPER_PREFIX):
                renamed[stmt.name] = stmt.name = helper_name(stmt)
        return {renamed.get(name, name) for name in changed}

    def module_aliases(self) -> dict[str, str]:
        """Alias of each imported module in the whole program: {"np": "numpy"}."""
        aliases: dict[str, str] = {}
        for part in (ast.parse(self.head), self.tree):
            for stmt in part.body:
                if isinstance(stmt, ast.Import):
                    for name in stmt.names:
                        aliases[name.asname or name.name.split(".")[0]] = name.name
        return aliases


def _known_names(stmt: ast.stmt, known: Mapping[str, Set[str]]) -> Set[str]:
    return known.get(stmt.name, frozenset()) if isinstance(stmt, ast.FunctionDef) else frozenset()


def _own_name(stmt: ast.stmt) -> set[str]:
    return {stmt.name} if isinstance(stmt, ast.FunctionDef) else set()


def _roots(tree: ast.Module) -> frozenset[str]:
    used = {name for stmt in tree.body for name in mentioned(stmt) - _own_name(stmt)}
    functions = {stmt.name for stmt in tree.body if isinstance(stmt, ast.FunctionDef)}
    return frozenset(name for name in functions - used if not name.startswith(HELPER_PREFIX))


def helper_name(helper: ast.FunctionDef) -> str:
    """The name that a helper's content gives it."""
    bare = copy.copy(helper)
    bare.name = HELPER_PREFIX
    return HELPER_PREFIX + hashlib.sha256(meaning(bare).encode()).hexdigest()[:8]


def _split(source: str) -> tuple[str, str, str]:
    """Head, region and tail of a program; together they are the program."""
    lines = source.split("\n")
    best: tuple[int, int] | None = None
    start: int | None = None
    for number, line in enumerate(lines):
        marker = _MARKER.match(line)
        if marker and marker[1] == "START":
            start = number + 1
        elif marker and start is not None:
            if (best is None or number - start > best[1] - best[0]) and _parses(lines[start:number]):
                best = (start, number)
            start = None
    if best is None:
        return "", source, ""
    head, region, tail = lines[: best[0]], lines[best[0] : best[1]], lines[best[1] :]
    return "\n".join(head) + "\n", "\n".join(region) + "\n", "\n".join(tail)


def _parses(lines: list[str]) -> bool:
    try:
        ast.parse("\n".join(lines))
    except (SyntaxError, ValueError):
        return False
    return True


def _is_docstring(stmt: ast.stmt) -> bool:
    return isinstance(stmt, ast.Expr) and isinstance(stmt.value, ast.Constant)


def _bound_by_import(stmt: ast.Import) -> str:
    return stmt.names[0].asname or stmt.names[0].name
