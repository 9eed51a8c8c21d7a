"""Move a run of statements into a function that numba compiles, and call it with numpy views."""

import ast
import textwrap
from dataclasses import dataclass, field

from ..analysis.expression_kinds import ExpressionKinds
from ..analysis.inference import Kinds
from ..analysis.kinds import UNKNOWN, Kind
from ..analysis.liveness import interface
from ..analysis.scope import Block, bound_names, function_locals, identifiers, mutated_names
from ..analysis.tree import children, located, walk
from ..program import HELPER_PREFIX, NameSource, Program, helper_name
from ..templates import statements
from .base import Unsupported
from .extents import Outputs, outputs
from .sorting import SortForm
from .statements import Lowering

_LEAVING = (ast.Return, ast.FunctionDef, ast.Try, ast.With)


@dataclass
class Outliner:
    """Outlines runs of one program; `helpers` collects what the calls need."""

    program: Program
    kinds: Kinds
    names: NameSource
    sort_form: SortForm = "library"
    writes: bool = True
    """Whether helpers are written, or it is only looked at whether they can be."""
    helpers: list[ast.FunctionDef] = field(default_factory=list)
    _callees: dict[str, str] = field(default_factory=dict)
    _outputs: dict[str, Outputs] = field(default_factory=dict)

    def replacement(
        self, function: ast.FunctionDef, block: Block, start: int, stop: int, outer: ast.FunctionDef | None
    ) -> list[ast.stmt]:
        """Statements that stand for `block[start:stop]`, or `Unsupported`."""
        run = block[start:stop]
        if any(isinstance(part, _LEAVING) for stmt in run for part in walk(stmt)) or _breaks_out(run):
            raise Unsupported("statements that leave the run")
        scope = function_locals(outer) if outer else set()
        shared = interface(function, block, start, stop, scope)
        if shared.kept:
            raise Unsupported("a variable that keeps its value from an earlier pass")
        kinds = self.kinds.expressions(function)
        lowering = self._lowering(kinds, self.names)
        lowered = lowering.run(run)
        boundary = _Boundary(kinds, self.names, run, mutated_names(run), lowering.growing)
        arguments = [boundary.argument(name) for name in shared.inputs]
        if shared.outputs:
            lowered += statements(f"return {', '.join(shared.outputs)}")
        helper = self._helper(list(shared.inputs), lowered)
        call = f"{helper}({', '.join(arguments)})"
        return boundary.statements(call, shared.outputs)

    def install(self, function: ast.FunctionDef) -> None:
        """Put the helpers and the imports that they need into the program."""
        self.program.add_import("import numba")
        self.program.add_import("import numpy as np")
        for helper in self.helpers:
            self.program.add_helper(helper, function)

    def _helper(self, inputs: list[str], body: list[ast.stmt]) -> str:
        if not self.writes:
            return f"{HELPER_PREFIX}{len(self._outputs)}"
        text = ast.unparse(located(ast.Module(body or [ast.Pass()], [])))
        header = f"@numba.njit(error_model='numpy')\ndef {HELPER_PREFIX}({', '.join(inputs)}):\n"
        function = ast.parse(header + textwrap.indent(text, "    ")).body[0]
        assert isinstance(function, ast.FunctionDef)
        # named by content, so that the same helper found twice stays one when programs cross
        function.name = helper_name(function)
        self.helpers.append(function)
        return function.name

    def _callee(self, name: str) -> str:
        """The compiled form of a function that a run calls."""
        if name in self._callees:
            return self._callees[name]
        if any(helper.name == name for helper in self.program.helpers()):
            return name
        function = self._plain_function(name)
        self._callees[name] = name  # a function that calls itself is refused by numba
        kinds = self.kinds.expressions(function)
        lowering = self._lowering(kinds, NameSource(identifiers(function)))
        lowered, inputs = lowering.run(function.body), [argument.arg for argument in function.args.args]
        self._callees[name] = self._helper(inputs, lowered)
        fixed = set(inputs) - bound_names(function.body)
        self._outputs[self._callees[name]] = outputs(inputs, fixed, lowering.returned)
        return self._callees[name]

    def _lowering(self, kinds: ExpressionKinds, names: NameSource) -> Lowering:
        lowering = Lowering(kinds, names, self._callee)
        lowering.sort_form, lowering.outputs = self.sort_form, self._outputs
        return lowering

    def _plain_function(self, name: str) -> ast.FunctionDef:
        """A top-level function of the region that is called with positional arguments only."""
        for stmt in self.program.tree.body:
            match stmt:
                case ast.FunctionDef(args=ast.arguments(defaults=[], kwonlyargs=[]), decorator_list=[]):
                    if stmt.name == name:
                        return stmt
        raise Unsupported(f"call of {name}")


