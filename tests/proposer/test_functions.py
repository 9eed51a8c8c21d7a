"""Calls are put in place, parts become functions and constant parameters vanish only where nobody can tell."""

import pytest
from proposer.operator_results import results
from proposer.programs import run, same

from eplb_evolve.proposer.operators.functions import OPERATORS

INLINE, SPLIT, SPECIALISE = OPERATORS

BOOKS = '''
import torch

RATE = 3


def damped(values: torch.Tensor, rate: float, steps: int):
    """The values after some steps."""
    total = values.clone()
    for step in range(steps):
        total = total * rate + step
    return total


def record(book: list, entry: int):
    previous = book[-1] if book else 0
    book.append(previous + entry * RATE)


def audit(entries: torch.Tensor, rate: float):
    book = []
    total = 0.0
    last = None
    for row in range(entries.shape[0]):
        record(book, row)
        total += float(entries[row].sum())
        if row % 2:
            last = row
        peak = entries[row].max()
        book.append(float(peak) + total)
    entries = damped(entries + 1, rate, steps=2)
    final = damped(entries, 0.5, 2)
    if total > 3:
        book.append(total)
    return book, final, last, total


def solve(seed: int):
    generator = torch.Generator().manual_seed(seed)
    return audit(torch.rand(4, 3, generator=generator, dtype=torch.float64), 0.25)
'''


def calling(body, caller="y = f(x, 2)\nreturn y"):
    """A function `f(a, b)`, and one that calls it and that nothing calls."""
    lines = ["\n".join("    " + line for line in text.split("\n")) for text in (body, caller)]
    return f"def f(a, b=2):\n{lines[0]}\n\n\ndef main(x, items=()):\n{lines[1]}\n"


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.name)
def test_results_stay(operator):
    made = results(operator, BOOKS, 60)
    assert len(made) >= (2 if operator is SPECIALISE else 4)
    for text in made:
        for seed in (0, 1):
            assert same(run(BOOKS, seed), run(text, seed)), text


def test_a_call_in_place_uses_what_it_was_given():
    (text,) = results(INLINE, calling("c = a * b\nreturn c + 1"))
    assert text.endswith("def main(x, items=()):\n    c = x * 2\n    y = c + 1\n    return y")


def test_an_argument_that_is_computed_is_computed_once():
    (text,) = results(INLINE, calling("return a + a * b", "y = f(len(items), x)\nreturn y"))
    assert "    a = len(items)\n    y = a + a * x\n" in text


def test_a_parameter_that_changes_is_a_variable_of_its_own():
    (text,) = results(INLINE, calling("a = a + b\nreturn a"))
    assert "    a = x\n    a = a + 2\n    y = a\n" in text


def test_variables_of_both_functions_stay_apart():
    (text,) = results(INLINE, calling("y = a * b\nx = y + 1\nreturn x + a", "y = f(x, 2)\nreturn y + x"))
    assert "    x_2 = y_2 + 1\n    y = x_2 + x\n    return y + x" in text


def test_a_call_for_its_effects_leaves_only_them():
    (text,) = results(INLINE, calling('"""Add b to a."""\na.append(b)\nreturn a', "f(items)\nreturn x"))
    assert text.endswith("    items.append(2)\n    return x")


@pytest.mark.parametrize(
    "body",
    [
        "if b:\n    return a\nreturn b",
        "for c in a:\n    return c",
        "return f(a, b - 1)",
        "yield a",
        "global kept\nkept = a\nreturn a",
        "return lambda: a",
        "return (c + b for c in a)",
        "if b:\n    c = a\nreturn c",
        "x = [len for len in a]\nreturn len(x)",
        "def g():\n    return a\nreturn g",
        "del a\nreturn b",
    ],
)
def test_a_function_that_is_more_than_its_statements_is_called(body):
    made = results(INLINE, calling(body))
    assert not [text for text in made if "f(x, 2)" not in text]


@pytest.mark.parametrize(
    "caller",
    [
        "y = f(*items)\nreturn y",
        "y = f(x, c=1)\nreturn y",
        "y = f(b=x)\nreturn y",
        "y = f((z := x), 2)\nreturn y",
        "f = len\ny = f(items)\nreturn y",
        "y = [f(z) for z in items]\nreturn y",
        "len = sum\ny = f(x)\nreturn y, len",
        "y = x and f(x)\nreturn y",
    ],
)
def test_a_call_that_cannot_be_followed_stays(caller):
    assert not results(INLINE, calling("c = len(a)\nreturn c + b", caller))


