"""Assignments of one pass as assignments to all rows."""

import ast
from dataclasses import dataclass, field

from ..analysis.kinds import UNKNOWN
from ..analysis.tree import copied, meaning, walk
from ..lowering.base import Unsupported
from .base import ELEMENTS, Type
from .expressions import Expressions
from .values import Element, Value, arithmetic, chosen, coerced, is_wider, joined_raw, method, named, widest


@dataclass
class Stores(Expressions):
    """Rewrites assignments."""

    bound: set[str] = field(default_factory=set)
    """Variables that surely have a value."""
    initial: dict[str, Element] = field(default_factory=dict)
    """Variables that need a value before the first statement, since only some rows get one."""
    temporary: set[str] = field(default_factory=set)
    """Variables that only the block of the current mask uses: what they are in other rows does not matter."""

    def store(self, name: str, value: Value) -> None:
        """Emit `name = value`."""
        known = self.types.get(name)
        mask = None if name in self.temporary else self.mask
        element = self._declared(name, value.element)
        if (known is not None and known.is_list) or (value.raw is not False and element != value.element):
            raise Unsupported("a variable of several kinds")
        rows = name in self.loop.varying
        if (value.is_tensor or mask is not None) and not rows:
            raise Unsupported("a variable that differs unexpectedly")
        raw = value.raw if known is None else joined_raw(known.raw, value.raw)
        if raw is not False and element != "int" and (raw is None or not value.is_tensor):
            raise Unsupported("a variable that is now Python's number, now an element of a tensor")
        self.types[name] = Type(element, rows, raw)
        code = value.code
        if mask is not None:
            if name not in self.bound:
                self._initialise(name, element, raw)
            code = chosen(self.loop.torch, mask, value, Value(named(name), element, rows=True, raw=raw)).code
        elif value.is_tensor:
            code = coerced(value, element).code
            if value.source in self.loop.changed and any(isinstance(part, ast.Slice) for part in walk(code)):
                code = method(code, "clone")
        elif rows:
            code = self.filled([self.loop.count], value, element)
        self.bound.add(name)
        self.assign(named(name), code)

    def store_list(self, name: str, expr: ast.expr) -> bool:
        """Emit `name = expr` if the expression makes a list, or is a row of a tensor."""
        match expr:
            case ast.BinOp(left=ast.List(elts=[content]), op=ast.Mult(), right=length):
                pass
            case ast.ListComp(
                elt=content,
                generators=[ast.comprehension(iter=ast.Call(func=ast.Name(id="range"), args=[length]), ifs=[])],
            ):
                pass
            case _:
                return self._store_line(name, expr)
        if not (self.is_invariant(content) and self.is_invariant(length)):
            raise Unsupported("a list that depends on the pass")
        value = self.invariant(content)
        element = self._declared(name, value.element)
        self._declare_list(name, Type(element, rows=True, is_list=True, raw=False))
        if self.is_fixed_for_all(length):
            self.lengths[name] = meaning(length)
        self.assign(named(name), self.filled([self.loop.count, length], value, element))
        return True

    def store_element(self, target: ast.Subscript, op: ast.operator | None, value: Value) -> None:
        """Emit `target = value` or `target op= value`."""
        place, name, private = self.place(target)
        if self.mask is not None:
            self._hold_indices(place)
        if private:
            known = self.types[name]
            old = Value(place, known.element, rows=True, raw=known.raw)
            new = value if op is None else arithmetic(op, old, value)
            if is_wider(new.element, old.element) or (new.raw is not False and old.element != "int"):
                raise Unsupported("a list of several kinds")
            if op is None or new.raw is not False:
                self.types[name] = Type(known.element, True, joined_raw(known.raw, new.raw), is_list=True)
            operand = (
                coerced(value, known.element)
                if value.raw is False and not is_wider(value.element, known.element)
                else value
            )
            new_code = method(new.code, "long") if new.raw is not False else coerced(new, old.element).code
        else:
            element = ELEMENTS.get(self.kinds.env.get(name, UNKNOWN).element) or "float"
            operand = self._converted(name, element, value)
            new_code = operand.code if op is None else ast.BinOp(place, op, operand.code)
        simple = isinstance(op, ast.Add | ast.Sub | ast.Mult)
        if op is not None and not private and (not simple or is_wider(operand.element, element)):
            raise Unsupported("a change in place that torch makes otherwise")
        if self.mask is not None:
            where = method(named(self.loop.torch), "where", self.mask.code, new_code, place)
            if not private and is_wider(operand.element, element):
                where = self._to_dtype(where, name)
            self.assign(place, where)
        elif op is not None and simple and operand.raw is False:
            target = copied(place)
            target.ctx = ast.Store()
            self.out.append(ast.AugAssign(target, op, operand.code))
        else:
            self.assign(place, new_code)

    def _store_line(self, name: str, expr: ast.expr) -> bool:
        found = self.line(expr)
        if found is None or isinstance(expr, ast.Name):
            return False
        source, code, raw, element = found
        changed = name in self.loop.changed
        if source in self.loop.changed or (changed and raw) or self._declared(name, element) != element:
            raise Unsupported("a row that changes")
        self._declare_list(name, Type(element, rows=True, is_list=True, raw=raw))
        if changed:
            code = method(method(code, "long") if element == "int" else code, "clone")
        self.assign(named(name), code)
        return True

    def _declare_list(self, name: str, declared: Type) -> None:
        known = self.types.get(name, declared)
        if not known.is_list or known.element != declared.element or (self.mask and name not in self.temporary):
            raise Unsupported("a variable of several kinds")
        self.types[name] = Type(declared.element, True, joined_raw(known.raw, declared.raw), is_list=True)

    def _declared(self, name: str, element: Element) -> Element:
        """Class of numbers that the variable holds at any time."""
        whole = ELEMENTS.get(self.kinds.env.get(name, UNKNOWN).innermost.element)
        if whole is None:
            raise Unsupported("a variable of unknown kind")
        return widest(whole, element)

    def _initialise(self, name: str, element: Element, raw: bool | None) -> None:
        if raw is not False and element != "int":
            raise Unsupported("a variable that only some rows have")
        self.initial[name] = element

    def _hold_indices(self, place: ast.Subscript) -> None:
        if isinstance(place.slice, ast.Tuple):
            parts = place.slice.elts
            place.slice.elts = [
                part if isinstance(part, ast.Slice) else self.held(Value(part, "int", rows=True), "at").code
                for part in parts
            ]

    def _converted(self, name: str, element: Element, value: Value) -> Value:
        """The value in the dtype of the tensor `name`."""
        if not value.is_tensor:
            return value
        if value.element == "int" and value.raw is False and name in self.loop.wide:
            return value
        return Value(self._to_dtype(value.code, name), element, value.rows)

    def _to_dtype(self, code: ast.expr, name: str) -> ast.expr:
        return method(code, "to", ast.Attribute(named(name), "dtype", ast.Load()))
