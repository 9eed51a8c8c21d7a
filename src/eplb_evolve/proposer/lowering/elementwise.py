"""Arithmetic, comparisons, choices and casts of whole arrays as one loop over the elements.

Numba compiles array expressions too, but takes about a second for each of them, and a loop a tenth of that.
"""

import ast
from dataclasses import dataclass

from ..analysis.tree import walk
from ..templates import expression
from .rows import RowLowering

CASTS = {"float": "float32", "double": "float64", "long": "int64", "int": "int32", "bool": "bool_"}
_OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod)
_COMPARISONS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq)


@dataclass(frozen=True)
class _Operand:
    name: str
    axes: int
    kind: str | None
    """Of its elements: float, int or bool."""
    element: ast.Subscript
    """What reads it, its index not yet written."""


class ElementwiseLowering(RowLowering):
    """Trees of operations by element whose leaves are arrays and numbers."""

    def is_elementwise(self, expr: ast.expr) -> bool:
        """Whether the expression is an operation by element on arrays of known kind."""
        kind = self.kinds.of(expr)
        if not kind.is_array or kind.element is None or not kind.axes:
            return False
        match expr:
            case ast.BinOp(op=op):
                return isinstance(op, _OPERATORS) and kind.element != "bool"
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                return isinstance(op, _COMPARISONS) and self._known(left) and self._known(right)
            case ast.Call(func=ast.Attribute(value=owner, attr="where"), args=[test, yes, no], keywords=[]):
                module = self.kinds.module(owner) in ("torch", "numpy")
                return module and all(self._known(part) for part in (test, yes, no))
            case ast.Call(func=ast.Attribute(value=owner, attr=name), args=[], keywords=[]):
                return name in CASTS and self._known(owner)
        return False

    def elementwise(self, expr: ast.expr) -> ast.expr:
        """The name of a new array with the value of the expression."""
        kind = self.kinds.of(expr)
        axes = kind.axes or 0
        places = [self.fresh("at") for _ in range(axes)]
        operands: list[_Operand] = []
        element = self._element(expr, places, operands)
        result = self.fresh("result")
        sizes = [self._size(axis, axes, operands) for axis in range(axes)]
        for operand in operands:
            self._place(operand, places, sizes)
        self.extents.learn(result, sizes)
        lines = [f"{result} = np.empty(({', '.join(sizes)},), {self._dtype(expr, operands)})"]
        for axis, place in enumerate(places):
            lines.append("    " * axis + f"for {place} in range({result}.shape[{axis}]):")
        lines.append("    " * axes + f"{result}[{', '.join(places)}] = element")
        self.emit("\n".join(lines), element=element)
        return expression(result)

    def _known(self, expr: ast.expr) -> bool:
        kind = self.kinds.of(expr)
        return kind.is_scalar or (kind.is_array and kind.element is not None and kind.axes is not None)

    def _dtype(self, expr: ast.expr, operands: list[_Operand]) -> str:
        kind = self.kinds.of(expr)
        match expr:
            case ast.Call(func=ast.Attribute(attr=name), args=[]):
                return f"np.{CASTS[name]}"
        if kind.element == "bool":
            return "np.bool_"
        names = [operand.name for operand in operands if operand.kind == kind.element]
        if kind.element == "float":
            wide = any(isinstance(part, ast.Attribute) and part.attr == "double" for part in walk(expr))
            if names and not wide:
                return f"{names[0]}.dtype"
            return "np.float32" if kind.library == "torch" and not wide else "np.float64"
        return f"{names[-1]}.dtype" if names else "np.int64"

    def _element(self, expr: ast.expr, places: list[str], operands: list[_Operand]) -> ast.expr:
        """The element of the expression at `places`."""
        kind = self.kinds.of(expr)
        if self.is_elementwise(expr) or (isinstance(expr, ast.BinOp) and kind.is_scalar):
            match expr:
                case ast.BinOp(left=left, op=op, right=right):
                    first = self._element(left, places, operands)
                    return ast.BinOp(first, op, self._element(right, places, operands))
                case ast.Compare(left=left, ops=ops, comparators=[right]):
                    first = self._element(left, places, operands)
                    return ast.Compare(first, ops, [self._element(right, places, operands)])
                case ast.Call(args=[test, yes, no]):
                    return ast.IfExp(*(self._element(part, places, operands) for part in (test, yes, no)))
                case ast.Call(func=ast.Attribute(value=owner, attr=name)):
                    return ast.Call(expression(f"np.{CASTS[name]}"), [self._element(owner, places, operands)], [])
        lowered = self.expr(expr)
        if not kind.is_array or not kind.axes:
            return lowered if isinstance(lowered, ast.Constant) else expression(self.held(lowered))
        name = self.held(lowered)
        element = expression(f"{name}[0]")
        assert isinstance(element, ast.Subscript)
        operands.append(_Operand(name, kind.axes, kind.element, element))
        return element

    def _place(self, operand: _Operand, places: list[str], sizes: list[str]) -> None:
        """Write the index that reads the operand at `places` of a result of these sizes."""
        parts = []
        for axis in range(operand.axes):
            at, size = places[axis - operand.axes], sizes[axis - operand.axes]
            own = self.extents.of(operand.name, axis, operand.axes)
            parts.append(at if own == size else "0" if own == "1" else f"{at} * {self._step(operand.name, axis)}")
        operand.element.slice = expression(", ".join(parts))

    def _step(self, name: str, axis: int) -> str:
        """A variable that is 0 for an axis of length one, which stands for all places along it, and 1 for others."""
        step = self.fresh("step")
        self.emit(f"{step} = min({name}.shape[{axis}] - 1, 1)")
        return step

    def _size(self, axis: int, axes: int, operands: list[_Operand]) -> str:
        sizes = [
            self.extents.of(operand.name, axis - (axes - operand.axes), operand.axes)
            for operand in operands
            if axis >= axes - operand.axes
        ]
        longer = list(dict.fromkeys(size for size in sizes if size != "1")) or ["1"]
        return longer[0] if len(longer) == 1 else f"max({', '.join(longer)})"
