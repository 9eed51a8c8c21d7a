"""A heap selects what the loop selected, and is refused where it might not."""

import random

import pytest
from proposer.programs import run

from eplb_evolve.proposer.operators.heaps import OPERATORS
from eplb_evolve.proposer.program import Program

(HEAP,) = OPERATORS

PROGRAM = """
def serve(customers: list[int], desks: int, most: int):
    waiting = [0] * desks
    seen = [k % 2 for k in range(desks)]
    served = []
    for customer in customers:
        desk = min((d for d in range(desks) if seen[d] < most), key=waiting.__getitem__)
        served.append(desk)
        if customer != 3:
            waiting[desk] += customer
        seen[desk] += 1
    return served, waiting, seen


def solve(seed: int):
    chance = __import__("random").Random(seed)
    return serve([chance.randint(-2, 4) for _ in range(19)], 5, 5)
"""
WHOLE = PROGRAM.replace("(d for d in range(desks) if seen[d] < most)", "range(desks)")
DECREASING = WHOLE.replace("waiting[desk] += customer", "waiting[desk] -= customer")
LARGEST = DECREASING.replace("min(", "max(")
FRESH_EACH_TIME = PROGRAM.replace("seen[desk] += 1", "seen[desk] = seen[desk] + 1 if customer else most")
CAPPED = PROGRAM.replace("seen[d] < most", "seen[d] < most and waiting[d] < most * 3 + d")
STOPPING = WHOLE.replace(
    "        seen[desk] += 1", "        seen[desk] += 1\n        if len(served) > 12:\n            break"
)


def rewritten(source):
    program = Program.parse(source)
    return program.render("T0", ["x"]) if HEAP.apply(program, random.Random(0)) else None


@pytest.mark.parametrize("source", [PROGRAM, WHOLE, DECREASING, LARGEST, FRESH_EACH_TIME, CAPPED, STOPPING])
def test_the_same_positions_are_selected_in_the_same_order(source):
    text = rewritten(source)
    assert "heapq.heapify(heap)" in text
    assert "key=" not in text
    compared = 0
    for seed in range(30):
        try:
            expected = run(source, seed)
        except ValueError:  # no candidate left
            continue
        compared += 1
        assert run(text, seed) == expected
    assert compared >= 8


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("seen[desk] += 1", "seen[0] += 1"),  # another element changes
        ("seen[desk] += 1", "waiting[(desk + 1) % desks] += 1"),
        ("seen[desk] += 1", "most += 1"),  # the condition of all changes
        ("seen[desk] += 1", "waiting.reverse()"),
        ("seen[desk] += 1", "seen[desk] += 1\n        desk = 0"),
        ("seen[desk] += 1", "seen[desk] += 1\n        waiting = waiting[:]"),
        ("served.append(desk)", "if customer == 1:\n            continue"),  # the heap would not be told
        ("        desk = min", "        seen[len(served) % desks] += 1\n        desk = min"),
        ("served = []", "served = []\n    other = waiting"),  # a second name
        ("seen[d] < most", "seen[d] < most and waiting[0] < 9"),
        ("seen[d] < most", "seen[0] < most"),
        ("waiting = [0] * desks", "waiting = customers"),
        ("range(desks) if", "range(len(served) + 1) if"),  # further candidates
        ("(d for d in range(desks) if seen[d] < most)", "range(len(served) + 1)"),
    ],
)
def test_a_loop_that_changes_more_than_the_selected_element_stays(old, new):
    assert old in PROGRAM
    assert rewritten(PROGRAM.replace(old, new)) is None


def test_a_nested_function_that_sees_the_list_keeps_the_loop():
    source = PROGRAM.replace(
        "    served = []", "    served = []\n\n    def bump():\n        waiting[0] += 1\n"
    ).replace("seen[desk] += 1", "bump()")
    assert rewritten(source) is None
