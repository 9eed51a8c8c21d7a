"""Find loops over independent rows, and rewrite one."""

import ast

from ..analysis.expression_kinds import ExpressionKinds
from ..analysis.independence import element_accesses, possible_aliases
from ..analysis.kinds import UNKNOWN
from ..analysis.liveness import exposed_reads, interface
from ..analysis.scope import Block, blocks, bound_names, free_loads, function_locals, identifiers, root_name
from ..analysis.tree import copied, located, walk
from ..lowering.base import Unsupported
from ..program import NameSource, Program
from .base import Loop, Type
from .statements import Statements
from .values import named, number
from .varying import varying_names

_ATTEMPTS = 5  # each learns the kinds of variables from the one before


def batched(
    program: Program, kinds: ExpressionKinds, function: ast.FunctionDef, block: Block, index: int, scope: set[str]
) -> Block:
    """Statements that do what the loop `block[index]` does for all passes at once, or `Unsupported`."""
    stmt = block[index]
    assert isinstance(stmt, ast.For)
    match stmt:
        case ast.For(
            target=ast.Name(id=row), iter=ast.Call(func=ast.Name(id="range"), args=[count], keywords=[]), orelse=[]
        ):
            pass
        case _:
            raise Unsupported("a loop over something else than a range")
    _require_independence(function, block, index, row, scope)
    private = frozenset(bound_names(stmt.body))
    loop = Loop(
        row=row,
        count=count,
        body=stmt.body,
        private=private,
        varying=varying_names(stmt.body, row),
        changed=frozenset(_changed(stmt.body)),
        wide=frozenset(_integers_of_64_bits(function)),
        torch=_torch(kinds),
        device=_device(stmt.body, row, kinds, private),
    )
    types: dict[str, Type] = {}
    for _ in range(_ATTEMPTS):
        before, fresh = dict(types), program.names()
        statements = _attempt(loop, kinds, fresh, types)
        if types == before:
            # written anew, since parts occur in several places
            return ast.parse(ast.unparse(located(ast.Module(statements, [])))).body
    raise Unsupported("variables whose kinds do not settle")


def _attempt(loop: Loop, kinds: ExpressionKinds, fresh: NameSource, types: dict[str, Type]) -> Block:
    before: Block = []
    if not isinstance(loop.count, ast.Name | ast.Constant) or free_loads(loop.count) & loop.private:
        name = fresh("count")
        before.append(ast.Assign([ast.Name(name, ast.Store())], loop.count))
        loop = Loop(**{**vars(loop), "count": named(name)})
    writer = Statements(loop, kinds, fresh, types)
    writer.block(loop.body)
    initial = [
        ast.Assign([ast.Name(name, ast.Store())], writer.filled([loop.count], number(0), element))
        for name, element in sorted(writer.initial.items())
    ]
    if writer.rows in free_loads(writer.out):
        arange = ast.parse(f"{loop.torch}.arange()", mode="eval").body
        assert isinstance(arange, ast.Call)
        arange.args, arange.keywords = [loop.count], [ast.keyword("device", copied(loop.device))]
        before.append(ast.Assign([ast.Name(writer.rows, ast.Store())], arange))
    return before + initial + writer.out


def _require_independence(function: ast.FunctionDef, block: Block, index: int, row: str, scope: set[str]) -> None:
    """Refuse a loop whose passes see each other's variables, or that changes memory with two names.

    That elements which change belong to the pass's own row is looked after where subscripts are rewritten.
    """
    stmt = block[index]
    assert isinstance(stmt, ast.For)
    bound = bound_names(stmt.body)
    if row in bound or exposed_reads(stmt.body)[0] & bound:
        raise Unsupported("a variable that lives on from pass to pass")
    if _outputs(function, block, index, scope):
        raise Unsupported("a variable of the last pass that is used later")
    used = identifiers(stmt)
    for name in _changed(stmt.body) - bound:
        if (possible_aliases(function, name) - {name} - bound) & used:
            raise Unsupported("a change of something with two names")
    for name, place in _outer_places(stmt.body, bound):
        if not (isinstance(place, ast.Name) and place.id == row):
            raise Unsupported(f"a change of {name} outside of the pass's own row")


def _changed(body: Block) -> set[str]:
    """Variables that the body stores elements in; other changes in place have no counterpart and are refused later."""
    parts = [part for stmt in body for part in walk(stmt)]
    stored = [part for part in parts if isinstance(part, ast.Subscript) and isinstance(part.ctx, ast.Store)]
    return {name for part in stored if (name := root_name(part)) is not None}


def _outputs(function: ast.FunctionDef, block: Block, index: int, scope: set[str]) -> tuple[str, ...]:
    """Variables that the loop leaves behind; lambdas inside it do not outlive a pass."""
    position = next(number for number, each in enumerate(blocks(function)) if each is block)
    function = copied(function)
    block = list(blocks(function))[position]
    for part in walk(block[index]):
        if isinstance(part, ast.keyword) and isinstance(part.value, ast.Lambda):
            part.value = ast.Constant(None)
    return interface(function, block, index, index + 1, scope).outputs


def _outer_places(body: Block, bound: set[str]) -> list[tuple[str, ast.expr]]:
    """Each changed variable from outside with the first index of each access to it."""
    changed = _changed(body) - bound
    return [(name, parts[0]) for name, parts in element_accesses(body) if name in changed]


def _torch(kinds: ExpressionKinds) -> str:
    for alias, module in kinds.aliases.items():
        if module == "torch":
            return alias
    raise Unsupported("a program without torch")


def _device(body: Block, row: str, kinds: ExpressionKinds, private: frozenset[str]) -> ast.expr:
    """Device of the first tensor that the loop takes rows from."""
    for name, parts in element_accesses(body):
        first = parts[0]
        own = isinstance(first, ast.Name) and first.id == row
        if own and name not in private and kinds.env.get(name, UNKNOWN).is_tensor:
            return ast.Attribute(named(name), "device", ast.Load())
    raise Unsupported("a loop without a tensor")


def _integers_of_64_bits(function: ast.FunctionDef) -> set[str]:
    """Variables that only ever hold tensors made with an explicit dtype of 64-bit integers."""
    found: set[str] = set()
    for part in walk(function):
        match part:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(keywords=keywords)):
                dtypes = [keyword.value for keyword in keywords if keyword.arg == "dtype"]
                if any(isinstance(dtype, ast.Attribute) and dtype.attr in ("int64", "long") for dtype in dtypes):
                    found.add(name)
    assigned = [part.id for part in walk(function) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)]
    return {name for name in found if assigned.count(name) == 1} - (
        function_locals(function) - bound_names(function.body)
    )
