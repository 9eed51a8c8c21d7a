"""Looking a best position up by value keeps which of equal elements is taken."""

import random

import pytest
from proposer.programs import ALL, run

from eplb_evolve.proposer.operators.selection import OPERATORS
from eplb_evolve.proposer.program import Program

(ARGMIN,) = OPERATORS

PROGRAM = """
def choose(prices: list[int], open: list[bool], n: int):
    return {call}


def solve(seed: int):
    prices = [(seed * 7 + k * k) % 5 for k in range(12)]
    return choose(prices, [k % 3 != seed % 3 for k in range(12)], 9)
"""


def rewritten(call, seed=0):
    program = Program.parse(PROGRAM.format(call=call))
    return program.render("T0", ["x"]) if ARGMIN.apply(program, random.Random(seed)) else None


@pytest.mark.parametrize("extreme", ["min", "max"])
@pytest.mark.parametrize(
    "arguments",
    [
        "range(n), key=prices.__getitem__",
        "range(len(prices)), key=lambda stop: prices[stop]",
        "(i for i in range(n) if open[i]), key=prices.__getitem__",
        "(stop for stop in range(n) if open[stop] and prices[stop] != 1), key=lambda i: prices[i]",
    ],
)
def test_the_first_of_equal_elements_is_found(extreme, arguments):
    call = f"{extreme}({arguments})"
    text = rewritten(call)
    assert "key=" not in text
    for seed in range(15):
        assert run(text, seed) == run(PROGRAM.format(call=call), seed)


def test_a_sentinel_would_not_do_when_all_candidates_are_infinite():
    call = "min((i for i in range(n) if open[i]), key=prices.__getitem__)"
    endless = "    prices = [0.5] + [float('inf')] * 11\n"
    text = rewritten(call).replace("    prices = [", endless + "    other = [")
    assert run(text, 0) == 1


@pytest.mark.parametrize(
    "call",
    [
        "min(prices, key=prices.__getitem__)",  # no positions
        "min(range(n), key=prices.__getitem__, default=0)",
        "min(range(n), key=n.__getitem__)",
        "min(range(n), key=lambda i: prices[i] + 1)",
        "min((i for i in range(n) if open.pop()), key=prices.__getitem__)",  # a condition with effects
        "min((i + 1 for i in range(n) if open[i]), key=prices.__getitem__)",
        "[min(range(n), key=prices.__getitem__) for _ in prices]",  # evaluated many times
    ],
)
def test_other_calls_stay(call):
    assert rewritten(call) is None


def test_a_list_of_unknown_things_stays():
    source = "def f(things, n: int):\n    return min(range(n), key=things.__getitem__)\n"
    assert not ARGMIN.apply(Program.parse(source), random.Random(0))


def test_a_program_with_a_condition_is_rewritten():
    program = Program.parse(ALL["assignment"])
    assert ARGMIN.apply(program, random.Random(0))
    assert "keys.index(min(keys))" in program.render("T0", ["x"])
