"""Arithmetic on whole arrays as one loop over the elements.

Numba compiles array expressions too, but takes about a second for each of them, and a loop a tenth of that.
"""

import ast
from dataclasses import dataclass

from ..templates import expression
from .rows import RowLowering

_OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod)


@dataclass(frozen=True)
class _Operand:
    name: str
    axes: int
    is_float: bool


class ElementwiseLowering(RowLowering):
    """Trees of arithmetic operators whose leaves are arrays and numbers."""

    def is_elementwise(self, expr: ast.BinOp) -> bool:
        """Whether the expression is arithmetic on arrays of known kind."""
        kind = self.kinds.of(expr)
        known = kind.is_array and kind.element in ("int", "float") and kind.axes is not None and kind.axes > 0
        return known and isinstance(expr.op, _OPERATORS)

    def elementwise(self, expr: ast.BinOp) -> ast.expr:
        """The name of a new array with the value of the expression."""
        kind = self.kinds.of(expr)
        axes = kind.axes or 0
        places = [self.fresh("at") for _ in range(axes)]
        operands: list[_Operand] = []
        element = self._element(expr, places, operands)
        floats = [operand.name for operand in operands if operand.is_float]
        if floats:
            dtype = f"{floats[0]}.dtype"
        elif kind.element == "float":
            dtype = "np.float32" if kind.library == "torch" else "np.float64"
        else:
            dtype = f"{operands[0].name}.dtype"
        result = self.fresh("result")
        sizes = [self._size(axis, axes, operands) for axis in range(axes)]
        lines = [f"{result} = np.empty(({', '.join(sizes)},), {dtype})"]
        for axis, place in enumerate(places):
            lines.append("    " * axis + f"for {place} in range({result}.shape[{axis}]):")
        lines.append("    " * axes + f"{result}[{', '.join(places)}] = element")
        self.emit("\n".join(lines), element=element)
        return expression(result)

    def _element(self, expr: ast.expr, places: list[str], operands: list[_Operand]) -> ast.expr:
        """The element of the expression at `places`."""
        kind = self.kinds.of(expr)
        if isinstance(expr, ast.BinOp) and isinstance(expr.op, _OPERATORS) and (kind.is_array or kind.is_scalar):
            left = self._element(expr.left, places, operands)
            return ast.BinOp(left, expr.op, self._element(expr.right, places, operands))
        lowered = self.expr(expr)
        if not kind.is_array or not kind.axes:
            return lowered if isinstance(lowered, ast.Constant) else expression(self.held(lowered))
        operand = _Operand(self.held(lowered), kind.axes, kind.element == "float")
        operands.append(operand)
        own = places[len(places) - operand.axes :]
        parts = [f"{at} * {self._step(operand.name, axis)}" for axis, at in enumerate(own)]
        return expression(f"{operand.name}[{', '.join(parts)}]")

    def _step(self, name: str, axis: int) -> str:
        """A variable that is 0 for an axis of length one, which stands for all places along it, and 1 for others."""
        step = self.fresh("step")
        self.emit(f"{step} = min({name}.shape[{axis}] - 1, 1)")
        return step

    def _size(self, axis: int, axes: int, operands: list[_Operand]) -> str:
        sizes = [
            f"{operand.name}.shape[{axis - (axes - operand.axes)}]"
            for operand in operands
            if axis >= axes - operand.axes
        ]
        return sizes[0] if len(sizes) == 1 else f"max({', '.join(sizes)})"
