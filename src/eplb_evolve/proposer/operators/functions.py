"""Where one function ends and another begins (T0)."""

import ast
import random
from collections import Counter
from collections.abc import Iterator

from ..analysis.aliasing import is_readable
from ..analysis.liveness import Interface, exposed_reads, interface
from ..analysis.scope import Block, blocks, bound_names, function_locals, parameters, target_names
from ..analysis.tree import copied, walk
from ..program import HELPER_PREFIX, Program
from ..templates import statements
from .base import Operator
from .calls import calls_of, constants_passed, without_parameter
from .inlining import can_be_inlined, inlined, is_plain


def _inline_function(program: Program, rng: random.Random) -> bool:
    """A call of a function is replaced by what the function does."""
    known = {name: function for name, function in _top_level(program).items() if can_be_inlined(function)}
    places: list[tuple[Block, int, list[ast.stmt]]] = []
    for outer in _written(program):
        if is_readable(outer):
            for block, index, stmt in _statements(outer):
                match stmt:
                    case (
                        ast.Assign(value=ast.Call(func=ast.Name(id=name)))
                        | ast.Return(value=ast.Call(func=ast.Name(id=name)))
                        | ast.Expr(value=ast.Call(func=ast.Name(id=name)))
                    ) if name in known and known[name] is not outer:
                        new = inlined(stmt, known[name], outer)
                        places += [(block, index, new)] if new is not None else []
    if not places:
        return False
    block, index, new = rng.choice(places)
    block[index : index + 1] = new
    return True


def _split_function(program: Program, rng: random.Random) -> bool:
    """A run of statements of a function becomes a function."""
    runs = [
        (function, block, start, stop)
        for function in _written(program)
        if is_readable(function) and is_plain(function) and not function.decorator_list
        for block in blocks(function)
        for start in range(len(block))
        for stop in range(start + 1, len(block) + 1)
        if _is_worth_a_name(block[start:stop]) and block[start:stop] != function.body
    ]
    rng.shuffle(runs)
    for function, block, start, stop in runs:
        shared = _interface(function, block, start, stop)
        if shared is not None:
            inputs, outputs = ", ".join(shared.inputs), ", ".join(shared.outputs)
            name = program.names()("part")
            (part,) = statements(f"def {name}({inputs}):\n    return {outputs}")
            assert isinstance(part, ast.FunctionDef)
            _annotate(part, function)
            part.body = block[start:stop] + (part.body if outputs else [])
            block[start:stop] = statements(f"{outputs} = {name}({inputs})" if outputs else f"{name}({inputs})")
            program.add_helper(part, function)
            return True
    return False


def _specialise(program: Program, rng: random.Random) -> bool:
    """A parameter that is given the same number at every call becomes that number."""
    places: list[tuple[ast.FunctionDef, list[ast.Call], int, ast.expr]] = []
    for function in [*_top_level(program).values(), *program.helpers()]:
        calls = calls_of(program.tree, function.name)
        if calls and function.name not in program.outside | program.roots:
            places += [(function, calls, index, value) for index, value in constants_passed(function, calls)]
    if not places:
        return False
    without_parameter(*rng.choice(places))
    return True


OPERATORS = (
    Operator("inline_function", "T0", 0.3, _inline_function),
    Operator("split_function", "T0", 0.2, _split_function),
    Operator("specialise", "T0", 0.2, _specialise),
)


def _written(program: Program) -> list[ast.FunctionDef]:
    """The top-level functions that are not compiled."""
    return [
        stmt
        for stmt in program.tree.body
        if isinstance(stmt, ast.FunctionDef) and not stmt.name.startswith(HELPER_PREFIX)
    ]


def _top_level(program: Program) -> dict[str, ast.FunctionDef]:
    """Functions without decorators that their names always mean; none when functions rebind global names."""
    if any(isinstance(part, ast.Global) for part in walk(program.tree)):
        return {}
    times = Counter(name for stmt in program.tree.body for name in bound_names(stmt))
    return {
        function.name: function
        for function in _written(program)
        if not function.decorator_list and times[function.name] == 1
    }


def _statements(function: ast.FunctionDef) -> Iterator[tuple[Block, int, ast.stmt]]:
    """Every statement of a function and of those inside it, with its place."""
    for inner in walk(function):
        if isinstance(inner, ast.FunctionDef):
            for block in blocks(inner):
                yield from ((block, index, stmt) for index, stmt in enumerate(block))


def _is_worth_a_name(run: Block) -> bool:
    """Whether the run is more than one simple statement and is left at its end only."""
    text = any(isinstance(stmt, ast.Expr) and isinstance(stmt.value, ast.Constant) for stmt in run)
    leaves = any(isinstance(part, ast.Return) for stmt in run for part in walk(stmt))
    large = len(run) > 1 or isinstance(run[0], ast.For | ast.While)
    return large and not text and not leaves and not any(_jumps(run))


def _jumps(stmts: Block) -> Iterator[ast.stmt]:
    """Statements that go on elsewhere in a loop around these ones."""
    for stmt in stmts:
        match stmt:
            case ast.Break() | ast.Continue():
                yield stmt
            case ast.If(body=body, orelse=orelse):
                yield from _jumps([*body, *orelse])
            case ast.With(body=body) | ast.For(orelse=body) | ast.While(orelse=body):
                yield from _jumps(body)


def _interface(function: ast.FunctionDef, block: Block, start: int, stop: int) -> Interface | None:
    """The interface of a run whose inputs surely exist before it and whose outputs surely exist after it."""
    shared = interface(function, block, start, stop, set())
    inputs = set(shared.inputs)
    given = frozenset(argument.arg for argument in parameters(function))
    before = _surely_bound(function.body, block, start, given) or frozenset()
    reads, bound = exposed_reads(block[start:stop])
    known = reads & function_locals(function) <= inputs <= before
    return shared if known and not shared.kept and set(shared.outputs) <= bound | inputs else None


def _surely_bound(stmts: Block, block: Block, start: int, bound: frozenset[str]) -> frozenset[str] | None:
    """Names bound whenever `block[start]`, somewhere in `stmts`, is reached."""
    if stmts is block:
        return exposed_reads(stmts[:start], bound)[1]
    for index, stmt in enumerate(stmts):
        before = exposed_reads(stmts[:index], bound)[1]
        for field in ("body", "orelse"):
            more = target_names(stmt.target) if isinstance(stmt, ast.For) and field == "body" else set()
            found = _surely_bound(getattr(stmt, field, []), block, start, before | more)
            if found is not None:
                return found
    return None


def _annotate(part: ast.FunctionDef, function: ast.FunctionDef) -> None:
    """Declare parameters as they are declared in the function that they come from."""
    declared = {argument.arg: argument.annotation for argument in function.args.args}
    for argument in part.args.args:
        if argument.arg not in bound_names(function.body):
            annotation = declared.get(argument.arg)
            argument.annotation = copied(annotation) if annotation is not None else None
