"""Write `min`, `max`, `sum`, `any` and `all` over a generator as an explicit loop."""

import ast
from collections.abc import Callable, Sequence

from ..analysis.scope import free_loads, target_names
from ..analysis.tree import children, copied
from ..templates import expression, renamed, replace_expression, statements, substituted

Fresh = Callable[[str], str]

_EXTREMES = {"min": ast.Lt, "max": ast.Gt}


def is_reduction(expr: ast.AST) -> bool:
    """Whether `expand` can write the expression as a loop."""
    match expr:
        case ast.Call(func=ast.Name(id="min" | "max"), args=[argument], keywords=keywords):
            known = all(keyword.arg in ("key", "default") for keyword in keywords)
            return known and (isinstance(argument, ast.GeneratorExp | ast.ListComp) or bool(keywords))
        case ast.Call(func=ast.Name(id="sum" | "any" | "all"), args=[argument], keywords=[]):
            return isinstance(argument, ast.GeneratorExp | ast.ListComp)
    return False


def expand(call: ast.Call, result: str, fresh: Fresh) -> list[ast.stmt]:
    """Statements that leave the value of the reduction `call` in the variable `result`."""
    assert isinstance(call.func, ast.Name)
    generators, element = _generators(call.args[0], fresh)
    name = call.func.id
    if name in _EXTREMES:
        default = next((keyword.value for keyword in call.keywords if keyword.arg == "default"), None)
        key = next((keyword.value for keyword in call.keywords if keyword.arg == "key"), None)
        before, inner = _extreme(_EXTREMES[name](), element, result, default, key, fresh)
    elif name == "sum":
        before = statements(f"{result} = 0")
        inner = statements(f"{result} += element", element=element)
    else:
        before = statements(f"{result} = {name == 'all'}")
        test = expression("not element" if name == "all" else "element", element=element)
        inner = statements(f"if test:\n    {result} = {name == 'any'}", test=test)
    return before + _nested(generators, inner)


def _generators(argument: ast.expr, fresh: Fresh) -> tuple[list[ast.comprehension], ast.expr]:
    """The generator's clauses and element, their variables renamed, since a loop's variable outlives it."""
    if not isinstance(argument, ast.GeneratorExp | ast.ListComp):
        name = fresh("item")
        clause = ast.comprehension(ast.Name(name, ast.Store()), copied(argument), [], 0)
        return [clause], ast.Name(name, ast.Load())
    names: dict[str, str] = {}
    clauses: list[ast.comprehension] = []
    for clause in argument.generators:
        iterable = renamed(clause.iter, names)
        names |= {name: fresh(f"{name}_candidate") for name in sorted(target_names(clause.target))}
        tests = [renamed(test, names) for test in clause.ifs]
        clauses.append(ast.comprehension(renamed(clause.target, names), iterable, tests, 0))
    return clauses, renamed(argument.elt, names)


def _nested(generators: list[ast.comprehension], inner: list[ast.stmt]) -> list[ast.stmt]:
    for clause in reversed(generators):
        if clause.ifs:
            test = clause.ifs[0] if len(clause.ifs) == 1 else ast.BoolOp(ast.And(), clause.ifs)
            inner = [ast.If(test, inner, [])]
        inner = [ast.For(clause.target, clause.iter, inner, [])]
    return inner


def _extreme(
    operator: ast.cmpop,
    element: ast.expr,
    result: str,
    default: ast.expr | None,
    key: ast.expr | None,
    fresh: Fresh,
) -> tuple[list[ast.stmt], list[ast.stmt]]:
    found = fresh(f"{result}_found")
    inner: list[ast.stmt] = []
    if not isinstance(element, ast.Name):
        name = fresh(f"{result}_value")
        inner += statements(f"{name} = element", element=element)
        element = ast.Name(name, ast.Load())
    before = statements(f"{found} = False\n{result} = initial", initial=default or ast.Constant(0))
    if key is None:
        scores, bests = [element], [result]
    else:
        applied = apply_key(key, element)
        parts = applied.elts if isinstance(applied, ast.Tuple) else [applied]
        scores, bests = [], []
        for part in parts:
            score, best = fresh(f"{result}_key"), fresh(f"{result}_best")
            inner += statements(f"{score} = part", part=part)
            before += statements(f"{best} = 0")
            scores.append(ast.Name(score, ast.Load()))
            bests.append(best)
    better = _precedes(scores, bests, operator)
    update = f"if not {found} or better:\n    {found} = True\n    {result} = element\n"
    update += "".join(
        f"    {best} = {ast.unparse(score)}\n" for score, best in zip(scores, bests, strict=True) if best != result
    )
    return before, inner + statements(update, better=better, element=element)


def _precedes(scores: Sequence[ast.expr], bests: Sequence[str], operator: ast.cmpop) -> ast.expr:
    """`scores` comes strictly before `bests`, compared like tuples."""
    first = ast.Compare(scores[0], [operator], [ast.Name(bests[0], ast.Load())])
    if len(scores) == 1:
        return first
    equal = ast.Compare(scores[0], [ast.Eq()], [ast.Name(bests[0], ast.Load())])
    rest = _precedes(scores[1:], bests[1:], operator)
    return ast.BoolOp(ast.Or(), [first, ast.BoolOp(ast.And(), [equal, rest])])


def apply_key(key: ast.expr, element: ast.expr) -> ast.expr:
    """The key function of `min` or `sorted` applied to an element."""
    match key:
        case ast.Lambda(args=ast.arguments(args=[argument]), body=body):
            return substituted(body, {argument.arg: element})
        case ast.Attribute(value=owner, attr="__getitem__"):
            return expression("owner[element]", owner=owner, element=element)
    return expression("key(element)", key=key, element=element)


def lift_reductions(block: list[ast.stmt], fresh: Fresh) -> bool:
    """Expand every reduction in the statements of a block in front of the statement that uses it."""
    changed = False
    index = 0
    while index < len(block):
        stmt = block[index]
        before: list[ast.stmt] = []
        for call in liftable(stmt):
            before += _lift(stmt, call, fresh)
        if isinstance(stmt, ast.For | ast.While | ast.If):
            for inner in (stmt.body, stmt.orelse):
                changed |= lift_reductions(inner, fresh)
        is_copy = before and isinstance(stmt, ast.Assign) and ast.unparse(stmt.targets[0]) == ast.unparse(stmt.value)
        block[index : index + 1] = before if is_copy else [*before, stmt]
        changed |= bool(before)
        index += len(before) + (0 if is_copy else 1)
    return changed


def liftable(stmt: ast.stmt) -> list[ast.Call]:
    """Reductions that the statement evaluates exactly once, before anything else happens in it."""
    match stmt:
        case ast.For(iter=header) | ast.If(test=header):
            parts: list[ast.AST] = [header]
        case ast.Assign() | ast.AugAssign() | ast.Expr() | ast.Return():
            parts = [stmt]
        case _:
            return []
    found: list[ast.Call] = []
    while parts:
        part = parts.pop(0)
        if isinstance(part, ast.Call) and is_reduction(part):
            found.append(part)
        elif not isinstance(part, ast.Lambda | ast.ListComp | ast.GeneratorExp):
            parts += children(part)
    return found


def _lift(stmt: ast.stmt, call: ast.Call, fresh: Fresh) -> list[ast.stmt]:
    match stmt:
        case ast.Assign(targets=[ast.Name(id=name)], value=value) if value is call and name not in free_loads(call):
            result = name
        case _:
            result = fresh("reduced")
    replace_expression(stmt, call, ast.Name(result, ast.Load()))
    return expand(call, result, fresh)
