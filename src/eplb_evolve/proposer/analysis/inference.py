"""Infer the kinds of all variables of a program.

Flow-insensitive: a variable has one kind, the join over its assignments. Parameters take theirs from annotations
and from the calls within the program.
"""

import ast
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..program import Program
from .expression_kinds import ExpressionKinds, annotation_kind
from .kinds import INT, UNKNOWN, Kind, join, join_all, list_of
from .scope import parameters
from .tree import children, meaning, walk

_ROUNDS = 4  # kinds travel through that many assignments against the text order, and as many calls

Env = dict[str, Kind]

_KEPT = 4096
_INFERRED: dict[tuple[object, ...], tuple[Env, Kind]] = {}
"""What was inferred for functions before: a step changes one or two of a program."""


class Kinds:
    """Kinds of all variables of all functions of a program."""

    def __init__(self, program: Program) -> None:
        self._aliases = program.module_aliases()
        written = program.functions()
        self._functions = {function.name: function for function in [*program.helpers(), *written]}
        self._parents = {
            inner.name: outer.name
            for outer in written
            for inner in walk(outer)
            if isinstance(inner, ast.FunctionDef) and inner is not outer
        }
        texts = program.texts()
        self._texts = {name: texts.get(name) or meaning(function) for name, function in self._functions.items()}
        self._calls = {name: self._calls_in(function) for name, function in self._functions.items()}
        self._results: dict[str, Kind] = {}
        self._arguments: dict[str, Env] = {name: {} for name in self._functions}
        self._envs: dict[str, Env] = {name: {} for name in self._functions}
        for _ in range(_ROUNDS):
            before = dict(self._envs)
            for function in self._functions.values():
                self._infer(function)
            if self._envs == before:
                break
            self._arguments = self._passed_arguments()

    def expressions(self, function: ast.FunctionDef) -> ExpressionKinds:
        """A view that tells the kind of any expression of `function`."""
        env = {**self._envs.get(self._parents.get(function.name, ""), {}), **self._envs.get(function.name, {})}
        return ExpressionKinds(env, self._aliases, self._results)

    def variable(self, function: ast.FunctionDef, name: str) -> Kind:
        """Kind of a variable of `function`."""
        return self.expressions(function).env.get(name, UNKNOWN)

    def _calls_in(self, function: ast.FunctionDef) -> list[tuple[str, ast.Call]]:
        """Calls of the program's own functions."""
        return [
            (part.func.id, part)
            for part in walk(function)
            if isinstance(part, ast.Call) and isinstance(part.func, ast.Name) and part.func.id in self._functions
        ]

    def _passed_arguments(self) -> dict[str, Env]:
        """For each function the kinds of what the program passes to it."""
        passed: dict[str, Env] = {name: {} for name in self._functions}
        for caller in self._functions.values():
            kinds = self.expressions(caller)
            for callee, call in self._calls[caller.name]:
                names = [argument.arg for argument in parameters(self._functions[callee])]
                given = [*zip(names, call.args, strict=False)]
                given += [(keyword.arg, keyword.value) for keyword in call.keywords if keyword.arg]
                for name, value in given:
                    passed[callee][name] = join(passed[callee].get(name), kinds.of(value)) or UNKNOWN
        return passed

    def _infer(self, function: ast.FunctionDef) -> None:
        name = function.name
        given = {
            argument.arg: _parameter_kind(argument, self._arguments[name].get(argument.arg))
            for argument in parameters(function)
        }
        outer = self._envs.get(self._parents.get(name, ""), {})
        results = {callee: self._results.get(callee) for callee, _ in self._calls[name]}
        key = (self._texts[name], *(tuple(part.items()) for part in (self._aliases, given, outer, results)))
        if key not in _INFERRED:
            if len(_INFERRED) >= _KEPT:
                _INFERRED.clear()
            _INFERRED[key] = self._inferred(function, given, outer)
        self._envs[name], self._results[name] = _INFERRED[key]

    def _inferred(self, function: ast.FunctionDef, given: Env, outer: Env) -> tuple[Env, Kind]:
        """Kinds of the function's variables, and of what it returns."""
        env: Env = {}
        returned: Kind = UNKNOWN
        for _ in range(_ROUNDS):
            before, env = env, dict(given)
            view = ExpressionKinds({**outer, **before, **given}, self._aliases, self._results)
            binder = _Binder(view, env)
            for stmt in function.body:
                binder.visit(stmt)
            returned = join_all(tuple(binder.returned))
            if env == before:
                break
        return env, returned


