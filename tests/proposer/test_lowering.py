"""The forms that compiled code takes, run here by the interpreter."""

import ast
import random
import re

import numpy as np
import pytest
import torch

from eplb_evolve.proposer.lowering.extents import Extents
from eplb_evolve.proposer.operators.registry import OPERATORS
from eplb_evolve.proposer.program import Program

JIT_RUN = next(operator for operator in OPERATORS if operator.name == "jit_run")

SORT = """
import torch


def order(values: torch.Tensor):
    rows, columns = values.shape
    kept = values.float()
    falling = kept.argsort(dim=-1, descending=True, stable=True)
    rising = kept.argsort(dim=-1, stable=True)
    return falling, rising
"""

EXTENTS = """
import torch


def means(values: torch.Tensor, weights: torch.Tensor, times: int):
    rows, columns = values.shape
    seen = torch.ones(rows, columns)
    total = torch.zeros(rows, columns)
    factors = weights.float()
    for turn in range(times):
        part = values / seen
        total += part + seen * factors
    return total
"""


def compiled(source, seed):
    """The program after jit_run, and its text without the decorators, so that it runs at once."""
    program = Program.parse(source)
    assert JIT_RUN.apply(program, random.Random(seed))
    text = re.sub(r"@numba\.\w+\(.*\)\n", "", program.render("T0", ["jit_run"]))
    module = {}
    exec(compile(text, "<program>", "exec"), module)
    return text, module


@pytest.mark.parametrize("mark", ["later = ", "while place", "np.argsort"])
def test_every_form_of_a_sort_is_stable_in_both_directions(mark):
    text, module = next(found for seed in range(60) if mark in (found := compiled(SORT, seed))[0])
    rng = np.random.default_rng(0)
    for shape in [(5, 17), (1, 1), (3, 2), (2, 0)]:
        values = torch.from_numpy(rng.integers(0, 4, shape).astype(np.float32))
        falling, rising = module["order"](values)
        assert torch.equal(falling, values.argsort(dim=-1, descending=True, stable=True)), text
        assert torch.equal(rising, values.argsort(dim=-1, stable=True)), text


def test_ranks_of_what_cannot_be_ordered_stay_within_the_row():
    _, module = next(found for seed in range(60) if "later = " in (found := compiled(SORT, seed))[0])
    falling, _ = module["order"](torch.tensor([[1.0, float("nan"), 3.0, 2.0]]))
    assert falling.min() >= 0
    assert falling.max() < 4


def test_arrays_of_one_shape_are_read_without_asking_for_their_extents():
    text, module = next(found for seed in range(60) if "_jit_" in (found := compiled(EXTENTS, seed))[0])
    quotient = next(line for line in text.splitlines() if " / " in line)
    assert "step" not in quotient, text
    assert "step" in text  # the factors may have one column, or one row
    original = {}
    exec(compile(EXTENTS, "<original>", "exec"), original)
    values = torch.rand(3, 4)
    for weights in (torch.rand(3, 4), torch.rand(3, 1), torch.rand(1, 4), torch.rand(1, 1)):
        ours, theirs = (each["means"](values, weights, 3) for each in (module, original))
        assert torch.allclose(ours, theirs), text


RESHAPED = """
import torch


def shifted(values: torch.Tensor, parts: int, size: int):
    rows = values.shape[0]
    split = values.view(rows, parts, size)
    split = split + torch.arange(parts).view(1, -1, 1) * size
    whole = split.view(rows, (parts + 1 - 1) * size)
    return whole + split.flatten(1)
"""


def test_extents_of_reshaped_arrays_are_known():
    text, module = next(found for seed in range(60) if "_jit_" in (found := compiled(RESHAPED, seed))[0])
    shifted = next(line for line in text.splitlines() if "+" in line and " * size" in line)
    assert "step" not in shifted, text
    original = {}
    exec(compile(RESHAPED, "<original>", "exec"), original)
    for rows, parts, size in [(2, 3, 4), (1, 1, 1), (3, 1, 2)]:
        values = torch.arange(rows * parts * size).view(rows, parts * size)
        ours, theirs = (each["shifted"](values, parts, size) for each in (module, original))
        assert torch.equal(ours, theirs), text


FUNCTIONS = """
import torch


def shares(values: torch.Tensor, least: int):
    rows, columns = values.shape
    if columns < least:
        return torch.zeros(rows, columns), torch.ones(rows, columns)
    return torch.ones(rows, columns), torch.zeros(rows, columns)


def tally(values: torch.Tensor, least: int):
    rows, columns = values.shape
    total = torch.zeros(rows, columns)
    for turn in range(3):
        first, second = shares(values, least + turn)
        total += first / 4 + second * 2
    return total
"""


def test_what_a_function_returns_has_the_extents_of_what_it_was_given():
    text, module = next(
        found for seed in range(60) if "_jit_" in (found := compiled(FUNCTIONS, seed))[0] and " / 4 +" in found[0]
    )
    assert "step = " not in text, text
    original = {}
    exec(compile(FUNCTIONS, "<original>", "exec"), original)
    values = torch.rand(3, 4)
    assert torch.equal(module["tally"](values, 3), original["tally"](values, 3))


def test_extents_are_forgotten_where_a_variable_in_them_is_bound_again():
    extents = Extents()
    for line in ("rows, columns = a.shape", "b = np.zeros((rows, columns))", "c = np.empty(b.shape, b.dtype)"):
        stmt = ast.parse(line).body[0]
        extents.learn_from(stmt.targets[0], stmt.value)
    assert [extents.of(name, 1, 2) for name in "abc"] == ["columns"] * 3
    facts = extents.enter()
    extents.forget({"b"})
    assert [extents.of(name, 1, 2) for name in "abc"] == ["columns", "b.shape[1]", "columns"]
    extents.forget({"rows"})
    assert [extents.of(name, 1, 2) for name in "abc"] == ["a.shape[1]", "b.shape[1]", "c.shape[1]"]
    extents.leave(facts)
    assert extents.of("b", 0, 2) == "rows"
    assert extents.of("b", 0, 3) == "b.shape[0]"


@pytest.mark.parametrize("extent", ["sizes[0]", "count()", "int(x)"])
def test_what_may_change_by_itself_is_no_extent(extent):
    extents = Extents()
    extents.learn("a", [extent, "columns"])
    assert extents.of("a", 1, 2) == "a.shape[1]"


CAST = """
import torch


def weigh(values: torch.Tensor):
    rows, columns = values.shape
    counts = torch.ones(rows, columns, dtype=torch.int64)
    counts += (values > 0.5).long() * 2
    shares = (values + 1) / counts.float()
    return shares, values.double() / counts
"""


def test_a_cast_within_an_expression_is_of_each_element():
    text, module = next(found for seed in range(60) if "np.float32(" in (found := compiled(CAST, seed))[0])
    original = {}
    exec(compile(CAST, "<original>", "exec"), original)
    values = torch.rand(3, 4)
    for ours, theirs in zip(module["weigh"](values), original["weigh"](values), strict=True):
        assert torch.equal(ours, theirs), text
