"""Results of earlier calls stay as they were, for as long as a server may use them."""

from contextlib import closing

import numpy as np
import pytest

from eplb_evolve.errors import CandidateFailure
from eplb_evolve.placement import Topology
from eplb_evolve.sandbox import Limits

LOADS = np.arange(12, dtype=np.float32).reshape(2, 6)
TOPOLOGY = Topology(8, 1, 1, 4)
LIMITS = Limits(first_call_s=3.0, call_s=2.0)
PLAN = "honest(weight, num_replicas, num_groups, num_nodes, num_gpus)"
KEEP = "import builtins\nmade = builtins.__dict__.setdefault('made', [])\n"


@pytest.fixture(scope="module")
def zygote(zygotes):
    with closing(zygotes()) as zygote:
        yield zygote


def call(zygote, file, times):
    with closing(zygote.spawn(file, LIMITS)) as worker:
        for number in range(times):
            worker.call(LOADS * (1 + number), TOPOLOGY)


@pytest.mark.parametrize(
    "harm",
    [
        "made[-2][0].add_(1)",  # of the call before
        "made[-3][2].zero_() if len(made) > 2 else None",  # of the one before that
        "made[-2][0].untyped_storage().resize_(0)",  # its memory is free for others
    ],
)
def test_what_is_in_force_may_not_change(zygote, program, harm):
    body = f"{KEEP}made.append({PLAN})\nif len(made) > 1: {harm}\n"
    body += "spare = [torch.full((1 << 16,), 7) for _ in range(4)]\nreturn made[-1]"
    with pytest.raises(CandidateFailure, match="changed the result of an earlier call"):
        call(zygote, program(wrapping=body), times=6)


def test_what_is_held_for_longer_may_not_change_either(zygote, program):
    """Whoever uses memory again after three calls writes into what a server has kept a view of."""
    body = f"{KEEP}made.append({PLAN})\nif len(made) > 4: [old.zero_() for old in made[-5]]\nreturn made[-1]"
    with pytest.raises(CandidateFailure, match="changed the result of an earlier call"):
        call(zygote, program(wrapping=body), times=150)


def test_scratch_memory_and_results_that_nobody_holds_may_be_used_again(zygote, program):
    body = f"{KEEP}found = {PLAN}\ncount = torch._C._storage_Use_Count\n"
    body += (
        "holders = lambda tensor: count(tensor.untyped_storage()._cdata)\n"
        "alone = holders(torch.zeros(1))\n"
        "made.append(torch.zeros(1000, dtype=torch.int64))\n"
        "free = next(memory for memory in made if holders(memory) == alone)\n"
        "parts = free[:sum(part.numel() for part in found)].split([part.numel() for part in found])\n"
        "return tuple(part.view(plan.shape).copy_(plan) for part, plan in zip(parts, found))"
    )
    call(zygote, program(wrapping=body), times=60)
