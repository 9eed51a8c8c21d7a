"""The kind of an expression, given the kinds of the variables in it."""

import ast
from dataclasses import replace

from .array_kinds import array_attribute, array_function, array_method
from .kinds import (
    BOOL,
    FLOAT,
    INT,
    NONE,
    NOTHING,
    UNKNOWN,
    Kind,
    as_element,
    join,
    join_all,
    join_elements,
    list_of,
    tensor,
    tuple_of,
)

_ANNOTATIONS = {"int": INT, "float": FLOAT, "bool": BOOL}
_INTEGER_BUILTINS = {"len", "int", "round", "ord", "hash"}


def annotation_kind(annotation: ast.expr | None) -> Kind:
    """Kind that an annotation promises."""
    match annotation:
        case ast.Name(id=name) if name in _ANNOTATIONS:
            return _ANNOTATIONS[name]
        case ast.Name(id="Tensor") | ast.Attribute(attr="Tensor"):
            return tensor()
        case ast.Name(id="ndarray") | ast.Attribute(attr="ndarray"):
            return tensor(library="numpy")
        case ast.Subscript(value=ast.Name(id="list" | "List"), slice=item):
            return list_of(annotation_kind(item))
        case ast.Subscript(value=ast.Name(id="tuple" | "Tuple"), slice=ast.Tuple(elts=items)):
            return tuple_of(*(annotation_kind(item) for item in items))
    return UNKNOWN


