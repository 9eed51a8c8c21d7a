"""`min`, `max`, `sum`, `any` and `all` over a generator, for all rows at once."""

import ast
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

from ..lowering.base import Unsupported
from ..lowering.reductions import apply_key
from .indexing import Indexing
from .values import Value, aligned, coerced, combined, method, named, number, truth


class Reductions(Indexing):
    """Rewrites reductions over `range(bound)`."""

    def test(self, expr: ast.expr) -> Value:
        """Whether the expression counts as true."""
        raise NotImplementedError

    def reduction(self, name: str, argument: ast.expr, keywords: list[ast.keyword]) -> Value:
        """What stands for `name(argument, key=...)`."""
        variable, bound, tests, element = self._generator(argument)
        if self.lane is not None or variable == self.loop.row or any(keyword.arg != "key" for keyword in keywords):
            raise Unsupported("a reduction of another form")
        if not self.is_invariant(bound):
            raise Unsupported("a reduction whose length depends on the pass")
        self.lane = variable, bound
        try:
            condition = self._condition(tests)
            if not keywords:
                with self._where(condition):
                    return self._of_values(name, condition, element)
            if name not in ("min", "max") or not (isinstance(element, ast.Name) and element.id == variable):
                raise Unsupported("a reduction of another form")
            with self._where(condition):
                scores = self._chosen_lanes(name, condition, self.value(apply_key(keywords[0].value, element)))
        finally:
            self.lane = None
        # of equal scores torch takes the first, as Python does
        return Value(method(scores.code, f"arg{name}", ast.Constant(1)), "int", rows=True)

    def _generator(self, argument: ast.expr) -> tuple[str, ast.expr, list[ast.expr], ast.expr]:
        """Variable, bound of its range, conditions and element."""
        match argument:
            case ast.GeneratorExp(elt=element, generators=[clause]) | ast.ListComp(elt=element, generators=[clause]):
                match clause:
                    case ast.comprehension(
                        target=ast.Name(id=name), iter=ast.Call(func=ast.Name(id="range"), args=[bound], keywords=[])
                    ) if not clause.is_async:
                        return name, bound, clause.ifs, element
            case ast.Call(func=ast.Name(id="range"), args=[bound], keywords=[]):
                name = self.fresh("candidate")
                return name, bound, [], named(name)
        raise Unsupported("a reduction over something else than a range")

    def _where(self, condition: Value | None) -> AbstractContextManager[None]:
        if condition is not None and not condition.is_tensor:
            raise Unsupported("a condition that is the same in all passes")
        return nullcontext() if condition is None else self.where(condition)

    def _condition(self, tests: list[ast.expr]) -> Value | None:
        if not tests:
            return None
        return self.test(tests[0] if len(tests) == 1 else ast.BoolOp(ast.And(), tests))

    def _of_values(self, name: str, condition: Value | None, element: ast.expr) -> Value:
        match name:
            case "min" | "max":
                values = self._chosen_lanes(name, condition, self.value(element))
                return Value(
                    method(values.code, f"a{name}", ast.Constant(1)), values.element, rows=True, raw=values.raw
                )
            case "any" | "all":
                test = self.test(element)
                if condition is not None:
                    skipped = Value(ast.UnaryOp(ast.Invert(), condition.code), "bool", condition.rows, condition.lanes)
                    test = combined(ast.And(), condition, test) if name == "any" else combined(ast.Or(), skipped, test)
                return Value(method(self._wide(test).code, name, ast.Constant(1)), "bool", rows=True)
            case "sum":
                return self._sum(condition, element)
        raise Unsupported("a call of something unknown")

    def _sum(self, condition: Value | None, element: ast.expr) -> Value:
        if condition is not None and isinstance(element, ast.Constant) and element.value == 1:
            counted = condition
        else:
            counted = self._within(condition, self._integers(self.value(element)), number(0))
        return Value(method(self._wide(counted).code, "sum", ast.Constant(1)), "int", rows=True)

    def _chosen_lanes(self, name: str, condition: Value | None, scores: Value) -> Value:
        """Scores [rows, lanes], those that do not count so bad that they are not chosen."""
        if scores.element != "float":
            scores = self._integers(scores)
        elif scores.raw is not False:
            raise Unsupported("scores in a tensor's dtype, which may be no floats")
        return self._wide(self._within(condition, scores, self._worst(name, scores)))

    def _within(self, condition: Value | None, values: Value, other: Value) -> Value:
        if condition is None:
            return values
        if not values.is_tensor:
            raise Unsupported("a reduction over equal numbers")
        parts = aligned(condition, values)
        code = method(named(self.loop.torch), "where", *parts, other.code)
        return replace(
            values,
            code=code,
            rows=condition.rows or values.rows,
            lanes=condition.lanes or values.lanes,
            source=None,
        )

    def _worst(self, name: str, scores: Value) -> Value:
        if scores.element == "float":
            text = "inf" if name == "min" else "-inf"
            return Value(ast.Call(named("float"), [ast.Constant(text)], []), "float")
        return number(2**63 - 1 if name == "min" else -(2**63))

    @staticmethod
    def _integers(values: Value) -> Value:
        """Integers of 64 bits."""
        if values.element == "float":
            raise Unsupported("a sum of floats, which depends on the order")
        if values.raw is False:
            return coerced(values, "int")
        return replace(
            truth(values) if values.element == "bool" else values, code=method(values.code, "long"), element="int"
        )

    @staticmethod
    def _wide(values: Value) -> Value:
        if not (values.rows and values.lanes):
            raise Unsupported("a reduction that is the same in all passes")
        return values
