"""Nonsense given to any balancer in seeds/ raises a clear ValueError or is coped with: nothing crashes or hangs."""

import ast
import functools
import inspect
import os
import signal
import time
from contextlib import closing

import pytest
import torch
from contained import Contained, NoAnswer
from hypothesis import given, settings
from nonsense import NAMED, Case, answer, cases, fault
from seed_modules import SEEDS, grouped, loaded
from support import SEED

CALL_S = 10.0
MORE_BYTES = 1 << 30
PROGRAMS = [*SEEDS, SEED]
EXAMPLES, FEW_EXAMPLES = 100, 10
"""For each program; few where Triton is interpreted, which takes half a second for a plan."""


class Judge:
    """Calls one program in a process of its own and says what is wrong with its answers."""

    def __init__(self, program, examples, seconds=CALL_S):
        self.examples = examples
        self._with_old = len(inspect.signature(program).parameters) == 6
        self._answer = functools.partial(answer, program, self._with_old)
        self._answer(Case())  # what it compiles, it compiles here
        self._call = Contained(self._answer, seconds, MORE_BYTES)

    def __call__(self, case):
        """What is wrong with the answer; "" if nothing is."""
        try:
            kind, text = self._call(case)
        except NoAnswer as end:
            return str(end)
        return fault(case, self._with_old, kind, text)

    def close(self):
        """End the process."""
        self._call.close()


@pytest.fixture(scope="module", params=grouped(PROGRAMS))
def judge(request):
    is_interpreted = request.param.stem.startswith("triton")
    if is_interpreted:
        pytest.importorskip("triton")
    program = loaded(request.param).rebalance_experts
    with closing(Judge(program, FEW_EXAMPLES if is_interpreted else EXAMPLES)) as judge:
        yield judge


def test_named_nonsense_is_refused_or_coped_with(judge):
    faults = {name: judge(case) for name, case in NAMED.items()}
    told = [f"{name}: {fault}\n    {NAMED[name]}" for name, fault in faults.items() if fault]
    assert not told, "\n".join(told)


def test_any_nonsense_is_refused_or_coped_with(judge):
    slow = []

    @settings(max_examples=judge.examples, deadline=None, derandomize=True, database=None)
    @given(cases())
    def check(case):
        if slow and repr(case) not in slow:
            return  # each further one might take CALL_S: nobody looks for the smallest
        told = judge(case)
        if "no answer" in told:
            slow.append(repr(case))
        assert not told

    check()


def test_the_check_is_in_the_same_words_wherever_it_stands():
    texts = {"_checked": set(), "_checked_old": set()}
    for file in PROGRAMS:
        source = file.read_text()
        for part in ast.parse(source).body:
            if isinstance(part, ast.FunctionDef) and part.name in texts:
                texts[part.name].add(ast.get_source_segment(source, part))
    assert {name: len(found) for name, found in texts.items()} == {"_checked": 1, "_checked_old": 1}


@pytest.mark.parametrize(
    ("does", "told"),
    [
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "its process ended with -9"),
        (lambda: time.sleep(60), "no answer within 0.5 s"),
        (lambda: bytearray(4 * MORE_BYTES), "raised: MemoryError: "),
        (lambda: int("x"), "an unclear ValueError: invalid literal for int() with base 10: 'x'"),
        (lambda: (torch.zeros(8),) * 3, "placed wrongly: phy2log has shape [8], expected [2, 8]"),
    ],
    ids=["crash", "hang", "memory", "unclear", "invalid"],
)
def test_after_what_fails_the_next_call_is_judged_too(does, told):
    def program(weight, *_):
        if weight is None:
            return does()
        raise ValueError("weight must be None")

    with closing(Judge(program, 0, seconds=0.5)) as judge:
        assert judge(NAMED["loads: None"]) == told
        assert judge(NAMED["all zeros"]) == "refused what makes sense: weight must be None"
