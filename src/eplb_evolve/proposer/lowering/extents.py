"""What is known of the extents of arrays, so that a loop over several of them need not ask which have length one."""

import ast
from collections import Counter
from collections.abc import Sequence

from ..analysis.liveness import exposed_reads
from ..analysis.tree import walk

_MAKERS = frozenset({"zeros", "ones", "empty", "full"})


class Extents:
    """Extents of the arrays of a run of statements, as texts: equal texts are equal numbers.

    Facts hold from where they were learnt to the end of that block, and only variables that the run binds at most once
    occur in them: such a variable has one value from there on.
    """

    def __init__(self, run: Sequence[ast.stmt]) -> None:
        names = [part for stmt in run for part in walk(stmt) if isinstance(part, ast.Name)]
        times = Counter(part.id for part in names if isinstance(part.ctx, ast.Store))
        given = exposed_reads(run)[0]
        self._changing = {name for name, count in times.items() if count > 1 or name in given}
        self._known: dict[str, tuple[str, ...]] = {}

    def enter(self) -> dict[str, tuple[str, ...]]:
        """The facts at the beginning of a block, to be given to `leave` at its end."""
        return dict(self._known)

    def leave(self, facts: dict[str, tuple[str, ...]]) -> None:
        """Forget what was learnt in a block."""
        self._known = facts

    def learn(self, array: str, extents: Sequence[str]) -> None:
        """The array has these extents."""
        parts = [ast.parse(extent, mode="eval").body for extent in extents]
        if array not in self._changing and all(self._is_constant(part) for part in parts):
            self._known.setdefault(array, tuple(extents))

    def learn_from(self, target: ast.expr, value: ast.expr) -> None:
        """What a lowered assignment shows."""
        match target, value:
            case ast.Tuple(elts=sizes), ast.Attribute(value=ast.Name(id=array), attr="shape"):
                self.learn(array, [ast.unparse(size) for size in sizes])
            case ast.Name(id=array), ast.Call(
                func=ast.Attribute(value=ast.Name(id="np"), attr=maker), args=[ast.Tuple(elts=sizes), *_]
            ) if maker in _MAKERS:
                self.learn(array, [ast.unparse(size) for size in sizes])
            case ast.Name(id=array), ast.Name(id=same) if same not in self._changing and same in self._known:
                self.learn(array, self._known[same])

    def of(self, array: str, axis: int, axes: int) -> str:
        """The extent along an axis of an array with so many axes."""
        known = self._known.get(array, ())
        return known[axis] if len(known) == axes else f"{array}.shape[{axis}]"

    def _is_constant(self, extent: ast.expr) -> bool:
        names = {part.id for part in walk(extent) if isinstance(part, ast.Name)}
        calls = {ast.unparse(part.func) for part in walk(extent) if isinstance(part, ast.Call)}
        return not names & self._changing and calls <= {"max", "min", "len"}
