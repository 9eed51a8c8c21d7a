"""initial_program.py and the reference are the published algorithm."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from eplb_evolve import reference
from eplb_evolve.evaluation.candidate import read_program
from eplb_evolve.evaluation.measured import DEEPSEEK_FORM_SHA256

ROOT = Path(__file__).parents[1]
SHAPES = [(16, 4, 2, 8), (12, 1, 1, 4), (24, 3, 2, 4), (12, 4, 4, 4)]


@pytest.fixture(scope="module")
def seed():
    spec = importlib.util.spec_from_file_location("initial_program", ROOT / "initial_program.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("which", ["seed", "reference"])
def test_the_example_of_vllms_tests_comes_out(seed, which):
    """Loads and placement that vLLM's tests publish for DeepSeek's algorithm."""
    weight = torch.tensor(
        [
            [90, 132, 40, 61, 104, 165, 39, 4, 73, 56, 183, 86],
            [20, 107, 104, 64, 19, 197, 187, 157, 172, 86, 16, 27],
        ]
    )
    module = seed if which == "seed" else reference
    phy2log, _, _ = module.rebalance_experts(weight, 16, 4, 2, 8)
    assert phy2log.tolist() == [
        [5, 6, 5, 7, 8, 4, 3, 4, 10, 9, 10, 2, 0, 1, 11, 1],
        [7, 10, 6, 8, 6, 11, 8, 9, 2, 4, 5, 1, 5, 0, 3, 1],
    ]


@pytest.mark.parametrize("shape", SHAPES)
def test_seed_and_reference_place_alike(seed, shape):
    """Without ties the two forms of the algorithm agree slot for slot."""
    weight = torch.from_numpy(np.random.default_rng(3).lognormal(0, 1, (5, 12))).float()
    ours, theirs = seed.rebalance_experts(weight, *shape), reference.rebalance_experts(weight, *shape)
    assert torch.equal(ours[0], theirs[0])
    assert torch.equal(ours[2], theirs[2])


def test_the_pinned_hash_is_that_of_the_shipped_seed():
    import hashlib

    assert hashlib.sha256(read_program(ROOT / "seeds" / "deepseek.py")).hexdigest() == DEEPSEEK_FORM_SHA256