class _Boundary:
    """Converts what crosses between the function and its helper."""

    def __init__(
        self, kinds: ExpressionKinds, fresh: NameSource, run: Block, changed: set[str], growing: frozenset[str]
    ) -> None:
        self.kinds = kinds
        self.fresh = fresh
        self.run = run
        self.changed = changed
        self.growing = growing
        self.before: list[str] = []
        self.after: list[str] = []

    def argument(self, name: str) -> str:
        """The expression that passes a variable to the helper."""
        kind = self.kinds.env.get(name, UNKNOWN)
        if name in self.growing:
            raise Unsupported("a list from outside that grows")
        if kind.form == "list":
            return self._list_argument(name, kind)
        if kind.form == "tuple":
            return f"tuple({name})"
        if kind.is_array and kind.axes == 0:
            return f"{name}.item()"
        if kind.form == "unknown" and name in self.changed:
            raise Unsupported("a change of something unknown")
        if kind.is_array or (kind.form == "unknown" and self._is_indexed(name)):
            view = "np.asarray" if name in self.changed else "np.ascontiguousarray"
            return f"{view}({name})"
        return name

    def statements(self, call: str, outputs: tuple[str, ...]) -> list[ast.stmt]:
        """The call with all conversions around it."""
        received: list[str] = []
        for name in outputs:
            kind = self.kinds.env.get(name, UNKNOWN)
            if kind.is_scalar:
                received.append(name)
                continue
            # the array gets a name of its own, so that the variable stays of one kind for later analyses
            array = self.fresh(f"{name}_array")
            received.append(array)
            restored = f"list({array})" if name in self.growing else self._restored(array, kind)
            self.after.append(f"{name} = {restored}")
        lines = [*self.before, f"{', '.join(received)} = {call}" if received else call, *self.after]
        return statements("\n".join(lines))

    def _restored(self, array: str, kind: Kind) -> str:
        """What a variable was in the original code, made from the array that the helper returns."""
        if kind.is_array and kind.axes != 0 and kind.library == "torch":
            return f"{self._torch()}.from_numpy({array})"
        if kind.is_array and kind.axes != 0 and kind.library == "numpy":
            return array
        if kind.form == "list":
            return f"{array}.tolist()"
        raise Unsupported("a result of unknown kind")

    def _list_argument(self, name: str, kind: Kind) -> str:
        element = {"int": "np.int64", "bool": "np.bool_", "float": "np.float64"}.get(kind.innermost.element or "")
        array = f"np.array({name}, dtype={element})" if element else f"np.array({name})"
        if name not in self.changed:
            return array
        held = self.fresh(f"{name}_array")
        self.before.append(f"{held} = {array}")
        self.after.append(f"{name}[:] = {held}.tolist()")
        return held

    def _is_indexed(self, name: str) -> bool:
        for stmt in self.run:
            for part in walk(stmt):
                match part:
                    case ast.Subscript(value=ast.Name(id=used)) | ast.For(iter=ast.Name(id=used)) if used == name:
                        return True
                    case ast.Attribute(value=ast.Name(id=used), attr="shape") if used == name:
                        return True
        return False

    def _torch(self) -> str:
        for alias, module in self.kinds.aliases.items():
            if module == "torch":
                return alias
        raise Unsupported("a tensor without torch")


def _breaks_out(run: Block) -> bool:
    """Whether a `break` or `continue` in the run belongs to a loop around it."""
    pending: list[ast.AST] = list(run)
    while pending:
        part = pending.pop()
        if isinstance(part, ast.Break | ast.Continue):
            return True
        if not isinstance(part, ast.For | ast.While):
            pending += children(part)
    return False
