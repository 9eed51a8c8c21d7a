"""What is worth knowing about a program that is changed again and again; found out once and kept."""

import ast
import builtins
import functools
import gc
import pickle
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from .analysis.inference import kinds_of
from .analysis.liveness import exposed_reads
from .analysis.scope import bound_names, free_loads, mentioned, parameters
from .analysis.tree import located, walk
from .canonical import joined, meanings
from .program import Program

_KEPT = 64


class Study:
    """One program, and what its changed copies are compared with.

    What only a program that is changed needs is found out when it first is: most are only shown.
    """

    def __init__(self, source: str) -> None:
        self._program = Program.parse(source)
        self.meanings = meanings(self._program.tree)
        """Of each top-level statement."""
        self.fingerprint = joined(self.meanings)

    @functools.cached_property
    def mentions(self) -> dict[str, set[str]]:
        """Names in each top-level function."""
        return {stmt.name: mentioned(stmt) for stmt in self._program.tree.body if isinstance(stmt, ast.FunctionDef)}

    @functools.cached_property
    def free(self) -> set[str]:
        """Names that the program reads and does not bind."""
        return free_loads(self._program.tree.body)

    @functools.cached_property
    def unbound(self) -> set[tuple[str, str]]:
        """Variables that a function may read before it binds them."""
        return _unbound(self._program.tree.body)

    @functools.cached_property
    def _frozen(self) -> bytes:
        # reading a pickle is five times as fast as a deep copy; the kinds refer to the tree
        return pickle.dumps((self._program.tree, kinds_of(self._program)), pickle.HIGHEST_PROTOCOL)

    def program(self) -> Program:
        """A copy to be changed."""
        tree, kinds = pickle.loads(self._frozen)
        return replace(self._program, tree=tree, memory={"kinds": kinds, "texts": self._program.texts()})

    def unchanged(self, child: Program) -> set[str]:
        """Functions of a changed copy that are as they were, and so is all that they mention."""
        texts, known = child.texts(), self._program.texts()
        same = {name for name, text in texts.items() if known.get(name) == text}
        while True:
            other = set(texts) - same
            gone = {name for name in same if self.mentions[name] & other}
            if not gone:
                return same
            same -= gone

    def program_for(self, around: "Study") -> Program:
        """A copy of this program's region between the head and tail of another one."""
        frame = around._program
        return replace(self.program(), head=frame.head, tail=frame.tail, outside=frame.outside)


@contextmanager
def collector_paused() -> Iterator[None]:
    """Trees come and go by the thousand and hold no cycles: looking for some took a sixth of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@functools.lru_cache(maxsize=_KEPT)
@collector_paused()
def study(source: str) -> Study:
    """The study of a program; raises `UnreadableProgram`."""
    return Study(source)


def is_sound(child: Program, unchanged: Collection[str], base: Study) -> bool:
    """Whether the child compiles and reads no unbound variable that its base did not."""
    new = [stmt for stmt in child.tree.body if not isinstance(stmt, ast.FunctionDef) or stmt.name not in unchanged]
    try:
        compile(located(ast.Module(new, [])), "<child>", "exec")
    except (SyntaxError, ValueError, RecursionError, TypeError):
        return False
    known = {name for stmt in child.tree.body for name in _bound(stmt)} | child.outside | set(dir(builtins))
    return free_loads(new) - known <= base.free and _unbound(new) <= base.unbound


def _bound(stmt: ast.stmt) -> set[str]:
    return {stmt.name} if isinstance(stmt, ast.FunctionDef) else bound_names(stmt)


def _unbound(stmts: Iterable[ast.stmt]) -> set[tuple[str, str]]:
    """Variables of these functions that may be read before they are bound."""
    inner = [part for stmt in stmts for part in walk(stmt) if isinstance(part, ast.FunctionDef)]
    return {
        (function.name, name)
        for function in inner
        for name in exposed_reads(function.body)[0] & bound_names(function.body)
        if name not in {argument.arg for argument in parameters(function)}
    }