def test_a_function_with_two_meanings_is_called():
    assert not results(INLINE, calling("return a") + "\n\ndef f(a, b):\n    return b\n")


def test_a_part_is_given_what_it_reads_and_gives_what_is_read_later():
    made = results(SPLIT, "def main(x: int, y):\n    a = x + 1\n    b = a * y\n    c = b + x\n    return c\n", 40)
    wanted = (
        "def part(x: int, y):\n    a = x + 1\n    b = a * y\n    return b\n\ndef main(x: int, y):\n    b = part(x, y)"
    )
    assert any(text.startswith(wanted) for text in made)


@pytest.mark.parametrize(
    "body",
    [
        "if x:\n    return 1\nelse:\n    return 2",
        "y = x\nreturn y",
        "yield x\nyield x\nreturn",
        "a = 1\nb = 2\nk = lambda: a\nreturn k, b",
        "a = 1\nb = 2\ndef g():\n    return a\nreturn g, b",
        "if x:\n    a = 1\nreturn a",
        "for i in x:\n    a = i\n    if a:\n        break\n    if i:\n        return a\n    b = a\n    continue",
    ],
)
def test_a_run_that_is_tied_to_its_function_stays(body):
    lines = "\n".join("    " + line for line in body.split("\n"))
    assert not results(SPLIT, f"def main(x):\n{lines}\n", 30)


def test_a_variable_of_the_last_pass_is_never_lost():
    source = """
def main(x):
    seen = []
    for i in x:
        if i > 0:
            seen.append(previous)
            seen.append(i)
        previous = i
        later = previous
        if i == 2:
            maybe = i
            seen.append(maybe)
    return seen, later, maybe


def solve(seed):
    return main([-1 - seed, 4, 2, 5])
"""
    made = results(SPLIT, source, 60)
    assert made
    for text in made:
        assert run(text, 3) == run(source, 3), text


def test_a_part_is_not_given_what_may_not_exist():
    source = "def main(x):\n    if x:\n        a = 1\n    b = 2\n    c = b + 1\n    if x:\n        b = a + c\n"
    source += "    return b\n\n\ndef solve(seed):\n    return main(seed)\n"
    made = results(SPLIT, source, 60)
    assert made
    for text in made:
        assert (run(text, 0), run(text, 1)) == (2, 4), text


def test_a_constant_parameter_becomes_the_constant():
    (text,) = results(SPECIALISE, calling("return a + b", "return f(x, b=-2) + f(items, -2)"))
    assert "def f(a):\n    return a + -2" in text
    assert "return f(x) + f(items)" in text


def test_a_default_counts_as_given():
    (text,) = results(SPECIALISE, calling("return a + b", "return f(x) + f(items, 2)"))
    assert "def f(a):\n    return a + 2" in text


def test_a_compiled_helper_is_specialised_like_any_function():
    source = (
        calling("return a + b", "return f(x, 4)")
        .replace("f(", "_jit_f(")
        .replace("def _jit", "@numba.njit\ndef _jit", 1)
    )
    (text,) = results(SPECIALISE, source)
    assert "def _jit_f(a):\n    return a + 4" in text


@pytest.mark.parametrize(
    ("body", "caller"),
    [
        ("return a + b", "return f(x, 2) + f(x, 3)"),
        ("return a + b", "return f(x, 2) + f(x, 2.0)"),
        ("return a + b", "return f(x, 2) + sum(map(f, items))"),
        ("return a + b", "return f(*items)"),
        ("return a + b", "return f(x, items)"),
        ("b += 1\nreturn a + b", "return f(x, 2)"),
        ("return [b for b in a], b", "return f(x, 2)"),
        ("return max(a, key=lambda b: -b), b", "return f(x, 2)"),
        ("return a + b", "return x"),
    ],
)
def test_a_parameter_that_may_differ_stays(body, caller):
    assert not results(SPECIALISE, calling(body, caller))


def test_what_is_called_from_outside_keeps_its_parameters():
    region = calling("return a + b")
    source = f"# EVOLVE-BLOCK-START\n{region}# EVOLVE-BLOCK-END\nprint(f(1, 3))\n"
    assert not results(SPECIALISE, source)
    assert results(SPECIALISE, region)
