"""What is worth knowing about a program that is changed again and again; found out once and kept."""

import ast
import builtins
import functools
import pickle
from collections.abc import Collection, Iterable
from dataclasses import replace

from .analysis.inference import kinds_of
from .analysis.liveness import exposed_reads
from .analysis.scope import bound_names, free_loads, mentioned, parameters
from .analysis.tree import located, walk
from .canonical import joined, meanings
from .program import Program

_KEPT = 64


class Study:
    """One program, and what its changed copies are compared with."""

    def __init__(self, source: str) -> None:
        program = Program.parse(source)
        kinds_of(program)
        self._texts = program.texts()
        self.mentions = {stmt.name: mentioned(stmt) for stmt in program.tree.body if isinstance(stmt, ast.FunctionDef)}
        """Names in each top-level function."""
        self.meanings = meanings(program.tree)
        """Of each top-level statement."""
        self.fingerprint = joined(self.meanings)
        self.free = free_loads(program.tree.body)
        """Names that the program reads and does not bind."""
        self.unbound = _unbound(program.tree.body)
        """Variables that a function may read before it binds them."""
        self._program = program
        # reading a pickle is five times as fast as a deep copy; the kinds refer to the tree
        self._frozen = pickle.dumps((program.tree, program.memory["kinds"]), pickle.HIGHEST_PROTOCOL)

    def program(self) -> Program:
        """A copy to be changed."""
        tree, kinds = pickle.loads(self._frozen)
        return replace(self._program, tree=tree, memory={"kinds": kinds, "texts": self._texts})

    def unchanged(self, child: Program) -> set[str]:
        """Functions of a changed copy that are as they were, and so is all that they mention."""
        texts = child.texts()
        same = {name for name, text in texts.items() if self._texts.get(name) == text}
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


@functools.lru_cache(maxsize=_KEPT)
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
