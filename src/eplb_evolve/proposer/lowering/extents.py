"""What is known of the extents of arrays, so that a loop over several of them need not ask which have length one."""

import ast
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ..analysis.tree import walk

_MAKERS = frozenset({"zeros", "ones", "empty", "full"})

Texts = tuple[str, ...]
"""Extents of an array as expressions: equal texts are equal numbers as long as no variable in them is bound again."""


@dataclass(frozen=True)
class Outputs:
    """What a compiled function tells of the arrays that it returns.

    Attributes:
        inputs: its parameters
        known: extents of parameters, in terms of its own variables
        returned: of each output the extents in the same terms, None where they are not known or not always the same
    """

    inputs: Texts
    known: dict[str, Texts]
    returned: tuple[Texts | None, ...]


@dataclass(frozen=True)
class Returned:
    """What is known at a `return`: extents of variables, and of each result."""

    known: dict[str, Texts]
    results: tuple[Texts | None, ...]


def outputs(inputs: Sequence[str], fixed: Collection[str], returned: Sequence[Returned]) -> Outputs:
    """What is known of a function's results, given all of its `return` statements.

    `fixed` are those of its parameters that it does not bind again.
    """
    everywhere = [set(each.known.items()) for each in returned]
    known = {name: texts for name, texts in set.intersection(*everywhere) if name in fixed} if everywhere else {}
    columns = zip(*(each.results for each in returned), strict=False)
    return Outputs(tuple(inputs), known, tuple(texts[0] if len(set(texts)) == 1 else None for texts in columns))


class Extents:
    """Extents of the arrays of a run of statements at one place in it."""

    def __init__(self) -> None:
        self._known: dict[str, Texts] = {}

    def enter(self) -> dict[str, Texts]:
        """The facts at the beginning of a block, to be given to `leave` at its end."""
        return dict(self._known)

    def leave(self, facts: dict[str, Texts]) -> None:
        """Forget what was learnt in a block."""
        self._known = facts

    def forget(self, names: Collection[str]) -> None:
        """These variables are bound again, here or somewhere in the block that begins here."""
        if names:
            self._known = {
                array: texts
                for array, texts in self._known.items()
                if array not in names and not any(_names(text) & set(names) for text in texts)
            }

    def learn(self, array: str, extents: Sequence[str]) -> None:
        """The array has these extents."""
        if all(_is_constant(extent) for extent in extents):
            self._known.setdefault(array, tuple(extents))

    def learn_from(self, target: ast.expr, value: ast.expr) -> None:
        """What a lowered assignment shows."""
        match target, value:
            case ast.Tuple(elts=sizes), ast.Attribute(value=ast.Name(id=array), attr="shape"):
                self.learn(array, [ast.unparse(size) for size in sizes])
            case ast.Name(id=array), _:
                texts = self.described(value)
                if texts is not None and array not in {name for text in texts for name in _names(text)}:
                    self.learn(array, texts)

    def learn_outputs(self, targets: Sequence[str], arguments: Sequence[ast.expr], outputs: Outputs) -> None:
        """What the call of a compiled function shows of its results, which are bound to `targets`."""
        meanings: dict[str, str] = {}
        for name, argument in zip(outputs.inputs, arguments, strict=False):
            if isinstance(argument, ast.Name) and argument.id not in targets:
                texts = outputs.known.get(name, ())
                meanings |= {text: self.of(argument.id, axis, len(texts)) for axis, text in enumerate(texts)}
        for target, returned in zip(targets, outputs.returned, strict=False):
            if returned is not None:
                for axis, text in enumerate(returned):
                    meanings.setdefault(text, f"{target}.shape[{axis}]")
                self.learn(target, [meanings[text] for text in returned])

    def described(self, value: ast.expr) -> Texts | None:
        """The extents of a lowered expression, if known."""
        match value:
            case ast.Name(id=name):
                return self._known.get(name)
            case ast.Call(func=ast.Attribute(value=ast.Name(id="np"), attr=maker), args=[first, *others]):
                return self._made(maker, first, others)
            case ast.Call(
                func=ast.Attribute(value=ast.Call(args=[owner]), attr="reshape"), args=[ast.Tuple(elts=sizes)]
            ):
                return self._reshaped(owner, [self._resolved(size) for size in sizes])
        return None

    def _reshaped(self, owner: ast.expr, sizes: list[str]) -> Texts | None:
        """The extents of the array `owner` reshaped to `sizes`, one of which may be -1: what is left."""
        if "-1" not in sizes:
            return tuple(sizes)
        known = self.described(owner)
        if known is None or len(known) != 1 or set(sizes) != {"-1", "1"}:
            return None
        return tuple(known[0] if size == "-1" else size for size in sizes)

    def _made(self, maker: str, first: ast.expr, others: list[ast.expr]) -> Texts | None:
        """The extents of `np.maker(first, *others)`."""
        match maker, first:
            case "arange", _ if not others:
                return (self._resolved(first),)
            case "expand_dims", ast.Name(id=name) if ast.unparse(others[0]) == "-1" and name in self._known:
                return (*self._known[name], "1")
            case _, ast.Tuple(elts=sizes) if maker in _MAKERS:
                return tuple(self._resolved(size) for size in sizes)
            case _, ast.Attribute(value=ast.Name(id=name), attr="shape") if maker in _MAKERS:
                return self._known.get(name)
        return None

    def _resolved(self, extent: ast.expr) -> str:
        match extent:
            case ast.Subscript(
                value=ast.Attribute(value=ast.Name(id=name), attr="shape"), slice=ast.Constant(value=int(axis))
            ) if axis < len(self._known.get(name, ())):
                return self._known[name][axis]
            case ast.BinOp(left=left, op=ast.Mult(), right=right):
                return " * ".join(f"({size})" for size in (self._resolved(left), self._resolved(right)))
        return ast.unparse(extent)

    def returned(self, value: ast.expr) -> "Returned":
        """What is known where a function returns the lowered expression."""
        results = value.elts if isinstance(value, ast.Tuple) else [value]
        return Returned(dict(self._known), tuple(self.described(result) for result in results))

    def of(self, array: str, axis: int, axes: int) -> str:
        """The extent along an axis of an array with so many axes."""
        known = self._known.get(array, ())
        return known[axis] if len(known) == axes else f"{array}.shape[{axis}]"


def _names(text: str) -> set[str]:
    return {part.id for part in walk(ast.parse(text, mode="eval").body) if isinstance(part, ast.Name)}


def _is_constant(extent: str) -> bool:
    """Whether the expression has one value as long as its variables are not bound again."""
    for part in walk(ast.parse(extent, mode="eval").body):
        match part:
            case ast.Call(func=ast.Name(id="max" | "min" | "len")) | ast.Subscript(value=ast.Attribute(attr="shape")):
                pass
            case ast.Call() | ast.Subscript():  # an element may change without the variable
                return False
    return True
