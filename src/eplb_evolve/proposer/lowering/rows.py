"""Operations along the last axis as loops over rows, since numba knows few of them."""

import ast

from ..analysis.kinds import Kind
from ..templates import expression, statements
from .base import Unsupported
from .sorting import SortLowering

Keywords = dict[str | None, ast.expr]

_BETTER = {"argmin": "<", "min": "<", "argmax": ">", "max": ">"}


class RowLowering(SortLowering):
    """Reductions, sorts, gather and scatter of arrays with one or two axes."""

    def is_last_axis(self, axis: ast.expr | None, axes: int) -> bool:
        """Whether an axis argument names the last of so many axes."""
        return axis is not None and ast.unparse(axis) in ("-1", str(axes - 1))

    def reduced(
        self,
        owner: ast.expr,
        kind: Kind,
        name: str,
        arguments: list[ast.expr],
        keywords: Keywords,
    ) -> ast.expr:
        """`owner.argmax(axis)` and its like."""
        axis = arguments[0] if arguments else keywords.get("dim", keywords.get("axis"))
        if len(arguments) > 1 or set(keywords) - {"dim", "axis"}:
            raise Unsupported(name)
        if axis is None or (kind.axes == 1 and self.is_last_axis(axis, 1)):
            return expression(f"owner.{name}()", owner=self.expr(owner))
        if kind.axes is None or not self.is_last_axis(axis, kind.axes):
            raise Unsupported(f"{name} along a leading axis")
        if name == "sum" and kind.element != "bool":
            return self._summed(owner, kind.axes, "0" if kind.element == "int" else "0.0")
        if kind.axes != 2:
            raise Unsupported(f"{name} of {kind.axes} axes")
        return self._extremes(self.held(self.expr(owner)), name) if name in _BETTER else self._reduced_rows(owner, name)

    def _extremes(self, held: str, name: str) -> ast.expr:
        """The first smallest or largest element of each row, or its place; numba's own takes longer to compile."""
        names = ("rows", "row", "place", "best", "column", "value")
        rows, row, place, best, column, value = (self.fresh(base) for base in names)
        is_place = name.startswith("arg")
        self.emit(
            f"{rows} = np.empty({held}.shape[0], {'np.int64' if is_place else f'{held}.dtype'})\n"
            f"for {row} in range({held}.shape[0]):\n"
            f"    {place} = 0\n"
            f"    {best} = {held}[{row}, 0]\n"
            f"    for {column} in range(1, {held}.shape[1]):\n"
            f"        {value} = {held}[{row}, {column}]\n"
            f"        if {value} {_BETTER[name]} {best}:\n"
            f"            {place} = {column}\n"
            f"            {best} = {value}\n"
            f"    {rows}[{row}] = {place if is_place else best}\n"
        )
        return expression(rows)

    def _reduced_rows(self, owner: ast.expr, name: str) -> ast.expr:
        held, rows, row = self.held(self.expr(owner)), self.fresh("rows"), self.fresh("row")
        self.emit(
            f"{rows} = np.empty({held}.shape[0], {held}.dtype)\n"
            f"for {row} in range({held}.shape[0]):\n"
            f"    {rows}[{row}] = {held}[{row}].{name}()\n"
        )
        return expression(rows)

    def sorted_rows(self, owner: ast.expr, kind: Kind, arguments: list[ast.expr], keywords: Keywords) -> ast.expr:
        """`owner.argsort(axis, descending)`; always stable."""
        axis = arguments[0] if arguments else keywords.get("dim")
        flip = keywords.get("descending", arguments[1] if len(arguments) > 1 else None)
        if not isinstance(flip, ast.Constant | None) or set(keywords) - {"dim", "descending", "stable"}:
            raise Unsupported("sort")
        if kind.axes not in (1, 2) or not (axis is None or self.is_last_axis(axis, kind.axes)):
            raise Unsupported("sort along a leading axis")
        falls = flip is not None and bool(flip.value)
        return self.order(self.held(self.expr(owner)), kind.axes, falls)

    def _summed(self, owner: ast.expr, axes: int, zero: str) -> ast.expr:
        held, sums, total = self.held(self.expr(owner)), self.fresh("sums"), self.fresh("total")
        places = [self.fresh("at") for _ in range(axes)]
        lines = [f"{sums} = np.empty({held}.shape[:{axes - 1}], {held}.dtype)"]
        for axis, place in enumerate(places):
            if axis == axes - 1:
                lines.append("    " * axis + f"{total} = {zero}")
            lines.append("    " * axis + f"for {place} in range({held}.shape[{axis}]):")
        lines.append("    " * axes + f"{total} += {held}[{', '.join(places)}]")
        lines.append("    " * (axes - 1) + f"{sums}[{', '.join(places[:-1])}] = {total}")
        self.emit("\n".join(lines))
        return expression(sums)

    def gathered(self, owner: ast.expr, kind: Kind, arguments: list[ast.expr]) -> ast.expr:
        """`owner.gather(1, index)`."""
        axis, index = arguments
        if kind.axes != 2 or self.kinds.of(index).axes != 2 or not self.is_last_axis(axis, 2):
            raise Unsupported("gather")
        held, places, result = self.held(self.expr(owner)), self.held(self.expr(index)), self.fresh("gathered")
        row, column = self.fresh("row"), self.fresh("column")
        self.emit(
            f"{result} = np.empty({places}.shape, {held}.dtype)\n"
            f"for {row} in range({places}.shape[0]):\n"
            f"    for {column} in range({places}.shape[1]):\n"
            f"        {result}[{row}, {column}] = {held}[{row}, {places}[{row}, {column}]]\n"
        )
        self.extents.learn(result, [self.extents.of(places, axis, 2) for axis in range(2)])
        return expression(result)

    def scattered(self, owner: ast.expr, axis: ast.expr, index: ast.expr, source: ast.expr) -> list[ast.stmt]:
        """`owner.scatter_(1, index, source)`."""
        if not self.is_last_axis(axis, 2) or self.kinds.of(owner).axes != 2 or self.kinds.of(index).axes != 2:
            raise Unsupported("scatter_")
        places, target = self.held(self.expr(index)), self.held(self.expr(owner))
        sources = self.held(self.expr(source))
        row, column = self.fresh("row"), self.fresh("column")
        element = f"{sources}[{row}, {column}]" if self.kinds.of(source).is_array else sources
        return statements(
            f"for {row} in range({places}.shape[0]):\n"
            f"    for {column} in range({places}.shape[1]):\n"
            f"        {target}[{row}, {places}[{row}, {column}]] = {element}\n"
        )
