"""What the analysis finds out about small programs."""

import ast

import pytest

from eplb_evolve.proposer.analysis.independence import iterations_independent, shares_safely
from eplb_evolve.proposer.analysis.inference import Kinds
from eplb_evolve.proposer.analysis.kinds import BOOL, FLOAT, INT, UNKNOWN, list_of, tensor, tuple_of
from eplb_evolve.proposer.analysis.liveness import interface
from eplb_evolve.proposer.analysis.scope import free_loads, mutated_names
from eplb_evolve.proposer.program import Program


def kind_of(name, body, header="def f(a: torch.Tensor, n: int, u):"):
    lines = "\n".join("    " + line for line in body.split("\n"))
    program = Program.parse(f"import torch\nimport numpy as np\n{header}\n{lines}\n")
    return Kinds(program).variable(program.functions()[0], name)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("x = n // 2", INT),
        ("x = n / 2", FLOAT),
        ("x = n > 2", BOOL),
        ("x = u", UNKNOWN),
        ("x = [0] * n", list_of(INT)),
        ("x = [0] * n\nx[0] += 0.5", list_of(FLOAT)),
        ("x = [[0] * n for _ in range(n)]\nx[1][2] = 1.5", list_of(list_of(FLOAT))),
        ("x = []\nx.append(n)", list_of(INT)),
        ("p, q = a.shape\nx = a[p, q]", tensor(None, 0)),
        ("p, q = a.shape\nx = a.float()[0]", tensor("float", 1)),
        ("x = torch.zeros(n, n, dtype=torch.int64)", tensor("int", 2)),
        ("x = torch.zeros(n).tolist()", list_of(FLOAT)),
        ("x = torch.arange(n).unsqueeze(-1) * torch.ones(n, n)", tensor("float", 2)),
        ("x = torch.ones(n, n).max(dim=-1).indices", tensor("int", 1)),
        ("x = np.zeros((n, 3))", tensor("float", 2, "numpy")),
        ("for x in range(n):\n    pass", INT),
        ("for x in torch.arange(n):\n    pass", tensor("int", 0)),
        ("for i, x in enumerate([0.5, n]):\n    pass", FLOAT),
        ("for i in range(u):\n    x = u", INT),
        ("x = min((i for i in range(n) if i), key=lambda i: -i)", INT),
        ("x = n\nx = 'text'", UNKNOWN),
    ],
)
def test_the_kind_of_a_variable_follows_from_its_values(body, kind):
    assert kind_of("x", body) == kind


def test_parameters_take_their_kinds_from_the_calls_in_the_program():
    program = Program.parse(
        "import torch\n\n\ndef g(t, k):\n    return t, k\n\n\n"
        "def f(n: int):\n    a, b = g(torch.zeros(n, 2), n)\n    return b\n"
    )
    inner, outer = program.functions()
    kinds = Kinds(program)
    assert kinds.variable(inner, "t") == tensor("float", 2)
    assert kinds.expressions(outer).of(ast.parse("g(a, n)", mode="eval").body) == tuple_of(tensor("float", 2), INT)


def test_names_alone_tell_nothing():
    assert kind_of("num_items", "pass", "def f(num_items, items_per_row):") == UNKNOWN


def test_comprehension_variables_are_their_own():
    assert free_loads(ast.parse("y = [i for i in x if i > k]")) == {"x", "k"}


def test_changes_are_seen_through_aliases():
    code = ast.parse("row = table[0]\nrow[1] = 2\nother.fill_(3)\nfree = sum(read)")
    assert mutated_names(code) == {"row", "table", "other"}


@pytest.mark.parametrize(
    ("body", "inputs", "outputs"),
    [
        ("x = 0\nfor i in range(n):\n    x += i\nreturn x", ("n", "x"), ("x",)),
        ("x = 0\nfor i in range(n):\n    i\nfor i in range(n):\n    i\nreturn x", ("n",), ()),
        ("x = 0\nfor i in range(n):\n    y = i\nreturn x", ("n",), ()),
        ("y = 5\nfor i in range(n):\n    y = i\nreturn y", ("n", "y"), ("y",)),
    ],
)
def test_the_interface_of_a_run_is_what_flows_in_and_out(body, inputs, outputs):
    lines = "\n".join("    " + line for line in body.split("\n"))
    function = ast.parse(f"def f(n):\n{lines}").body[0]
    shared = interface(function, function.body, 1, 2, set())
    assert (shared.inputs, shared.outputs) == (inputs, outputs)


@pytest.mark.parametrize(
    ("body", "independent"),
    [
        ("a[i] = b[i]", True),
        ("a[i] = a[i] + 1", True),
        ("a[i] = a[i - 1]", False),
        ("a[0] = b[i]", False),
        ("s += b[i]", False),
        ("t = b[i]\n        a[i] = t", True),
        ("if b[i]:\n            break", False),
    ],
)
def test_iterations_are_independent_when_each_stays_in_its_place(body, independent):
    function = ast.parse(f"def f(a, b, n):\n    s = 0\n    for i in range(n):\n        {body}\n").body[0]
    assert iterations_independent(function, function.body[1].body, ("i",)) == independent


def test_aliases_forbid_to_fuse_loops():
    text = "def f(a, n):\n    {}\n    for i in range(n):\n        a[i] = i\n    for i in range(n):\n        b[i] = 2\n"
    for first, safe in (("b = n", True), ("b = a[1:]", False)):
        function = ast.parse(text.format(first)).body[0]
        assert shares_safely(function, function.body[1], function.body[2]) == safe
