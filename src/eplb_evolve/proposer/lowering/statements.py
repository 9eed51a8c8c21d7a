"""Rewrite statements on tensors and lists into statements on numpy arrays that numba compiles.

A whitelist: whatever is not known to compile and to mean the same raises `Unsupported`, since a helper that does not
compile costs a whole evaluation.
"""

import ast
from collections.abc import Callable, Sequence

from ..analysis.expression_kinds import ExpressionKinds
from ..analysis.kinds import INT
from ..analysis.scope import bound_names
from ..analysis.tree import copied, walk
from ..templates import expression, statements
from .base import Unsupported
from .extents import Returned
from .reductions import apply_key, lift_reductions
from .values import ValueLowering


class Lowering(ValueLowering):
    """Lowers statements."""

    growing: frozenset[str] = frozenset()
    """Lists that stay lists, because something is appended to them."""

    def __init__(self, kinds: ExpressionKinds, fresh: Callable[[str], str], callee: Callable[[str], str]) -> None:
        super().__init__(kinds, fresh, callee)
        self.returned: list[Returned] = []
        """What is known at each `return`."""

    def run(self, stmts: Sequence[ast.stmt]) -> list[ast.stmt]:
        """The lowered form of a run of statements."""
        lowered = [copied(stmt) for stmt in stmts]
        lift_reductions(lowered, self.fresh)
        self.growing = frozenset(name for stmt in lowered for part in walk(stmt) for name in _appended_to(part))
        return self.block(lowered)

    def block(self, stmts: Sequence[ast.stmt]) -> list[ast.stmt]:
        """The lowered form of a block."""
        lowered: list[ast.stmt] = []
        facts = self.extents.enter()
        for stmt in stmts:
            outer, self.before = self.before, []
            bound = bound_names(stmt)
            if isinstance(stmt, ast.For | ast.While | ast.If):
                self.extents.forget(bound)
            results = self.stmt(stmt)
            lowered += self.before + results
            self.before = outer
            self.extents.forget(bound)
            for result in results:
                self._learn(result)
        self.extents.leave(facts)
        return lowered

    def _learn(self, stmt: ast.stmt) -> None:
        """What a lowered statement shows of the extents of arrays."""
        match stmt:
            case ast.Assign(
                targets=[ast.Tuple(elts=targets)], value=ast.Call(func=ast.Name(id=helper), args=arguments)
            ) if helper in self.outputs:
                names = [target.id for target in targets if isinstance(target, ast.Name)]
                self.extents.learn_outputs(names, arguments, self.outputs[helper])
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=ast.Name(id=helper), args=arguments)) if (
                helper in self.outputs
            ):
                self.extents.learn_outputs([name], arguments, self.outputs[helper])
            case ast.Assign(targets=[target], value=value):
                self.extents.learn_from(target, value)

    def stmt(self, stmt: ast.stmt) -> list[ast.stmt]:
        """The lowered form of a statement; what it needs beforehand is left in `before`."""
        match stmt:
            case ast.Assign(targets=[target], value=value) | ast.AnnAssign(target=target, value=ast.expr() as value):
                return self.assign(target, value)
            case ast.AugAssign():
                return self.augment(stmt)
            case ast.For(target=ast.Name() | ast.Tuple() as target, orelse=[]):
                iterable = self.iterable(stmt.iter)
                return [ast.For(target, iterable, self.block(stmt.body), [])]
            case ast.While(orelse=[]):
                return [ast.While(self.pure(stmt.test), self.block(stmt.body), [])]
            case ast.If():
                test = self.truth(stmt.test)
                return [ast.If(test, self.block(stmt.body), self.block(stmt.orelse))]
            case ast.Assert(test=test):
                return [ast.Assert(self.pure(test))]
            case ast.Expr(value=ast.Constant()):
                return []
            case ast.Expr(value=ast.Call(func=ast.Attribute(value=owner, attr=method)) as call):
                if isinstance(owner, ast.Name) and owner.id in self.growing and method == "append":
                    arguments = [self.expr(argument) for argument in call.args]
                    return [ast.Expr(ast.Call(call.func, arguments, []))]
                return self.in_place(owner, method, call)
            case ast.Pass() | ast.Break() | ast.Continue():
                return [stmt]
            case ast.Return(value=ast.expr() as value):
                lowered = self.expr(value)
                self.returned.append(self.extents.returned(lowered))
                return [ast.Return(lowered)]
        raise Unsupported(type(stmt).__name__)

    def assign(self, target: ast.expr, value: ast.expr) -> list[ast.stmt]:
        """`target = value`."""
        match target, value:
            case ast.Name(id=name), ast.List(elts=[]) if name in self.growing:
                return [ast.Assign([target], value)]
            case ast.Name(id=name), _:
                kind = self.kinds.of(ast.Name(name, ast.Load()))
                if kind.form == "list" and isinstance(value, ast.BinOp | ast.ListComp | ast.List):
                    return [ast.Assign([target], self.fill(value, kind.innermost))]
                return [ast.Assign([target], self.expr(value))]
            case ast.Tuple(elts=[first, second]), ast.Call(func=ast.Attribute(attr="max" | "min" | "sort" as name)):
                values = self.assign(first, ast.Attribute(value, "values", ast.Load()))
                return values + self.assign(second, ast.Attribute(value, "indices", ast.Load()))
            case ast.Tuple(elts=targets), _ if all(isinstance(part, ast.Name) for part in targets):
                return [ast.Assign([target], self.expr(value))]
            case ast.Subscript(), _:
                return self.store(target, self.expr(value), self.kinds.of(value))
        raise Unsupported("assignment target")

    def augment(self, stmt: ast.AugAssign) -> list[ast.stmt]:
        """`target op= value`."""
        match stmt.target:
            case ast.Name(id=name):
                if self.kinds.of(ast.Name(name, ast.Load())).form == "list":
                    raise Unsupported("list concatenation")
                return [ast.AugAssign(stmt.target, stmt.op, self.expr(stmt.value))]
            case ast.Subscript() as target:
                return self.augmented(target, stmt.op, stmt.value)
        raise Unsupported("augmented assignment target")

    def iterable(self, iterable: ast.expr) -> ast.expr:
        """What a `for` runs over."""
        match iterable:
            case ast.Call(func=ast.Name(id="sorted"), args=[argument], keywords=keywords) if keywords:
                return self.sorted_items(argument, keywords)
            case ast.Call(func=ast.Name(id="reversed"), args=[argument]):
                if self.kinds.of(argument).form not in ("array", "list") or isinstance(argument, ast.Call):
                    raise Unsupported("reversed")
                return expression("items[::-1]", items=self.expr(argument))
        return self.expr(iterable)

    def sorted_items(self, argument: ast.expr, keywords: list[ast.keyword]) -> ast.expr:
        """`sorted(range(n), key=..., reverse=...)` as a stable sort of the keys."""
        options = {keyword.arg: keyword.value for keyword in keywords}
        flip = options.get("reverse", ast.Constant(False))
        if not isinstance(argument, ast.Call) or "key" not in options or not isinstance(flip, ast.Constant):
            raise Unsupported("sorted")
        size, item, keys = self.length(argument), self.fresh("item"), self.fresh("keys")
        inner = Lowering(self.kinds.with_names(**{item: INT}), self.fresh, self.callee)
        score = inner.pure(apply_key(options["key"], ast.Name(item, ast.Load())))
        if isinstance(score, ast.Tuple):
            raise Unsupported("sorted by several keys")
        sign = "-" if flip.value else ""
        self.before += statements(
            f"{keys} = np.empty(size)\nfor {item} in range(size):\n    {keys}[{item}] = {sign}(score)",
            size=size,
            score=score,
        )
        return self.order(keys, 1, falls=False)


def _appended_to(part: ast.AST) -> list[str]:
    match part:
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="append")):
            return [name]
    return []
