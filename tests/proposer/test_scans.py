"""Scans with less to test: the same choices where all keys are finite."""

import random

from proposer.programs import ALL, run

from eplb_evolve.proposer.operators.registry import OPERATORS
from eplb_evolve.proposer.program import Program

BY_NAME = {operator.name: operator for operator in OPERATORS}


def changed(source, *names):
    program = Program.parse(source)
    for name in names:
        assert BY_NAME[name].apply(program, random.Random(0)), name
    return program.render("T1", names)


def test_a_counter_bars_an_element_once_and_for_all():
    variant = changed(ALL["queues"], "bar_when_full")
    assert "if taken[queue] >= limit:" in variant
    assert "if taken[at] < limit:" not in variant
    assert [run(variant, seed) for seed in range(3)] == [run(ALL["queues"], seed) for seed in range(3)]


def test_a_scan_starts_from_infinity():
    variant = changed(ALL["queues"], "bar_when_full", "start_from_infinity")
    assert "found" not in variant
    assert [run(variant, seed) for seed in range(3)] == [run(ALL["queues"], seed) for seed in range(3)]


def test_keys_that_are_used_elsewhere_are_left_alone():
    source = ALL["queues"].replace("    return chosen\n", "    chosen[0] = busy[0]\n    return chosen\n", 1)
    assert not BY_NAME["bar_when_full"].apply(Program.parse(source), random.Random(0))
