"""Expressions as numpy code that numba compiles."""

import ast

from ..analysis.kinds import Kind
from ..templates import expression
from .base import Unsupported
from .indexing import IndexLowering

_NATIVE_CALLS = frozenset({"range", "len", "int", "float", "bool", "round", "enumerate", "zip"})
_LIST_REDUCTIONS = {"min": "min", "max": "max", "sum": "sum"}


class ValueLowering(IndexLowering):
    """Lowers expressions."""

    def expr(self, expr: ast.expr) -> ast.expr:
        """The lowered form of an expression."""
        kind = self.kinds.of(expr)
        match expr:
            case ast.Constant(value=bool() | int() | float() | None):
                return expr
            case ast.Name(id=name):
                if self.kinds.module(expr) is not None:
                    raise Unsupported(f"module {name} as a value")
                return ast.Name(name, ast.Load())
            case ast.Tuple(elts=elts):
                return ast.Tuple([self.expr(elt) for elt in elts], ast.Load())
            case ast.BinOp() | ast.ListComp() | ast.List() if kind.form == "list":
                return self.fill(expr, kind.innermost)
            case ast.BinOp(left=left, op=op, right=right):
                if isinstance(op, ast.MatMult):
                    raise Unsupported("matrix product")
                if self.is_elementwise(expr):
                    return self.elementwise(expr)
                return ast.BinOp(self.expr(left), op, self.expr(right))
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return ast.UnaryOp(ast.Not(), self.truth(operand))
            case ast.UnaryOp(op=op, operand=operand):
                return ast.UnaryOp(op, self.expr(operand))
            case ast.BoolOp(op=op, values=values):
                return ast.BoolOp(op, [self.truth(values[0]), *(self.pure(value) for value in values[1:])])
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return ast.IfExp(self.truth(test), self.pure(body), self.pure(orelse))
            case ast.Compare(left=left, ops=ops, comparators=sides):
                if any(isinstance(op, ast.In | ast.NotIn) for op in ops) or self.kinds.of(left).form == "list":
                    raise Unsupported("comparison of lists")
                if self.is_elementwise(expr):
                    return self.elementwise(expr)
                return ast.Compare(self.expr(left), ops, [self.expr(side) for side in sides])
            case ast.Subscript():
                return self.read(expr)
            case ast.Attribute(value=owner, attr=name):
                return self.attribute(owner, name)
            case ast.Call():
                return self.call(expr)
        raise Unsupported(type(expr).__name__)

    def pure(self, expr: ast.expr) -> ast.expr:
        """The lowered form of an expression that is not evaluated exactly once, so nothing may go before it."""
        outer, self.before = self.before, []
        lowered = self.truth(expr)
        if self.before:
            raise Unsupported("array operation under a condition")
        self.before = outer
        return lowered

    def truth(self, test: ast.expr) -> ast.expr:
        """A test; the truth of a list is whether it has items."""
        if self.kinds.of(test).form == "list":
            return expression("len(items) > 0", items=self.expr(test))
        return self.expr(test)

    def fill(self, value: ast.expr, item: Kind) -> ast.expr:
        """`[c] * n`, nested comprehensions of one value and lists of numbers as one array."""
        sizes: list[ast.expr] = []
        while True:
            match value:
                case ast.ListComp(elt=inner, generators=[ast.comprehension(iter=iterable, ifs=[])]):
                    sizes.append(self.length(iterable))
                    if not isinstance(inner, ast.BinOp | ast.ListComp | ast.Constant):
                        raise Unsupported("comprehension")
                    value = inner
                case ast.BinOp(left=ast.List(elts=[inner]), op=ast.Mult(), right=size):
                    sizes.append(self.expr(size))
                    value = inner
                case _:
                    break
        if not sizes and isinstance(value, ast.List) and value.elts:
            items: ast.expr = ast.List([self._number(elt, item) for elt in value.elts], ast.Load())
            return expression("np.array(items)", items=items)
        if not sizes or not self.kinds.of(value).is_scalar:
            raise Unsupported("list")
        shape = sizes[0] if len(sizes) == 1 else ast.Tuple(sizes, ast.Load())
        return expression("np.full(shape, filler)", shape=shape, filler=self._number(value, item))

    def length(self, iterable: ast.expr) -> ast.expr:
        """Number of items of a range or array."""
        match iterable:
            case ast.Call(func=ast.Name(id="range"), args=[stop]):
                return self.expr(stop)
            case ast.Name() if self.kinds.of(iterable).form in ("array", "list"):
                return expression("len(iterable)", iterable=self.expr(iterable))
        raise Unsupported("iterable of unknown length")

    def attribute(self, owner: ast.expr, name: str) -> ast.expr:
        """`owner.name` as a value."""
        module = self.kinds.module(owner)
        if module is not None:
            return self.constant(module, name)
        match owner:
            case ast.Call(func=ast.Attribute(attr=method)) if name in ("values", "indices"):
                return self.pair(owner, method, name)
        if name in ("shape", "T", "ndim", "size") and self.kinds.of(owner).form in ("array", "unknown"):
            return expression(f"owner.{name}", owner=self.expr(owner))
        raise Unsupported(f"attribute {name}")

    def call(self, call: ast.Call) -> ast.expr:
        """A call for its value."""
        match call.func:
            case ast.Name(id=name):
                return self.builtin(name, call)
            case ast.Attribute(value=owner, attr=method):
                module = self.kinds.module(owner)
                if module is not None:
                    return self.function(module, method, call)
                if self.kinds.of(owner).form == "list" and method == "copy":
                    return expression("owner.copy()", owner=self.expr(owner))
                if method == "item" or self.kinds.of(owner).is_array:
                    return self.method(owner, method, call)
        raise Unsupported("call")

    def builtin(self, name: str, call: ast.Call) -> ast.expr:
        """A call of a builtin or of another function of the program."""
        kinds = [self.kinds.of(argument) for argument in call.args]
        if call.keywords:
            raise Unsupported(f"{name} with keywords")
        if name == "float" and isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, str):
            sign = "-" if call.args[0].value.startswith("-") else ""
            if call.args[0].value.lstrip("+-").lower() in ("inf", "infinity"):
                return expression(f"{sign}np.inf")
        if name in _NATIVE_CALLS or (name in ("min", "max") and len(call.args) > 1):
            return ast.Call(call.func, [self.expr(argument) for argument in call.args], [])
        if name in _LIST_REDUCTIONS and kinds and kinds[0].depth == 1:
            return expression(f"items.{name}()", items=self.expr(call.args[0]))
        if name in ("list", "tuple") and kinds and kinds[0].form in ("list", "array"):
            return expression("items.copy()", items=self.expr(call.args[0]))
        if name == "abs" and kinds:
            return expression("abs(value)", value=self.expr(call.args[0]))
        if name == "sorted" and kinds and kinds[0].depth == 1 and not isinstance(call.args[0], ast.Call):
            return expression("np.sort(items)", items=self.expr(call.args[0]))
        helper = self.callee(name)
        return ast.Call(ast.Name(helper, ast.Load()), [self.expr(argument) for argument in call.args], [])

    def _number(self, value: ast.expr, item: Kind) -> ast.expr:
        if item.element in ("int", "bool"):
            return self.expr(value)
        if isinstance(value, ast.Constant) and isinstance(value.value, int | float):
            return ast.Constant(float(value.value))
        return expression("float(number)", number=self.expr(value))