class ExpressionKinds:
    """Kinds of the expressions of one function."""

    def __init__(
        self,
        env: dict[str, Kind],
        aliases: dict[str, str],
        results: dict[str, Kind],
    ) -> None:
        self.env = env
        self.aliases = aliases
        self.results = results

    def of(self, expr: ast.AST) -> Kind:
        """Kind of an expression."""
        match expr:
            case ast.Constant(value=value):
                return _constant(value)
            case ast.Name(id=name):
                return self.env.get(name, UNKNOWN)
            case ast.Tuple(elts=elts):
                return tuple_of(*(self.of(elt) for elt in elts))
            case ast.List(elts=[]):
                return list_of(NOTHING)
            case ast.List(elts=elts):
                return list_of(join_all(tuple(self.of(elt) for elt in elts)))
            case ast.BinOp():
                return self._binary(expr)
            case ast.UnaryOp(op=ast.Not()):
                return BOOL
            case ast.UnaryOp(operand=operand):
                return self.of(operand)
            case ast.BoolOp(values=values):
                return join_all(tuple(self.of(value) for value in values))
            case ast.Compare(left=left, comparators=comparators):
                sides = [as_element(self.of(side)) for side in (left, *comparators)]
                arrays = [side for side in sides if side.is_array]
                return replace(arrays[0], element="bool") if arrays else BOOL
            case ast.IfExp(body=body, orelse=orelse):
                return join(self.of(body), self.of(orelse)) or UNKNOWN
            case ast.Attribute(value=owner, attr=name):
                return array_attribute(self.of(owner), name)
            case ast.Subscript(value=owner, slice=index):
                return self._subscript(self.of(owner), index)
            case ast.ListComp(elt=elt) | ast.GeneratorExp(elt=elt):
                return list_of(self._within(expr.generators).of(elt))
            case ast.Call():
                return self._call(expr)
        return UNKNOWN

    def module(self, expr: ast.expr) -> str | None:
        """Name of the module that an expression stands for."""
        return self.aliases.get(expr.id) if isinstance(expr, ast.Name) and expr.id not in self.env else None

    def with_names(self, **kinds: Kind) -> "ExpressionKinds":
        """The same with more variables."""
        return ExpressionKinds({**self.env, **kinds}, self.aliases, self.results)

    def _within(self, generators: list[ast.comprehension]) -> "ExpressionKinds":
        inner = self
        for generator in generators:
            inner = inner.with_names(**_target_kinds(generator.target, inner.of(generator.iter).item))
        return inner

    def _binary(self, expr: ast.BinOp) -> Kind:
        left, right = self.of(expr.left), self.of(expr.right)
        if isinstance(expr.op, ast.Mult) and "list" in (left.form, right.form):
            return left if left.form == "list" else right
        if isinstance(expr.op, ast.Add) and left.form == right.form == "list":
            return join(left, right) or UNKNOWN
        if "array" not in (left.form, right.form) and "scalar" not in (left.form, right.form):
            return UNKNOWN
        element = join_elements(left.element, right.element)
        if isinstance(expr.op, ast.Div) or "float" in (left.element, right.element):
            element = "float"
        elif element == "bool" and not isinstance(expr.op, ast.BitAnd | ast.BitOr | ast.BitXor):
            element = "int"
        if left.is_array and right.is_array:
            known = left.axes is not None and right.axes is not None
            axes = max(left.axes or 0, right.axes or 0) if known else None
            library = left.library if left.library == right.library else None
            return Kind("array", element, axes, library=library)
        if left.is_array or right.is_array:
            return replace(left if left.is_array else right, element=element)
        if left.is_scalar and right.is_scalar:
            return Kind("scalar", element)
        return UNKNOWN

    def _subscript(self, owner: Kind, index: ast.expr) -> Kind:
        match owner.form:
            case "list":
                return owner if isinstance(index, ast.Slice) else owner.item
            case "tuple":
                match index:
                    case ast.Constant(value=int() as at) if -len(owner.items) <= at < len(owner.items):
                        return owner.items[at]
                    case ast.Slice(lower=None, upper=ast.Constant(value=int() as stop), step=None):
                        return tuple_of(*owner.items[:stop])
                return owner.item
            case "array":
                return replace(owner, axes=self._axes_left(owner.axes, index))
        return UNKNOWN

    def _axes_left(self, axes: int | None, index: ast.expr) -> int | None:
        parts = index.elts if isinstance(index, ast.Tuple) else [index]
        dropped = added = 0
        fancy: list[int] = []
        for part in parts:
            kind = self.of(part)
            if isinstance(part, ast.Slice):
                continue
            if isinstance(part, ast.Constant) and part.value is None:
                added += 1
            elif kind.is_int or (kind.is_array and kind.axes == 0):
                dropped += 1
            elif kind.is_array and kind.axes is not None and kind.element == "int":
                dropped += 1
                fancy.append(kind.axes)
            else:
                return None
        return None if axes is None else axes - dropped + added + max(fancy, default=0)

    def _call(self, call: ast.Call) -> Kind:
        match call.func:
            case ast.Name(id=name) if name in self.results:
                return self.results[name]
            case ast.Name(id=name):
                return self._builtin(name, call)
            case ast.Attribute(value=owner, attr=method):
                module = self.module(owner)
                if module == "numba" and method == "prange":
                    return list_of(INT)
                if module is not None:
                    return array_function(module, method, call, self.of)
                return array_method(self.of(owner), method, call, self.of)
        return UNKNOWN

    def _builtin(self, name: str, call: ast.Call) -> Kind:
        kinds = [self.of(argument) for argument in call.args]
        if name in _INTEGER_BUILTINS:
            return INT
        match name:
            case "float":
                return FLOAT
            case "bool" | "any" | "all" | "isinstance":
                return BOOL
            case "range":
                return list_of(INT)
            case "enumerate" if kinds:
                return list_of(tuple_of(INT, kinds[0].item))
            case "zip":
                return list_of(tuple_of(*(kind.item for kind in kinds)))
            case "list" | "sorted" | "reversed" | "tuple" if kinds:
                return list_of(kinds[0].item)
            case "min" | "max" if len(kinds) > 1:
                return join_all(tuple(kinds))
            case "min" | "max" | "sum" if kinds:
                return kinds[0].item
            case "abs" if kinds:
                return kinds[0]
        return UNKNOWN


def _constant(value: object) -> Kind:
    if value is None:
        return NONE
    if isinstance(value, bool):
        return BOOL
    if isinstance(value, int):
        return INT
    return FLOAT if isinstance(value, float) else UNKNOWN


def _target_kinds(target: ast.expr, kind: Kind) -> dict[str, Kind]:
    match target:
        case ast.Name(id=name):
            return {name: kind}
        case ast.Tuple(elts=elts):
            items = kind.items if kind.form == "tuple" and len(kind.items) == len(elts) else None
            found: dict[str, Kind] = {}
            for index, elt in enumerate(elts):
                found.update(_target_kinds(elt, items[index] if items else kind.item))
            return found
    return {}
