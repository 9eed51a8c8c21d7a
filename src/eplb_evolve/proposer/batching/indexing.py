"""Elements of lists and tensors, for all rows at once."""

import ast

from ..analysis.kinds import UNKNOWN
from ..analysis.tree import copied, meaning
from ..lowering.base import Unsupported
from .base import BatchBase
from .values import Element, Value, aligned, both, chosen, element_at, method, named, number


class Indexing(BatchBase):
    """Rewrites subscripts."""

    def element(self, expr: ast.Subscript) -> Value:
        """What stands for one element of a list or tensor."""
        name, parts = self._path(expr)
        known = self.types.get(name)
        if name in self.loop.private:
            if known is None or not known.is_list or len(parts) != 1:
                raise Unsupported("an element of something unknown")
            index, axes = self._indices([named(self.loop.row), *parts], name)
            whole = all(ast.unparse(part) == ":" for part in index)
            code = named(name) if whole else element_at(name, index)
            return Value(code, known.element, raw=known.raw, source=name, **axes)
        return self._outer(name, parts)

    def place(self, expr: ast.Subscript) -> tuple[ast.Subscript, str, bool]:
        """Where to store an element, the variable that holds it, and whether that is a private list."""
        name, parts = self._path(expr)
        if name in self.loop.private:
            known = self.types.get(name)
            if known is None or not known.is_list or len(parts) != 1 or known.raw is True:
                raise Unsupported("a change of something unknown")
            index, _ = self._indices([named(self.loop.row), *parts], name)
            return element_at(name, index), name, True
        place = self._outer(name, parts).code
        assert isinstance(place, ast.Subscript)
        return place, name, False

    def line(self, expr: ast.expr) -> tuple[str, ast.expr, bool | None, Element] | None:
        """Variable, tensor [rows, n], rawness and element of a list or row of each pass, or None."""
        raw, inner = True, expr
        match expr:
            case ast.Name(id=name) if name in self.loop.private:
                known = self.types.get(name)
                return (name, named(name), known.raw, known.element) if known and known.is_list else None
            case ast.Call(func=ast.Attribute(value=owner, attr="tolist"), args=[], keywords=[]):
                raw, inner = False, owner
        match inner:
            case ast.Subscript(value=ast.Name(id=name), slice=ast.Name(id=row)) if row == self.loop.row:
                kind = self.kinds.env.get(name, UNKNOWN)
                if kind.is_tensor and kind.axes == 2 and name not in self.loop.private and kind.element is not None:
                    code: ast.expr = element_at(name, [ast.Slice(None, copied(self.loop.count))])
                    if not raw and kind.element == "float":
                        code = method(code, "double")
                    return name, code, raw, kind.element
        return None

    def _outer(self, name: str, parts: list[ast.expr]) -> Value:
        kind = self.kinds.env.get(name, UNKNOWN)
        if not kind.is_tensor or kind.axes != len(parts):
            raise Unsupported("an element of something unknown")
        own = isinstance(parts[0], ast.Name) and parts[0].id == self.loop.row
        if name in self.loop.changed and not own:
            raise Unsupported("an element that another pass may change")
        index, axes = self._indices(parts, name)
        return Value(element_at(name, index), kind.element or "float", raw=True, source=name, **axes)

    def _path(self, expr: ast.Subscript) -> tuple[str, list[ast.expr]]:
        """Variable and index parts of `x[i, j]` or `x[i][j]`."""
        parts = expr.slice.elts if isinstance(expr.slice, ast.Tuple) else [expr.slice]
        match expr.value:
            case ast.Name(id=name):
                return name, list(parts)
            case ast.Subscript() as inner:
                name, before = self._path(inner)
                return name, before + list(parts)
        raise Unsupported("an element of an expression")

    def _indices(self, parts: list[ast.expr], name: str) -> tuple[list[ast.expr], dict[str, bool]]:
        """Index parts for all rows, as slices where that is possible, and the axes that they give."""
        straight = isinstance(parts[0], ast.Name) and parts[0].id == self.loop.row
        if straight and self.lane is not None and len(parts) == 2 and self._is_lane(parts[1]):
            return [self._all_rows(name), self._all_lanes(name)], {"rows": True, "lanes": True}
        if len(parts) == 1 and self._is_lane(parts[0]):
            return [self._all_lanes(name)], {"rows": False, "lanes": True}
        if straight and all(self.is_invariant(part) for part in parts[1:]):
            rest = [self.invariant(part) for part in parts[1:]]
            if self.mask is not None and not all(isinstance(part, ast.Name | ast.Constant) for part in parts[1:]):
                raise Unsupported("an index that may be out of bounds where the loop did not use it")
            if any(value.element != "int" for value in rest):
                raise Unsupported("an index that is no integer")
            return [self._all_rows(name), *(value.code for value in rest)], {"rows": True, "lanes": False}
        values = [self._safe(part) for part in parts]
        return aligned(*values), both(*values)

    def _safe(self, part: ast.expr) -> Value:
        """An index that is inside the bounds even for rows that do not count."""
        if isinstance(part, ast.Slice) or (isinstance(part, ast.Constant) and not isinstance(part.value, int)):
            raise Unsupported("a slice")
        value = self.value(part)
        if value.element != "int":
            raise Unsupported("an index that is no integer")
        plain = isinstance(part, ast.Name) and part.id in (self.loop.row, self.lane[0] if self.lane else None)
        if self.mask is None or plain or not value.is_tensor:
            return value
        return chosen(self.loop.torch, self.mask, value, number(0))

    def _is_lane(self, part: ast.expr) -> bool:
        return self.lane is not None and isinstance(part, ast.Name) and part.id == self.lane[0]

    def _all_rows(self, name: str) -> ast.expr:
        private = name in self.loop.private  # has exactly one row for each pass
        return ast.Slice(None, None if private else copied(self.loop.count))

    def _all_lanes(self, name: str) -> ast.expr:
        assert self.lane is not None
        whole = self.lengths.get(name) == meaning(self.lane[1])
        return ast.Slice(None, None if whole else copied(self.lane[1]))
