"""Tensor methods and functions as numpy code that numba compiles."""

import ast

from ..analysis.kinds import Kind
from ..templates import expression, statements
from .base import Unsupported
from .elementwise import CASTS, ElementwiseLowering
from .rows import Keywords

_SAME_VALUE = frozenset({"cpu", "contiguous", "detach", "numpy", "item", "asarray", "ascontiguousarray"})
_PLAIN_FUNCTIONS = frozenset(
    {"abs", "sqrt", "exp", "log", "log2", "floor", "ceil", "minimum", "maximum", "where", "cumsum", "isnan"}
)
_MATH_FUNCTIONS = frozenset({"floor", "ceil", "sqrt", "exp", "log", "log2", "gcd", "fabs"})
_NUMBERS = {"inf": "np.inf", "pi": "np.pi", "nan": "np.nan", "e": "np.e"}
_ROW_FUNCTIONS = frozenset({"argmin", "argmax", "min", "max", "sum"})


class ArrayLowering(ElementwiseLowering):
    """Calls on arrays."""

    def constant(self, module: str, name: str) -> ast.expr:
        """`module.name` as a value."""
        if name in _NUMBERS:
            return expression(_NUMBERS[name])
        raise Unsupported(f"{module}.{name}")

    def function(self, module: str, name: str, call: ast.Call) -> ast.expr:
        """`module.name(...)`."""
        if module == "math" and name in _MATH_FUNCTIONS:
            return ast.Call(call.func, [self.expr(argument) for argument in call.args], [])
        if module not in ("torch", "numpy"):
            raise Unsupported(f"{module}.{name}")
        arguments = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg != "device"}
        if name in ("zeros", "ones", "empty", "full"):
            return self._filled(module, name, call.args, arguments)
        if name in ("zeros_like", "ones_like", "empty_like", "full_like"):
            return self._filled_like(name, call.args, arguments)
        if name == "arange" and set(arguments) <= {"dtype"}:
            dtype = self.dtype(arguments.get("dtype")) or expression("np.int64")
            if not all(self.kinds.of(argument).is_int for argument in call.args):
                raise Unsupported("arange of fractions")
            bounds = [self.expr(argument) for argument in call.args]
            return ast.Call(expression("np.arange"), bounds, [ast.keyword("dtype", dtype)])
        if self.is_elementwise(call):
            return self.elementwise(call)
        if name in _PLAIN_FUNCTIONS and not arguments:
            return ast.Call(expression(f"np.{name}"), [self.expr(argument) for argument in call.args], [])
        if call.args and self.kinds.of(call.args[0]).is_array:
            return self.method(call.args[0], name, ast.Call(call.func, call.args[1:], call.keywords))
        raise Unsupported(f"{module}.{name}")

    def method(self, owner: ast.expr, name: str, call: ast.Call) -> ast.expr:
        """`owner.name(...)` where the owner is an array."""
        kind = self.kinds.of(owner)
        keywords = {keyword.arg: keyword.value for keyword in call.keywords}
        arguments = call.args
        match name:
            case _ if name in _SAME_VALUE:
                return self.expr(owner)
            case "clone" | "tolist" | "copy":
                return expression("owner.copy()", owner=self.expr(owner))
            case "size" | "dim" | "numel":
                return self._extent(owner, name, arguments)
            case _ if name in CASTS and not arguments and self.is_elementwise(call):
                return self.elementwise(call)
            case _ if name in CASTS and not arguments:
                return expression(f"owner.astype(np.{CASTS[name]})", owner=self.expr(owner))
            case "to" | "astype" | "type":
                dtype = self.dtype(arguments[0] if arguments else keywords.get("dtype"))
                lowered = self.expr(owner)
                return expression("owner.astype(kind)", owner=lowered, kind=dtype) if dtype else lowered
            case _ if name in _ROW_FUNCTIONS:
                return self.reduced(owner, kind, name, arguments, keywords)
            case "view" | "reshape" | "flatten" | "ravel":
                return self._reshaped(owner, kind, name, arguments)
            case "expand" | "repeat":
                return self._expanded(owner, kind, name, arguments)
            case "unsqueeze" if len(arguments) == 1:
                return expression("np.expand_dims(owner, at)", owner=self.expr(owner), at=arguments[0])
            case "gather" if len(arguments) == 2:
                return self.gathered(owner, kind, arguments)
            case "argsort":
                return self.sorted_rows(owner, kind, arguments, keywords)
            case _ if name in _PLAIN_FUNCTIONS and not arguments and not keywords:
                return expression(f"np.{name}(owner)", owner=self.expr(owner))
        raise Unsupported(f"method {name}")

    def pair(self, call: ast.Call, name: str, part: str) -> ast.expr:
        """`owner.sort(...).indices`, `owner.max(dim).values` and their like."""
        assert isinstance(call.func, ast.Attribute)
        owner = call.func.value
        kind = self.kinds.of(owner)
        keywords = {keyword.arg: keyword.value for keyword in call.keywords}
        if name == "sort" and part == "indices":
            return self.sorted_rows(owner, kind, call.args, keywords)
        if name in ("min", "max"):
            return self.reduced(owner, kind, f"arg{name}" if part == "indices" else name, call.args, keywords)
        raise Unsupported(f"{name}().{part}")

    def in_place(self, owner: ast.expr, name: str, call: ast.Call) -> list[ast.stmt]:
        """A method that changes its owner."""
        match name, call.args:
            case "fill_", [value]:
                return statements("owner[...] = value", owner=self.expr(owner), value=self.expr(value))
            case "zero_", []:
                return statements("owner[...] = 0", owner=self.expr(owner))
            case "scatter_", [axis, index, source]:
                return self.scattered(owner, axis, index, source)
        raise Unsupported(f"method {name}")

    def _filled(self, module: str, name: str, arguments: list[ast.expr], keywords: Keywords) -> ast.expr:
        default = "np.float32" if module == "torch" else "np.float64"
        sizes = arguments if module == "torch" and name != "full" else arguments[:1]
        shape = sizes[0] if len(sizes) == 1 else ast.Tuple(sizes, ast.Load())
        given = keywords.get("dtype")
        dtype = self.dtype(given) or (None if given is not None else expression(default))
        if dtype is None or not sizes or set(keywords) - {"dtype", "fill_value"}:
            raise Unsupported(name)
        if name != "full":
            return expression(f"np.{name}(shape, kind)", shape=self.expr(shape), kind=dtype)
        filler = keywords.get("fill_value", arguments[-1])
        if given is None:
            return expression("np.full(shape, filler)", shape=self.expr(shape), filler=self.expr(filler))
        return expression("np.full(shape, filler, kind)", shape=self.expr(shape), filler=self.expr(filler), kind=dtype)

    def _filled_like(self, name: str, arguments: list[ast.expr], keywords: Keywords) -> ast.expr:
        if not arguments or set(keywords) - {"dtype", "fill_value"}:
            raise Unsupported(name)
        like = self.held(self.expr(arguments[0]))
        given = keywords.get("dtype")
        dtype = expression(f"{like}.dtype") if given is None else self.dtype(given)
        if dtype is None:
            raise Unsupported(f"{name} of unknown dtype")
        plain = name.removesuffix("_like")
        if plain != "full":
            return expression(f"np.{plain}({like}.shape, kind)", kind=dtype)
        filler = keywords.get("fill_value", arguments[-1])
        return expression(f"np.full({like}.shape, filler, kind)", filler=self.expr(filler), kind=dtype)

    def _extent(self, owner: ast.expr, name: str, arguments: list[ast.expr]) -> ast.expr:
        attribute = {"size": "shape", "dim": "ndim", "numel": "size"}[name]
        lowered = expression(f"owner.{attribute}", owner=self.expr(owner))
        return expression("shape[axis]", shape=lowered, axis=arguments[0]) if arguments else lowered

    def _reshaped(self, owner: ast.expr, kind: Kind, name: str, arguments: list[ast.expr]) -> ast.expr:
        lowered = self.expr(owner)
        if name in ("view", "reshape") and arguments:
            sizes = [self.expr(argument) for argument in arguments]
            shape = sizes[0] if len(sizes) == 1 else ast.Tuple(sizes, ast.Load())
        elif not arguments:
            return expression("np.ascontiguousarray(owner).ravel()", owner=lowered)
        elif kind.axes == 3 and ast.unparse(arguments[0]) == "1":
            held = self.held(lowered)
            lowered, shape = expression(held), expression(f"({held}.shape[0], {held}.shape[1] * {held}.shape[2])")
        else:
            raise Unsupported(name)
        return expression("np.ascontiguousarray(owner).reshape(shape)", owner=lowered, shape=shape)

    def _expanded(self, owner: ast.expr, kind: Kind, name: str, arguments: list[ast.expr]) -> ast.expr:
        held = self.held(self.expr(owner))
        if len(arguments) == 1 and self.kinds.of(arguments[0]).form in ("tuple", "list") and name == "expand":
            shape = self.expr(arguments[0])
        elif kind.axes == 1 and len(arguments) == 2 and ast.unparse(arguments[1]) in ("-1", "1"):
            if (name == "repeat") != (ast.unparse(arguments[1]) == "1"):
                raise Unsupported(name)
            count = self.expr(arguments[0])
            if name == "repeat":
                return self._repeated(held, count)
            shape = expression(f"(count, {held}.shape[0])", count=count)
        else:
            raise Unsupported(name)
        return expression(f"np.broadcast_to({held}, shape)", shape=shape)

    def _repeated(self, held: str, count: ast.expr) -> ast.expr:
        rows, row, column = self.fresh("rows"), self.fresh("row"), self.fresh("column")
        self.emit(
            f"{rows} = np.empty((count, {held}.shape[0]), {held}.dtype)\n"
            f"for {row} in range({rows}.shape[0]):\n"
            f"    for {column} in range({rows}.shape[1]):\n"
            f"        {rows}[{row}, {column}] = {held}[{column}]\n",
            count=count,
        )
        return expression(rows)
