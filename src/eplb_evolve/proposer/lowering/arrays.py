"""Tensor methods and functions as numpy code that numba compiles.

Numba knows few array functions along an axis. Those are written as loops over rows, emitted in front of the
statement that needs them.
"""

import ast
from collections.abc import Callable

from ..analysis.expression_kinds import ExpressionKinds
from ..analysis.kinds import Kind
from ..templates import expression, statements


class Unsupported(Exception):
    """The code has no known compiled form."""


_SAME_VALUE = frozenset({"cpu", "contiguous", "detach", "numpy", "item", "asarray", "ascontiguousarray"})
_CASTS = {"float": "float32", "double": "float64", "long": "int64", "int": "int32", "bool": "bool_"}
_DTYPES = {
    **{name: name for name in ("int8", "int16", "int32", "int64", "float32", "float64")},
    **{"long": "int64", "float": "float32", "double": "float64", "int": "int32", "bool": "bool_"},
}
_PLAIN_FUNCTIONS = frozenset(
    {"abs", "sqrt", "exp", "log", "log2", "floor", "ceil", "minimum", "maximum", "where", "cumsum", "isnan"}
)
_MATH_FUNCTIONS = frozenset({"floor", "ceil", "sqrt", "exp", "log", "log2", "gcd", "fabs"})
_NUMBERS = {"inf": "np.inf", "pi": "np.pi", "nan": "np.nan", "e": "np.e"}
_ROW_FUNCTIONS = frozenset({"argmin", "argmax", "min", "max", "sum"})


