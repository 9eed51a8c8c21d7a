"""Reading and writing elements, rows and slices."""

import ast

from ..analysis.kinds import Kind
from ..templates import expression, statements
from .arrays import ArrayLowering
from .base import Unsupported


class IndexLowering(ArrayLowering):
    """Subscripts, those with several index arrays included, which numba does not know."""

    def read(self, expr: ast.Subscript) -> ast.expr:
        """An element, row or slice."""
        owner = self.expr(expr.value)
        if self.is_fancy(expr):
            return self._picked(expr, owner, None, None)
        lowered = ast.Subscript(owner, self.index(expr.slice), ast.Load())
        if isinstance(expr.slice, ast.Slice) and self.kinds.of(expr.value).form == "list":
            return expression("items.copy()", items=lowered)
        return lowered

    def augmented(self, target: ast.Subscript, operator: ast.operator, value: ast.expr) -> list[ast.stmt]:
        """`target op= value`; with index arrays all elements are read before the first is written, as torch does."""
        lowered = self.expr(value)
        if not self.is_fancy(target):
            place = ast.Subscript(self.expr(target.value), self.index(target.slice), ast.Store())
            return [ast.AugAssign(place, operator, lowered)]
        addend = self.held(lowered) if self.kinds.of(value).is_array else lowered
        changed = self._picked(target, self.expr(target.value), operator, addend)
        return self._scattered_to(target, changed, is_array=True)

    def store(self, target: ast.Subscript, value: ast.expr, kind: Kind) -> list[ast.stmt]:
        """`target = value` with a lowered value of the given kind."""
        if self.is_fancy(target):
            return self._scattered_to(target, value, kind.is_array)
        if isinstance(target.slice, ast.Slice) and self.kinds.of(target.value).form == "list":
            raise Unsupported("assignment to a slice of a list")
        parts = target.slice.elts if isinstance(target.slice, ast.Tuple) else [target.slice]
        axes = self.kinds.of(target.value).axes
        if kind.axes == 1 and axes == len(parts) + 1 and not any(isinstance(part, ast.Slice) for part in parts):
            parts = [*parts, ast.Slice()]  # x[i] = values means x[i, :] = values
        whole = [axis for axis, part in enumerate(parts) if ast.unparse(part) == ":"]
        if len(whole) == 1 and kind.axes == 1 and axes == len(parts):
            return self._stored_along(target, parts, whole[0], value)
        place = ast.Subscript(self.expr(target.value), self.index(target.slice), ast.Store())
        return [ast.Assign([place], value)]

    def _stored_along(self, target: ast.Subscript, parts: list[ast.expr], axis: int, value: ast.expr) -> list[ast.stmt]:
        """`x[:, k] = values` as a loop, which numba compiles much faster than the assignment to a slice."""
        owner, held, at = self.held(self.expr(target.value)), self.held(value, "values"), self.fresh("at")
        places = [at if index == axis else ast.unparse(self.index(part)) for index, part in enumerate(parts)]
        return statements(
            f"for {at} in range({owner}.shape[{axis}]):\n    {owner}[{', '.join(places)}] = {held}[{at}]\n"
        )

    def _picked(
        self,
        expr: ast.Subscript,
        owner: ast.expr,
        operator: ast.operator | None,
        addend: "ast.expr | str | None",
    ) -> ast.expr:
        """The elements at several index arrays, each combined with an operand if there is one."""
        names = self._index_names(expr)
        held, result, row = self.held(owner), self.fresh("picked"), self.fresh("row")
        length = next(name for name, array in names if array)
        places = ", ".join(f"{name}[{row}]" if array else name for name, array in names)
        element = expression(f"{held}[{places}]")
        if operator is not None and addend is not None:
            right = expression(f"{addend}[{row}]") if isinstance(addend, str) else addend
            element = ast.BinOp(element, operator, right)
        self.emit(
            f"{result} = np.empty(len({length}), {held}.dtype)\n"
            f"for {row} in range(len({length})):\n"
            f"    {result}[{row}] = element\n",
            element=element,
        )
        return expression(result)

    def _scattered_to(self, target: ast.Subscript, value: ast.expr, is_array: bool) -> list[ast.stmt]:
        """`target = value` where several index arrays name the elements."""
        names = self._index_names(target)
        row, held = self.fresh("row"), self.held(value, "values") if is_array else None
        length = next(name for name, array in names if array)
        places = ", ".join(f"{name}[{row}]" if array else name for name, array in names)
        element = value if held is None else expression(f"{held}[{row}]")
        return statements(
            f"for {row} in range(len({length})):\n    owner[{places}] = element",
            owner=self.expr(target.value),
            element=element,
        )

    def is_fancy(self, expr: ast.Subscript) -> bool:
        """Whether several index arrays pick single elements."""
        parts = expr.slice.elts if isinstance(expr.slice, ast.Tuple) else [expr.slice]
        kinds = [self.kinds.of(part) for part in parts]
        arrays = [kind for kind in kinds if kind.is_array and kind.axes != 0]
        if len(parts) < 2 or not arrays:
            return False
        owner = self.kinds.of(expr.value)
        if owner.axes != len(parts) or any(kind.axes != 1 for kind in arrays):
            raise Unsupported("index arrays")
        if any(isinstance(part, ast.Slice) for part in parts):
            raise Unsupported("index arrays beside slices")
        return True

    def _index_names(self, expr: ast.Subscript) -> list[tuple[str, bool]]:
        assert isinstance(expr.slice, ast.Tuple)
        return [
            (self.held(self.expr(part), "at"), self.kinds.of(part).is_array and self.kinds.of(part).axes != 0)
            for part in expr.slice.elts
        ]

    def index(self, index: ast.expr) -> ast.expr:
        """What stands between the brackets."""
        match index:
            case ast.Tuple(elts=elts):
                return ast.Tuple([self.index(elt) for elt in elts], ast.Load())
            case ast.Slice(lower=lower, upper=upper, step=step):
                bounds = [None if bound is None else self.expr(bound) for bound in (lower, upper, step)]
                return ast.Slice(*bounds)
            case ast.Constant(value=value) if value is ...:
                return index
        return self.expr(index)
