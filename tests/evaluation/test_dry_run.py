"""Dry runs: what they stop, and what they let through."""

import os
import signal
from contextlib import closing

import pytest
from support import SEED

from eplb_evolve.errors import EnvironmentProblem
from eplb_evolve.evaluation.dry_run import DryRun

IDLE = SEED.read_text().replace("# EVOLVE-BLOCK-END", "")
SPREAD = (
    IDLE
    + """
def rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus):
    return whole(weight * 0 + 1, num_replicas, num_groups, num_nodes, num_gpus)
"""
).replace("def rebalance_experts(\n", "def whole(\n", 1)


@pytest.fixture(scope="module")
def dry_run():
    with closing(DryRun()) as run:
        yield run


def test_the_seed_passes(dry_run):
    assert dry_run(SEED.read_text()) is None


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("def rebalance_experts(:\n", "SyntaxError"),
        ("import torch\n\ndef rebalance_experts(w, r, g, n, d):\n    return w, w, w\n", "phy2log"),
        (SEED.read_text().replace("range(num_log, num_phy)", "range(num_log, num_phy + 1)"), "IndexError"),
        (SEED.read_text().replace("    width = num", "    while True: pass\n    width = num"), "took longer than 3 s"),
        (SPREAD, "balancedness"),
        (
            SEED.read_text().replace("num_gpus).cpu()", "num_gpus).cpu() + torch.rand(weight.shape) * 1e6"),
            "the same input",
        ),
    ],
)
def test_what_cannot_pass_an_evaluation_is_stopped_with_its_reason(dry_run, program, reason):
    assert reason in dry_run(program)


def test_compiled_helpers_are_interpreted(dry_run):
    two_kinds = "import numba\n\n\n@numba.njit\ndef twice(x):\n    return [x, 'x']\n\n\ndef inverse("
    source = SEED.read_text().replace("def inverse(", two_kinds)
    assert dry_run(source.replace("    width = num", "    twice(1)\n    width = num")) is None


def test_after_its_sandbox_is_gone_the_next_dry_run_has_a_new_one():
    with closing(DryRun()) as run:
        assert run(SEED.read_text()) is None
        os.kill(run._zygote.pid, signal.SIGKILL)
        with pytest.raises(EnvironmentProblem):
            run(SEED.read_text())
        assert run(SEED.read_text()) is None
