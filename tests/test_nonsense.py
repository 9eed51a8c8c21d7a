"""Nonsense given to any balancer in seeds/ raises a clear ValueError or is coped with: nothing crashes or hangs."""

import functools
import inspect
from contextlib import closing

import pytest
from contained import Contained, NoAnswer
from hypothesis import given, settings
from nonsense import NAMED, Case, answer, cases, fault
from seed_modules import SEEDS, grouped, loaded
from support import SEED

CALL_S = 10.0
MORE_BYTES = 1 << 30
EXAMPLES, FEW_EXAMPLES = 60, 8
"""For each program; few where Triton is interpreted, which takes half a second for a plan."""


class Judge:
    """Calls one program in a process of its own and says what is wrong with its answers."""

    def __init__(self, program, examples):
        self.examples = examples
        self._with_old = len(inspect.signature(program).parameters) == 6
        self._answer = functools.partial(answer, program, self._with_old)
        self._answer(Case())  # what it compiles, it compiles here
        self._call = Contained(self._answer, CALL_S, MORE_BYTES)

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


@pytest.fixture(scope="module", params=grouped([*SEEDS, SEED]))
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
    @settings(max_examples=judge.examples, deadline=None, derandomize=True, database=None)
    @given(cases())
    def check(case):
        assert not judge(case)

    check()
