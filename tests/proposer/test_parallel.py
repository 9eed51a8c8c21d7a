"""A loop runs on several cores only where its passes touch nothing in common."""

import ast
import random

import pytest
from proposer.programs import ALL, run, same

from eplb_evolve.proposer.analysis.inference import kinds_of
from eplb_evolve.proposer.analysis.kinds import INT
from eplb_evolve.proposer.operators.parallel import OPERATORS
from eplb_evolve.proposer.program import Program

(PARALLEL,) = OPERATORS


def program(body, call="_jit_f(a, b, n)", before="a = np.zeros((n, n))\n    b = np.zeros((n, n))"):
    lines = "\n".join("    " + line for line in body.strip().split("\n"))
    return Program.parse(
        "import numba\nimport numpy as np\n\n\n"
        f"@numba.njit(error_model='numpy')\ndef _jit_f(a, b, n):\n{lines}\n\n\n"
        f"def f(n: int):\n    {before}\n    {call}\n    return a, b\n"
    )


def parallel(made):
    """The text of the program with its loop on several cores, or None."""
    if not PARALLEL.apply(made, random.Random(0)):
        return None
    return ast.unparse(ast.fix_missing_locations(made.tree))


def test_results_stay():
    made = Program.parse(ALL["ranking"])
    text = parallel(made)
    assert "@numba.njit(error_model='numpy', parallel=True)" in text
    assert "for row in numba.prange(scores.shape[0]):" in text
    assert same(run(ALL["ranking"], 3), run(text, 3))


@pytest.mark.parametrize(
    "body",
    [
        "for i in range(n):\n    a[i, 0] = b[i, 0] + n",
        "for i in range(1, n):\n    for j in range(n):\n        a[j, i] += b[0, j]",
        "for i in range(n):\n    own = np.full(n, 0.0)\n    own[0] += a[i, 0]\n    a[i] = own",
        "for i in range(n):\n    row = a[i]\n    row[0] = 1.0",
        "for i in range(n):\n    a[i, 0] = a[i, 1]\n    b[i, 0] = a[i, 0]",
    ],
)
def test_a_loop_whose_passes_have_rows_of_their_own_is_parallel(body):
    assert "numba.prange" in parallel(program(body))


@pytest.mark.parametrize(
    "body",
    [
        "for i in range(n):\n    a[0, 0] += b[i, 0]",
        "for i in range(1, n):\n    a[i, 0] = a[i - 1, 0]",
        "for i in range(-1, n):\n    a[i, 0] = 1",
        "for i in range(n):\n    a[i, 0] = a[0, i]",
        "for i in range(n):\n    a[i % 2, 0] = 1",
        "total = 0.0\nfor i in range(n):\n    total += b[i, 0]\na[0, 0] = total",
        "for i in range(n):\n    last = i\na[0, 0] = last",
        "for i in range(n):\n    if b[i, 0] > 0:\n        break\n    a[i, 0] = 1",
        "c = a[1:]\nfor i in range(n - 1):\n    c[i, 0] = a[i, 0]",
        "for i in range(n):\n    c = np.ascontiguousarray(a)\n    c[0, i] = a[i, 0]",
        "for i in range(n):\n    a[i, 0] = b.sum()\n    b.fill(i)",
        "while n > 0:\n    n -= 1",
    ],
)
def test_a_loop_whose_passes_may_meet_is_not(body):
    assert parallel(program(body)) is None


def test_a_helper_that_is_given_the_same_memory_twice_is_not_parallel():
    body = "for i in range(n):\n    a[i, 0] = b[0, i]"
    assert parallel(program(body)) is not None
    assert parallel(program(body, call="_jit_f(a, a, n)")) is None
    assert parallel(program(body, before="a = np.zeros((n, n))\n    b = a[1:]")) is None


def test_the_variable_of_a_parallel_loop_is_known_to_be_an_integer():
    made = program("for i in range(n):\n    a[i, 0] = i")
    assert parallel(made)
    (helper,) = made.helpers()
    assert kinds_of(made).variable(helper, "i") == INT
