"""What stands for a value of one pass once all passes run together, and arithmetic on it."""

import ast
from dataclasses import dataclass, replace
from typing import Literal

from ..analysis.tree import copied
from ..lowering.base import Unsupported

Element = Literal["bool", "int", "float"]
_RANK: dict[Element, int] = {"bool": 0, "int": 1, "float": 2}


@dataclass(frozen=True)
class Value:
    """An expression: a number, or a tensor [rows], [lanes] or [rows, lanes].

    A row is a pass of the loop, a lane a candidate of a `min`, `max` or `sum` inside it.
    """

    code: ast.expr
    element: Element
    rows: bool = False
    """Whether it differs between the rows."""
    lanes: bool = False
    raw: bool | None = False
    """Whether the loop held an element of a tensor, which computes in the tensor's dtype; None: now and then."""
    source: str | None = None
    """Variable whose memory it may share."""

    @property
    def is_tensor(self) -> bool:
        """Whether it is more than one number."""
        return self.rows or self.lanes


def number(value: float) -> Value:
    """A constant."""
    element: Element = "bool" if isinstance(value, bool) else "int" if isinstance(value, int) else "float"
    return Value(ast.Constant(value), element)


def named(name: str) -> ast.Name:
    """A variable that is read."""
    return ast.Name(name, ast.Load())


def method(owner: ast.expr, name: str, *arguments: ast.expr) -> ast.expr:
    """`owner.name(*arguments)`."""
    return ast.Call(ast.Attribute(owner, name, ast.Load()), list(arguments), [])


def element_at(owner: str, parts: list[ast.expr]) -> ast.Subscript:
    """`owner[parts]`."""
    return ast.Subscript(named(owner), parts[0] if len(parts) == 1 else ast.Tuple(parts, ast.Load()), ast.Load())


def widest(*elements: Element) -> Element:
    """Class of numbers that holds all these."""
    return max(elements, key=_RANK.__getitem__)


def is_wider(first: Element, second: Element) -> bool:
    """Whether the second class does not hold all numbers of the first."""
    return _RANK[first] > _RANK[second]


def coerced(value: Value, element: Element) -> Value:
    """The value with elements of a wider class, in Python's precision: 64 bits."""
    if value.element == element:
        return value
    if is_wider(value.element, element):
        raise Unsupported("a number that loses digits")
    code = value.code
    if value.is_tensor:
        code = method(code, "double" if element == "float" else "long")
    return replace(value, code=code, element=element, raw=False if element == "float" else value.raw, source=None)


def aligned(*values: Value) -> list[ast.expr]:
    """Codes of the values so that tensors of rows and of lanes broadcast."""
    wide = any(value.lanes for value in values)
    return [_column(value.code) if wide and value.rows and not value.lanes else value.code for value in values]


def both(*values: Value) -> dict[str, bool]:
    """Axes of what is computed from these values."""
    return {"rows": any(value.rows for value in values), "lanes": any(value.lanes for value in values)}


def computed(code: ast.expr, element: Element, raw: bool | None, *operands: Value) -> Value:
    """A new value with the axes of its operands."""
    axes = both(*operands)
    return Value(code, element, axes["rows"], axes["lanes"], raw)


def joined_raw(first: bool | None, second: bool | None) -> bool | None:
    """Rawness of a variable that is assigned both."""
    return first if first is second else None


def arithmetic(op: ast.operator, left: Value, right: Value) -> Value:
    """`left op right` with the result that Python, or torch on raw elements, gives."""
    if not isinstance(op, ast.Add | ast.Sub | ast.Mult | ast.Div | ast.FloorDiv | ast.Mod):
        raise Unsupported("an operation without an exact counterpart")
    left, right = (coerced(side, "int") if _is_truth(side) else side for side in (left, right))
    raw = _compatible(left, right, divided=isinstance(op, ast.Div))
    element: Element = "float" if isinstance(op, ast.Div) else widest(left.element, right.element)
    if element == "float" and raw is False:
        left, right = (coerced(side, "float") for side in (left, right))
    first, second = aligned(left, right)
    return computed(ast.BinOp(first, op, second), element, raw, left, right)


def comparison(op: ast.cmpop, left: Value, right: Value) -> Value:
    """`left op right` as truth values."""
    if not isinstance(op, ast.Lt | ast.LtE | ast.Gt | ast.GtE | ast.Eq | ast.NotEq):
        raise Unsupported("a comparison without a counterpart")
    raw = _compatible(left, right)
    if raw is False and "float" in (left.element, right.element):
        left, right = (coerced(side, "float") for side in (left, right))
    first, second = aligned(left, right)
    return computed(ast.Compare(first, [op], [second]), "bool", False, left, right)


def truth(value: Value) -> Value:
    """Whether the value counts as true."""
    if value.element == "bool":
        return value
    return replace(
        value, code=ast.Compare(value.code, [ast.NotEq()], [ast.Constant(0)]), element="bool", raw=False, source=None
    )


def combined(op: ast.boolop, first: Value, second: Value) -> Value:
    """`and` or `or` of two truth values."""
    one, other = aligned(first, second)
    joint = ast.BitAnd() if isinstance(op, ast.And) else ast.BitOr()
    return computed(ast.BinOp(one, joint, other), "bool", False, first, second)


def negated(value: Value) -> Value:
    """`not` of a truth value."""
    return replace(value, code=ast.UnaryOp(ast.Invert() if value.is_tensor else ast.Not(), value.code))


def chosen(torch: str, mask: Value, first: Value, second: Value) -> Value:
    """The first where the mask holds, else the second."""
    element = widest(first.element, second.element)
    raw = _compatible(first, second)
    if raw is False:
        first, second = coerced(first, element), coerced(second, element)
    elif first.raw is not second.raw:
        if element == "float":
            raise Unsupported("a number that may be Python's or a tensor's")
        raw = None
    if element == "float" and not (first.is_tensor or second.is_tensor):
        raise Unsupported("a choice between two numbers, whose dtype torch would choose")
    where = method(named(torch), "where", *aligned(mask, first, second))
    return computed(where, element, raw, mask, first, second)


def _compatible(left: Value, right: Value, divided: bool = False) -> bool | None:
    """Rawness of a result; refuses mixtures in which torch rounds otherwise than the loop did."""
    tensors = [side for side in (left, right) if side.is_tensor]
    raws = {side.raw for side in tensors}
    elements = {side.element for side in (left, right)}
    if raws <= {False}:
        return False
    if raws == {True} and not _is_truth(left) and not _is_truth(right):
        return True
    if elements <= {"int"} and not divided:
        return None
    raise Unsupported("numbers of Python and elements of tensors together")


def _is_truth(value: Value) -> bool:
    if value.element == "bool" and value.raw is not False:
        raise Unsupported("arithmetic on truth values of a tensor")
    return value.element == "bool"


def _column(code: ast.expr) -> ast.expr:
    parts: list[ast.expr] = [ast.Slice(None, None), ast.Constant(None)]
    return ast.Subscript(copied(code), ast.Tuple(parts, ast.Load()), ast.Load())