def kinds_of(program: Program) -> Kinds:
    """The kinds of a program, inferred once until the program changes."""
    known = program.memory.get("kinds")
    if not isinstance(known, Kinds):
        known = program.memory["kinds"] = Kinds(program)
    return known


class _Binder:
    """One pass over a function: a variable's kind is the join over its assignments in this pass.

    What the pass has not bound yet has the kind that the pass before found.
    """

    def __init__(self, kinds: ExpressionKinds, env: Env) -> None:
        self.kinds = kinds
        self.env = env
        self.returned: list[Kind] = []

    def visit(self, node: ast.AST) -> None:
        """Learn from the code, in the order of the text."""
        learn = _LEARNING.get(node.__class__)
        if learn is not None:
            learn(self, node)
        elif node.__class__ is not ast.FunctionDef:  # which has its own variables
            self._visit_parts(node)

    def _visit_parts(self, node: ast.AST) -> None:
        for part in children(node):
            self.visit(part)

    def returning(self, node: ast.Return) -> None:
        if node.value is not None:
            self.returned.append(self.kinds.of(node.value))

    def assignment(self, node: ast.Assign) -> None:
        kind = self.kinds.of(node.value)
        for target in node.targets:
            self._learn_axes(target, node.value)
            self._bind(target, kind)
        self._visit_parts(node)

    def declaration(self, node: ast.AnnAssign) -> None:
        kind = self.kinds.of(node.value) if node.value is not None else UNKNOWN
        self._bind(node.target, kind if kind != UNKNOWN else annotation_kind(node.annotation))
        self._visit_parts(node)

    def update(self, node: ast.AugAssign) -> None:
        self._bind(node.target, self.kinds.of(ast.BinOp(node.target, node.op, node.value)))

    def loop(self, node: ast.For) -> None:
        self._bind(node.target, self.kinds.of(node.iter).item)
        self._visit_parts(node)

    def call(self, node: ast.Call) -> None:
        match node:
            case ast.Call(func=ast.Attribute(value=owner, attr="append"), args=[value]):
                self._bind_item(owner, self.kinds.of(value))
            case ast.Call(func=ast.Name(id="range")):
                for argument in node.args:
                    if isinstance(argument, ast.Name) and self.kinds.of(argument) == UNKNOWN:
                        self.env[argument.id] = self.kinds.env[argument.id] = INT  # only integers have ranges
        self._visit_parts(node)

    def _bind(self, target: ast.expr, kind: Kind) -> None:
        match target:
            case ast.Name(id=name):
                self.env[name] = self.kinds.env[name] = join(self.env.get(name), kind) or UNKNOWN
            case ast.Tuple(elts=targets) | ast.List(elts=targets):
                items = kind.items if kind.form == "tuple" and len(kind.items) == len(targets) else None
                for index, part in enumerate(targets):
                    self._bind(part, items[index] if items else kind.item)
            case ast.Subscript(value=owner, slice=index) if not isinstance(index, ast.Slice):
                self._bind_item(owner, kind)

    def _bind_item(self, owner: ast.expr, kind: Kind) -> None:
        if self.kinds.of(owner).form == "list":
            self._bind(owner, list_of(kind))

    def _learn_axes(self, target: ast.expr, value: ast.expr) -> None:
        """`a, b = x.shape` shows that x has two axes."""
        match target, value:
            case ast.Tuple(elts=targets), ast.Attribute(value=ast.Name(id=name), attr="shape"):
                known = self.kinds.env.get(name, UNKNOWN)
                if known.form in ("unknown", "array") and known.axes is None and name in self.env:
                    learnt = replace(known, form="array", axes=len(targets))
                    self.env[name] = self.kinds.env[name] = learnt


_LEARNING: dict[type[ast.AST], Callable[[_Binder, Any], None]] = {
    ast.Return: _Binder.returning,
    ast.Assign: _Binder.assignment,
    ast.AnnAssign: _Binder.declaration,
    ast.AugAssign: _Binder.update,
    ast.For: _Binder.loop,
    ast.Call: _Binder.call,
}


def _parameter_kind(argument: ast.arg, passed: Kind | None) -> Kind:
    declared = annotation_kind(argument.annotation)
    if declared.form == "array" and passed is not None and passed.form == "array":
        return replace(declared, element=passed.element, axes=passed.axes)
    if declared != UNKNOWN:
        return declared
    return passed or UNKNOWN
