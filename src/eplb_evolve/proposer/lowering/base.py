"""What all parts of the lowering share."""

import ast
from collections.abc import Callable

from ..analysis.expression_kinds import ExpressionKinds
from ..templates import expression, statements
from .extents import Extents, Outputs


class Unsupported(Exception):
    """The code has no known compiled form."""


class LoweringBase:
    """Rewrites the code of one function. `before` collects the statements that the current one needs first."""

    def __init__(self, kinds: ExpressionKinds, fresh: Callable[[str], str], callee: Callable[[str], str]) -> None:
        self.kinds = kinds
        self.fresh = fresh
        self.callee = callee
        """Name of the compiled form of a function of the program, or `Unsupported`."""
        self.before: list[ast.stmt] = []
        self.extents = Extents()
        self.outputs: dict[str, Outputs] = {}
        """What is known of the results of compiled functions."""

    def expr(self, expr: ast.expr) -> ast.expr:
        """The lowered form of an expression."""
        raise NotImplementedError

    def emit(self, text: str, **parts: ast.expr) -> None:
        """Put statements in front of the current one."""
        new = statements(text, **parts)
        self.before += new
        for stmt in new:
            if isinstance(stmt, ast.Assign):
                self.extents.learn_from(stmt.targets[0], stmt.value)

    def held(self, value: ast.expr, base: str = "held") -> str:
        """The name of a variable that holds a lowered value."""
        if isinstance(value, ast.Name):
            return value.id
        name = self.fresh(base)
        self.emit(f"{name} = value", value=value)
        return name

    def dtype(self, expr: ast.expr | None) -> ast.expr | None:
        """A dtype argument; None when it is not a dtype that numba knows."""
        match expr:
            case ast.Attribute(value=owner, attr=name) if self.kinds.module(owner) in ("torch", "numpy"):
                return expression(f"np.{_DTYPES[name]}") if name in _DTYPES else None
            case ast.Attribute(value=owner, attr="dtype"):
                return expression("owner.dtype", owner=self.expr(owner))
        return None


_DTYPES = {
    **{name: name for name in ("int8", "int16", "int32", "int64", "float32", "float64")},
    **{"long": "int64", "float": "float32", "double": "float64", "int": "int32", "bool": "bool_"},
}
