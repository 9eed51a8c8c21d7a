"""Statements of one pass as statements over all rows."""

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from ..analysis.liveness import exposed_reads
from ..analysis.scope import Block, bound_names
from ..analysis.tree import walk
from ..lowering.base import Unsupported
from .base import Type
from .stores import Stores
from .values import Value, combined, element_at, method, named, negated


class Statements(Stores):
    """Rewrites the statements of the body."""

    def block(self, block: Block) -> None:
        """Emit what stands for a block of the body."""
        for stmt in block:
            self._statement(stmt)

    def _statement(self, stmt: ast.stmt) -> None:
        match stmt:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                if not self.store_list(name, value):
                    self.store(name, self.value(value))
            case ast.AugAssign(target=ast.Name(id=name), op=op, value=value):
                self.store(name, self.value(ast.BinOp(named(name), op, value)))
            case ast.Assign(targets=[ast.Subscript() as target], value=value):
                self.store_element(target, None, self.value(value))
            case ast.AugAssign(target=ast.Subscript() as target, op=op, value=value):
                self.store_element(target, op, self.value(value))
            case ast.If(test=test, body=first, orelse=second):
                self._if(test, first, second)
            case ast.For(target=ast.Name(id=name), iter=iterable, body=inner, orelse=[]):
                self._for(stmt, name, None, iterable, inner)
            case ast.For(
                target=ast.Tuple(elts=[ast.Name(id=place), ast.Name(id=name)]),
                iter=ast.Call(func=ast.Name(id="enumerate"), args=[iterable], keywords=[]),
                body=inner,
                orelse=[],
            ):
                self._for(stmt, name, place, iterable, inner)
            case ast.Pass() | ast.Expr(value=ast.Constant()):
                pass
            case _:
                raise Unsupported("a statement without a counterpart")

    def _if(self, condition: ast.expr, first: Block, second: Block) -> None:
        match condition:
            case ast.BoolOp(op=ast.And(), values=[fixed, *rest]) if self.is_invariant(fixed) and not second:
                inner = rest[0] if len(rest) == 1 else ast.BoolOp(ast.And(), rest)
                if not self.is_invariant(condition):
                    condition, first = fixed, [ast.If(inner, first, [])]
        test = self.test(condition)
        if not test.is_tensor:
            branch = ast.If(test.code, self._inner(first), self._inner(second))
            branch.body = branch.body or [ast.Pass()]
            self.out.append(branch)
            return
        if isinstance(test.code, ast.Name):
            test = replace(test, code=method(test.code, "clone"))  # the block may assign to the variable
        test = self.held(test, "mask")
        self._masked(test, first)
        if second:
            self._masked(negated(test), second)

    def _masked(self, test: Value, block: Block) -> None:
        before, temporary = self.mask, self.temporary
        self.mask = self.held(test if before is None else combined(ast.And(), before, test), "mask")
        self.temporary = {name for name in bound_names(block) if self._is_used_in(name, block)}
        self.temporary -= exposed_reads(block)[0]
        self.block(block)
        self.mask, self.temporary = before, temporary

    def _for(self, loop: ast.For, name: str, place: str | None, iterable: ast.expr, inner: Block) -> None:
        for target in (name, place):
            if target is not None and (
                target in bound_names(inner) or (self.mask and not self._is_used_in(target, [loop]))
            ):
                raise Unsupported("a loop variable with another use")
        match iterable:
            case ast.Call(func=ast.Name(id="range"), args=bounds, keywords=[]) if place is None:
                if not all(self.is_invariant(bound) for bound in bounds):
                    raise Unsupported("a loop whose length depends on the pass")
                self._declare(name, Type("int", rows=False))
                self.out.append(ast.For(ast.Name(name, ast.Store()), iterable, self._inner(inner) or [ast.Pass()], []))
                return
        found = self.line(iterable)
        if found is None:
            raise Unsupported("a loop over something unknown")
        source, _, raw, element = found
        step = place or self.fresh("step")
        if place is not None:
            self._declare(place, Type("int", rows=False))
        self._declare(name, Type(element, rows=True, raw=raw))
        rows = ast.Slice(None, None if source in self.loop.private else self.loop.count)
        code: ast.expr = element_at(source, [rows, named(step)])
        if raw is False and source not in self.loop.private:
            code = method(code, "double" if element == "float" else "long")
        if source in self.loop.changed:
            code = method(code, "clone")
        with self._nested() as body:
            self.assign(named(name), code)
            self.bound.add(name)
            self.block(inner)
        width = ast.parse(f"range({source}.shape[1])", mode="eval").body
        self.out.append(ast.For(ast.Name(step, ast.Store()), width, body, []))

    def _declare(self, name: str, declared: Type) -> None:
        if self.types.setdefault(name, declared) != declared:
            raise Unsupported("a loop variable with another use")

    def _inner(self, block: Block) -> Block:
        with self._nested() as out:
            self.block(block)
        return out

    @contextmanager
    def _nested(self) -> Iterator[Block]:
        """Within the context, statements go to a new block, which may not be executed."""
        out, bound = self.out, set(self.bound)
        self.out = []
        yield self.out
        self.out, self.bound = out, bound

    def _is_used_in(self, name: str, block: Block) -> bool:
        """Whether nothing else in the body reads the variable."""
        return _reads(self.loop.body, name) == _reads(block, name)


def _reads(block: Block, name: str) -> int:
    return sum(
        isinstance(part, ast.Name) and part.id == name and isinstance(part.ctx, ast.Load)
        for stmt in block
        for part in walk(stmt)
    )
