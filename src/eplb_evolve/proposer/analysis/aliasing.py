"""Which variables may share memory; every doubt counts as sharing."""

import ast

from ..program import HELPER_PREFIX
from .effects import FRESH_FUNCTIONS, FRESH_METHODS, is_library
from .expression_kinds import ExpressionKinds
from .scope import free_loads, function_locals, mutated_names, parameters, root_name
from .tree import walk

READING_BUILTINS = frozenset({"len", "int", "float", "bool", "abs", "min", "max", "sum", "round", "range", "print"})


class Aliases:
    """The variables of one function that may share memory."""

    def __init__(self, function: ast.FunctionDef, view: ExpressionKinds) -> None:
        self._view = view
        self._edges: list[set[str]] = []
        for part in walk(function):
            self._learn(part)

    def of(self, name: str) -> set[str]:
        """All variables that may share memory with `name`, itself included."""
        related = {name}
        while True:
            more = {each for edge in self._edges if edge & related for each in edge} - related
            if not more:
                return related
            related |= more

    def carried(self, expr: ast.expr) -> set[str]:
        """Variables whose memory the value of the expression may share."""
        kind = self._view.of(expr)
        if kind.is_scalar or is_fresh(expr, self._view):
            return set()
        match expr:
            case ast.Constant() | ast.Compare():
                return set()
            case ast.Subscript(value=inner) | ast.Attribute(value=inner):
                return self.carried(inner)
        names = {name for name in free_loads(expr) if name not in self._view.aliases}
        return {name for name in names if not self._is_number(name)}

    def _is_number(self, name: str) -> bool:
        return name in self._view.env and self._view.env[name].is_scalar

    def _learn(self, part: ast.AST) -> None:
        targets: list[ast.expr] = []
        value: ast.expr | None = None
        match part:
            case ast.Assign():
                targets, value = part.targets, part.value
            case ast.AnnAssign() | ast.AugAssign() | ast.NamedExpr():
                targets, value = [part.target], part.value
            case ast.For() | ast.comprehension():
                targets, value = [part.target], part.iter
            case ast.withitem(optional_vars=ast.expr() as target):
                targets, value = [target], part.context_expr
            case ast.Call(func=func, args=arguments):
                values = [*arguments, *(keyword.value for keyword in part.keywords)]
                self._learn_call(func, values)
        if value is not None and not self._stores_numbers(part, targets):
            names = {name for target in targets for name in _bases(target)}
            if not self._view.of(
                value
            ).is_array:  # of arrays without axes, inferred kinds may say that they are numbers
                names = {name for name in names if not self._is_number(name)}
            self._edges.append(names | self.carried(value))

    def _stores_numbers(self, part: ast.AST, targets: list[ast.expr]) -> bool:
        """Whether the assignment copies numbers into an array that exists."""
        if isinstance(part, ast.AugAssign):
            return self._view.of(part.target).is_array
        return isinstance(part, ast.Assign) and all(
            isinstance(target, ast.Subscript) and self._view.of(target.value).is_array for target in targets
        )

    def _learn_call(self, func: ast.expr, values: list[ast.expr]) -> None:
        given = {name for value in values for name in self.carried(value)}
        match func:
            case ast.Name(id=name) if name in READING_BUILTINS or name.startswith(HELPER_PREFIX):
                return  # compiled code keeps no references
            case ast.Attribute(value=owner) if is_library(owner, self._view):
                return  # what an assignment keeps of its result is learnt there
            case ast.Attribute(value=owner) if self._view.of(owner).is_array:
                return
            case ast.Attribute(value=owner):
                given |= {root_name(owner) or ""}
        self._edges.append(given)


def is_fresh(expr: ast.expr, view: ExpressionKinds) -> bool:
    """Whether the value of the expression is an array of its own."""
    match expr:
        case ast.BinOp() | ast.UnaryOp(op=ast.USub()):
            return view.of(expr).is_array
        case ast.Call(func=ast.Attribute(value=owner, attr=name), keywords=keywords):
            if any(keyword.arg in (None, "out") for keyword in keywords):
                return False
            if is_library(owner, view):
                return name in FRESH_FUNCTIONS
            return view.of(owner).is_array and name in FRESH_METHODS
    return False


def is_readable(function: ast.FunctionDef) -> bool:
    """Whether no function inside changes variables of this one, and no variable belongs to another scope."""
    for part in walk(function):
        if isinstance(
            part, ast.Global | ast.Nonlocal | ast.Yield | ast.YieldFrom | ast.Await | ast.Try | ast.NamedExpr
        ):
            return False
    inner = [part for part in walk(function) if isinstance(part, ast.FunctionDef) and part is not function]
    return not any(mutated_names(part.body) - function_locals(part) for part in inner)


def closed_over(function: ast.FunctionDef) -> set[str]:
    """Names that functions inside this one mention."""
    return {
        inner.id
        for part in walk(function)
        if isinstance(part, ast.FunctionDef | ast.Lambda) and part is not function
        for inner in walk(part)
        if isinstance(inner, ast.Name)
    }


def is_parameter(function: ast.FunctionDef, name: str) -> bool:
    """Whether the function is given the variable."""
    return any(argument.arg == name for argument in parameters(function))


def is_own(function: ast.FunctionDef, name: str, aliases: Aliases, view: ExpressionKinds) -> bool:
    """Whether the variable is always the only one to refer to its array, which was made for it."""
    if is_parameter(function, name) or name in closed_over(function) or aliases.of(name) != {name}:
        return False
    bound = 0
    for part in walk(function):
        match part:
            case ast.Assign(targets=[ast.Name(id=target)], value=value) if target == name:
                if not is_fresh(value, view):
                    return False
                bound += 1
            case ast.AugAssign(target=ast.Name(id=target)) if target == name:
                bound += 1
    return stores(function, name) == bound


def stores(tree: ast.AST, name: str) -> int:
    """At how many places the code binds or deletes the variable."""
    return sum(
        isinstance(part, ast.Name) and part.id == name and not isinstance(part.ctx, ast.Load) for part in walk(tree)
    )


def _bases(target: ast.expr) -> set[str]:
    match target:
        case ast.Tuple(elts=elts) | ast.List(elts=elts):
            return {name for elt in elts for name in _bases(elt)}
    name = root_name(target)
    return set() if name is None else {name}