class ArrayLowering:
    """Calls on arrays. `before` collects the statements that the current one needs first."""

    def __init__(self, kinds: ExpressionKinds, fresh: Callable[[str], str]) -> None:
        self.kinds = kinds
        self.fresh = fresh
        self.before: list[ast.stmt] = []

    def expr(self, expr: ast.expr) -> ast.expr:
        """The lowered form of an expression."""
        raise NotImplementedError

    def emit(self, text: str, **parts: ast.expr) -> None:
        """Put statements in front of the current one."""
        self.before += statements(text, **parts)

    def held(self, value: ast.expr, base: str = "held") -> str:
        """The name of a variable that holds a lowered value."""
        if isinstance(value, ast.Name):
            return value.id
        name = self.fresh(base)
        self.emit(f"{name} = value", value=value)
        return name

    def constant(self, module: str, name: str) -> ast.expr:
        """`module.name` as a value."""
        if name in _NUMBERS:
            return expression(_NUMBERS[name])
        raise Unsupported(f"{module}.{name}")

    def dtype(self, expr: ast.expr | None) -> ast.expr | None:
        """A dtype argument; None when it is not a dtype that numba knows."""
        match expr:
            case ast.Attribute(value=owner, attr=name) if self.kinds.module(owner) in ("torch", "numpy"):
                return expression(f"np.{_DTYPES[name]}") if name in _DTYPES else None
            case ast.Attribute(value=owner, attr="dtype"):
                return expression("owner.dtype", owner=self.expr(owner))
        return None

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
            case _ if name in _CASTS and not arguments:
                return expression(f"owner.astype(np.{_CASTS[name]})", owner=self.expr(owner))
            case "to" | "astype" | "type":
                dtype = self.dtype(arguments[0] if arguments else keywords.get("dtype"))
                lowered = self.expr(owner)
                return expression("owner.astype(kind)", owner=lowered, kind=dtype) if dtype else lowered
            case _ if name in _ROW_FUNCTIONS:
                return self._reduced(owner, kind, name, arguments, keywords)
            case "view" | "reshape" | "flatten" | "ravel":
                return self._reshaped(owner, kind, name, arguments)
            case "expand" | "repeat":
                return self._expanded(owner, kind, name, arguments)
            case "unsqueeze" if len(arguments) == 1:
                return expression("np.expand_dims(owner, at)", owner=self.expr(owner), at=arguments[0])
            case "gather" if len(arguments) == 2:
                return self._gathered(owner, kind, arguments)
            case "argsort":
                return self._sorted_rows(owner, kind, arguments, keywords)
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
            return self._sorted_rows(owner, kind, call.args, keywords)
        if name in ("min", "max"):
            return self._reduced(owner, kind, f"arg{name}" if part == "indices" else name, call.args, keywords)
        raise Unsupported(f"{name}().{part}")

    def in_place(self, owner: ast.expr, name: str, call: ast.Call) -> list[ast.stmt]:
        """A method that changes its owner."""
        match name, call.args:
            case "fill_", [value]:
                return statements("owner[...] = value", owner=self.expr(owner), value=self.expr(value))
            case "zero_", []:
                return statements("owner[...] = 0", owner=self.expr(owner))
            case "scatter_", [axis, index, source] if self._is_last_axis(axis, 2):
                if self.kinds.of(owner).axes != 2 or self.kinds.of(index).axes != 2:
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
        raise Unsupported(f"method {name}")

    def _filled(
        self, module: str, name: str, arguments: list[ast.expr], keywords: dict[str | None, ast.expr]
    ) -> ast.expr:
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

    def _filled_like(
        self, name: str, arguments: list[ast.expr], keywords: dict[str | None, ast.expr]
    ) -> ast.expr:
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

    def _is_last_axis(self, axis: ast.expr | None, axes: int) -> bool:
        return axis is not None and ast.unparse(axis) in ("-1", str(axes - 1))

    def _reduced(
        self,
        owner: ast.expr,
        kind: Kind,
        name: str,
        arguments: list[ast.expr],
        keywords: dict[str | None, ast.expr],
    ) -> ast.expr:
        axis = arguments[0] if arguments else keywords.get("dim", keywords.get("axis"))
        if len(arguments) > 1 or set(keywords) - {"dim", "axis"}:
            raise Unsupported(name)
        if axis is None or (kind.axes == 1 and self._is_last_axis(axis, 1)):
            return expression(f"owner.{name}()", owner=self.expr(owner))
        if kind.axes is None or not self._is_last_axis(axis, kind.axes):
            raise Unsupported(f"{name} along a leading axis")
        if name == "sum":
            return expression(f"np.sum(owner, axis={kind.axes - 1})", owner=self.expr(owner))
        if kind.axes != 2:
            raise Unsupported(f"{name} of {kind.axes} axes")
        dtype = "np.int64" if name.startswith("arg") else "{}.dtype"
        return self._by_row(owner, f"{{}}[row].{name}()", dtype, "{}.shape[0]")

    def _sorted_rows(
        self, owner: ast.expr, kind: Kind, arguments: list[ast.expr], keywords: dict[str | None, ast.expr]
    ) -> ast.expr:
        axis = arguments[0] if arguments else keywords.get("dim")
        flip = keywords.get("descending", arguments[1] if len(arguments) > 1 else None)
        if not isinstance(flip, ast.Constant | None) or set(keywords) - {"dim", "descending", "stable"}:
            raise Unsupported("sort")
        sign = "-" if flip is not None and flip.value else ""
        if kind.axes == 1:
            return expression(f"np.argsort({sign}owner, kind='mergesort')", owner=self.expr(owner))
        if kind.axes != 2 or not (axis is None or self._is_last_axis(axis, 2)):
            raise Unsupported("sort along a leading axis")
        return self._by_row(owner, f"np.argsort({sign}{{}}[row], kind='mergesort')", "np.int64", "{}.shape")

    def _by_row(self, owner: ast.expr, element: str, dtype: str, shape: str) -> ast.expr:
        held, rows, row = self.held(self.expr(owner)), self.fresh("rows"), self.fresh("row")
        self.emit(
            f"{rows} = np.empty({shape.format(held)}, {dtype.format(held)})\n"
            f"for {row} in range({held}.shape[0]):\n"
            f"    {rows}[{row}] = {element.format(held).replace('[row]', f'[{row}]')}\n"
        )
        return expression(rows)

    def _gathered(self, owner: ast.expr, kind: Kind, arguments: list[ast.expr]) -> ast.expr:
        axis, index = arguments
        if kind.axes != 2 or self.kinds.of(index).axes != 2 or not self._is_last_axis(axis, 2):
            raise Unsupported("gather")
        held, places, result = self.held(self.expr(owner)), self.held(self.expr(index)), self.fresh("gathered")
        row, column = self.fresh("row"), self.fresh("column")
        self.emit(
            f"{result} = np.empty({places}.shape, {held}.dtype)\n"
            f"for {row} in range({places}.shape[0]):\n"
            f"    for {column} in range({places}.shape[1]):\n"
            f"        {result}[{row}, {column}] = {held}[{row}, {places}[{row}, {column}]]\n"
        )
        return expression(result)

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
            shape = expression(f"(count, {held}.shape[0])", count=self.expr(arguments[0]))
        else:
            raise Unsupported(name)
        spread = expression(f"np.broadcast_to({held}, shape)", shape=shape)
        return expression("spread.copy()", spread=spread) if name == "repeat" else spread
