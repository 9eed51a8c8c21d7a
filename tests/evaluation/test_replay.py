"""Equal input, equal output: here, and in a process that has seen nothing of it."""

import pytest

from eplb_evolve.evaluation.pipeline import evaluate

TURNED = """
import os

global calls
calls += 1


def turned(lots):
    '''The honest answer, but each layer whose bit is set has its GPUs in another order: as good, another answer.'''
    a, b, c = honest(weight, num_replicas, num_groups, num_nodes, num_gpus)
    size = a.shape[1] // 2
    turn = torch.tensor([lots >> layer & 1 for layer in range(len(a))]) == 1
    a = torch.where(turn[:, None], a.roll(size, 1), a)
    b = torch.where(turn[:, None, None] & (b >= 0), (b + size) % a.shape[1], b)
    return a, b, c

"""
HERE, ELSEWHERE = "when the same input came again", "in another process"
MORE_THAN_THE_INPUT = {
    "number of the call": ("calls", HERE),
    "unseeded": ("torch.randint(1 << 24, ()).item()", HERE),
    "hash seed": ("hash('a')", ELSEWHERE),
    "address": ("id(honest) >> 12", ELSEWHERE),
    "process id": ("os.getpid()", ELSEWHERE),
    "memory by sorted loads, which agrees with itself": (
        "globals().setdefault('seen', {}).setdefault(tuple(weight.flatten().sort().values.tolist()), calls)",
        ELSEWHERE,
    ),
}


@pytest.mark.parametrize(("lots", "where"), MORE_THAN_THE_INPUT.values(), ids=MORE_THAN_THE_INPUT)
def test_an_answer_that_depends_on_more_than_the_input_is_invalid(program, task, bench, lots, where):
    result = evaluate(program(wrapping=f"{TURNED}return turned({lots})"), task, bench)
    assert not result.valid
    assert result.reason.startswith(f"phy2log was another {where}; ")


def test_seeded_randomness_is_fine(program, task, bench):
    seeded = "torch.randint(1 << 24, (), generator=torch.Generator().manual_seed(int(weight.sum()))).item()"
    result = evaluate(program(wrapping=f"{TURNED}return turned({seeded})"), task, bench)
    assert result.feasible, result.reason
    assert result.replayed
