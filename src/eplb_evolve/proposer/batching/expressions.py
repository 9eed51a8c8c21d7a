"""Expressions of one pass as expressions over all rows."""

import ast
import itertools
from dataclasses import replace

from ..analysis.tree import walk
from ..lowering.base import Unsupported
from .reductions import Reductions
from .values import (
    Element,
    Value,
    aligned,
    arithmetic,
    chosen,
    combined,
    comparison,
    computed,
    joined_raw,
    method,
    named,
    negated,
    number,
    truth,
)

_FAILING = (ast.Subscript, ast.Div, ast.FloorDiv, ast.Mod)
_PAIRS = {"min": "minimum", "max": "maximum"}


class Expressions(Reductions):
    """Rewrites expressions."""

    def value(self, expr: ast.expr) -> Value:
        """What stands for the expression."""
        if self.is_invariant(expr):
            return self.invariant(expr)
        match expr:
            case ast.Name(id=name):
                return self._variable(name)
            case ast.Subscript():
                found = self.element(expr)
                if not found.is_tensor:
                    raise Unsupported("an element that is the same in all passes")
                return found
            case ast.BinOp(left=left, op=op, right=right):
                return self._binary(op, self.value(left), self.value(right))
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return negated(self.test(operand))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return arithmetic(ast.Mult(), number(-1), self.value(operand))
            case ast.Compare(left=left, ops=ops, comparators=others):
                sides = [self.value(side) for side in (left, *others)]
                pairs = [comparison(op, *pair) for op, pair in zip(ops, itertools.pairwise(sides), strict=True)]
                return self._all(ast.And(), pairs)
            case ast.BoolOp(values=values) if all(self.kinds.of(value).element == "bool" for value in values):
                return self.test(expr)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return self._choice(self.test(test), body, orelse)
            case ast.Call(func=ast.Attribute(value=owner, attr="item"), args=[], keywords=[]):
                if self.kinds.of(owner).element is None:
                    raise Unsupported("an element of unknown class")
                value = self.value(owner)
                return self._python(value, value.element)
            case ast.Call(func=ast.Name(id=name), args=[argument], keywords=keywords) if keywords or isinstance(
                argument, ast.GeneratorExp | ast.ListComp
            ):
                return self.reduction(name, argument, keywords)
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                return self._call(name, [self.value(argument) for argument in arguments])
        raise Unsupported("an expression without a counterpart")

    def test(self, expr: ast.expr) -> Value:
        """Whether the expression counts as true."""
        match expr:
            case ast.BoolOp(op=op, values=values) if not self.is_invariant(expr):
                result = self.test(values[0])
                for value in values[1:]:
                    if not result.is_tensor:
                        if any(isinstance(part, _FAILING) for part in walk(value)):
                            raise Unsupported("a part that may fail where the loop left it out")
                        result = combined(op, result, self.test(value))
                        continue
                    # as in the loop, what comes later counts only where the earlier ones leave it open
                    with self.where(result if isinstance(op, ast.And) else negated(result)):
                        result = combined(op, result, self.test(value))
                return result
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return negated(self.test(operand))
        return truth(self.value(expr))

    def _variable(self, name: str) -> Value:
        if name == self.loop.row:
            return Value(named(self.rows), "int", rows=True)
        if self.lane is not None and name == self.lane[0]:
            bound = method(named(self.loop.torch), "arange", self.lane[1])
            assert isinstance(bound, ast.Call)
            bound.keywords = [ast.keyword("device", self.loop.device)]
            return Value(bound, "int", lanes=True)
        known = self.types.get(name)
        if known is None or known.is_list or not known.rows:
            raise Unsupported("a variable of unknown kind")
        return Value(named(name), known.element, rows=True, raw=known.raw)

    def _binary(self, op: ast.operator, left: Value, right: Value) -> Value:
        guarded = isinstance(op, ast.FloorDiv | ast.Mod) and right.is_tensor and self.mask is not None
        if guarded and self.mask is not None:
            right = chosen(self.loop.torch, self.mask, right, number(1))
        return arithmetic(op, left, right)

    def _choice(self, test: Value, body: ast.expr, orelse: ast.expr) -> Value:
        if not test.is_tensor:
            raise Unsupported("a choice that is the same in all passes")
        with self.where(test):
            first = self.value(body)
        with self.where(negated(test)):
            second = self.value(orelse)
        return chosen(self.loop.torch, test, first, second)

    def _call(self, name: str, values: list[Value]) -> Value:
        match name, values:
            case "float", [value]:
                return self._python(value, "float")
            case "int", [value]:
                return self._python(value, "int")
            case "bool", [value]:
                return truth(value)
            case "abs", [value] if value.element != "bool":
                return replace(value, code=method(value.code, "abs"), source=None)
            case "min" | "max", [first, second]:
                return self._extreme_of_two(name, first, second)
        raise Unsupported("a call of something unknown")

    def _extreme_of_two(self, name: str, first: Value, second: Value) -> Value:
        if first.element != second.element or "bool" in (first.element, second.element):
            raise Unsupported("numbers of two classes")
        if first.is_tensor and second.is_tensor:
            if first.raw is not second.raw and first.element == "float":
                raise Unsupported("numbers of Python and elements of tensors together")
            call = method(named(self.loop.torch), _PAIRS[name], *aligned(first, second))
            return computed(call, first.element, joined_raw(first.raw, second.raw), first, second)
        tensor, bound = (first, second) if first.is_tensor else (second, first)
        if tensor.raw and tensor.element == "float":
            raise Unsupported("a number that may be Python's or a tensor's")
        code = method(tensor.code, "clamp")
        assert isinstance(code, ast.Call)
        code.keywords = [ast.keyword("max" if name == "min" else "min", bound.code)]
        return computed(code, tensor.element, None if tensor.raw else tensor.raw, tensor)

    def _python(self, value: Value, element: Element) -> Value:
        """The value as Python's own number: 64 bits."""
        code = value.code
        if value.element != element or value.raw is not False:
            code = code if element == "bool" else method(code, "double" if element == "float" else "long")
        return replace(value, code=code, element=element, raw=False)

    @staticmethod
    def _all(op: ast.boolop, values: list[Value]) -> Value:
        result = values[0]
        for value in values[1:]:
            result = combined(op, result, value)
        return result
