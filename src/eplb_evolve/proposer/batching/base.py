"""What all parts of the rewriting of one loop share."""

import ast
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from ..analysis.expression_kinds import ExpressionKinds
from ..analysis.kinds import UNKNOWN
from ..analysis.purity import is_total
from ..analysis.scope import Block, free_loads
from ..analysis.tree import copied
from ..lowering.base import Unsupported
from .values import Element, Value, combined, method, named

ELEMENTS: dict[str | None, Element] = {"bool": "bool", "int": "int", "float": "float"}
_RAISING = (ast.Div, ast.FloorDiv, ast.Mod)


@dataclass(frozen=True)
class Type:
    """What is known about a variable of a pass."""

    element: Element
    rows: bool
    raw: bool | None = False
    is_list: bool = False


@dataclass(frozen=True)
class Loop:
    """The loop as the rewriting sees it."""

    row: str
    """Variable that counts the passes."""
    count: ast.expr
    """Number of passes."""
    body: Block
    private: frozenset[str]
    """Variables that the body binds."""
    varying: frozenset[str]
    """Private variables that may differ between passes."""
    changed: frozenset[str]
    """Variables whose contents the body changes."""
    wide: frozenset[str]
    """Tensors of 64-bit integers."""
    torch: str
    device: ast.expr


@dataclass
class BatchBase:
    """Rewrites the body of one loop; `out` collects the new statements."""

    loop: Loop
    kinds: ExpressionKinds
    fresh: Callable[[str], str]
    types: dict[str, Type]
    """Types of private variables, as far as an earlier attempt found them; grows during this one."""
    out: list[ast.stmt] = field(default_factory=list)
    mask: Value | None = None
    """Rows for which the current statement is executed, when not all."""
    lane: tuple[str, ast.expr] | None = None
    """Variable and bound of the generator around the current expression."""
    lengths: dict[str, str] = field(default_factory=dict)
    """Dump of the length of each private list."""

    def __post_init__(self) -> None:
        self.rows = self.fresh("rows")

    def value(self, expr: ast.expr) -> Value:
        """What stands for the expression."""
        raise NotImplementedError

    def is_invariant(self, expr: ast.expr) -> bool:
        """Whether the expression is the same number in all passes, and can stay as it is."""
        return self._is_fixed(expr) and self.kinds.of(expr).is_scalar

    def invariant(self, expr: ast.expr) -> Value:
        """The unchanged expression."""
        element = ELEMENTS.get(self.kinds.of(expr).element)
        if element is None:
            raise Unsupported("a number of unknown class")
        return Value(copied(expr), element)

    def _is_fixed(self, expr: ast.expr) -> bool:
        match expr:
            case ast.Constant():
                return True
            case ast.Name(id=name):
                return not self.varies(name) and self.kinds.env.get(name, UNKNOWN).is_scalar
            case ast.Subscript(value=ast.Attribute(attr="shape", value=ast.Name(id=name)), slice=ast.Constant()):
                return name not in self.loop.private
            case ast.Call(func=ast.Name(id="len"), args=[ast.Name(id=name)], keywords=[]):
                return name not in self.loop.private
            case ast.Call(func=ast.Name(id="int" | "float" | "abs" | "min" | "max"), args=arguments, keywords=[]):
                return all(self._is_fixed(argument) and self.kinds.of(argument).is_scalar for argument in arguments)
            case ast.BinOp(left=left, op=op, right=right):
                guarded = self.mask is not None or self.lane is not None
                if isinstance(op, _RAISING) and guarded and not is_total(expr):
                    return False  # might fail where the loop did not compute it
                return self._is_fixed(left) and self._is_fixed(right)
            case ast.UnaryOp(operand=operand):
                return self._is_fixed(operand)
            case ast.BoolOp(values=values):
                return all(self._is_fixed(value) for value in values)
            case ast.Compare(left=left, ops=ops, comparators=others):
                known = not any(isinstance(op, ast.Is | ast.IsNot | ast.In | ast.NotIn) for op in ops)
                return known and all(self._is_fixed(side) for side in (left, *others))
        return False

    def varies(self, name: str) -> bool:
        """Whether a variable differs between rows or lanes, or is no number."""
        if name == self.loop.row or (self.lane is not None and name == self.lane[0]):
            return True
        return name in self.loop.varying

    def is_fixed_for_all(self, expr: ast.expr) -> bool:
        """Whether no private variable and nothing that changes occurs in the expression."""
        return not free_loads(expr) & (self.loop.private | self.loop.changed | {self.loop.row})

    @contextmanager
    def where(self, test: Value) -> Iterator[None]:
        """Within the context, only rows for which `test` holds count."""
        before = self.mask
        self.mask = test if before is None else combined(ast.And(), before, test)
        try:
            yield
        finally:
            self.mask = before

    def filled(self, shape: list[ast.expr], content: Value, element: Element) -> ast.expr:
        """A new tensor in Python's precision."""
        dtype = {"bool": "bool", "int": "int64", "float": "float64"}[element]
        keywords = [
            ast.keyword("dtype", ast.Attribute(named(self.loop.torch), dtype, ast.Load())),
            ast.keyword("device", copied(self.loop.device)),
        ]
        shape = [copied(size) for size in shape]
        if isinstance(content.code, ast.Constant) and content.code.value == 0:
            call = method(named(self.loop.torch), "zeros", *shape)
        else:
            call = method(named(self.loop.torch), "full", ast.Tuple(shape, ast.Load()), content.code)
        assert isinstance(call, ast.Call)
        call.keywords = keywords
        return call

    def assign(self, target: ast.expr, code: ast.expr) -> None:
        """Emit `target = code`."""
        target = copied(target)
        target.ctx = ast.Store()  # type: ignore[attr-defined]
        self.out.append(ast.Assign([target], code))

    def held(self, value: Value, base: str) -> Value:
        """The value in a variable of its own."""
        if isinstance(value.code, ast.Name | ast.Constant):
            return value
        name = self.fresh(base)
        self.assign(named(name), value.code)
        return Value(named(name), value.element, value.rows, value.lanes, value.raw)
