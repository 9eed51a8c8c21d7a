"""A search by exchanges improves its objective and changes nothing else."""

import ast
import itertools
import random
import types

import numpy as np
import pytest
from proposer.programs import ALL, run

from eplb_evolve.proposer.analysis.tree import located
from eplb_evolve.proposer.operators.improvement import _OBJECTIVES, _VISITS, OPERATORS
from eplb_evolve.proposer.program import Program

(IMPROVE,) = OPERATORS

CREWS = """
import torch


def crews(hours: torch.Tensor, teams: int):
    days, jobs = hours.shape
    team = torch.zeros(days, jobs, dtype=torch.int64)
    place = torch.zeros(days, jobs, dtype=torch.int64)
    for day in range(days):
        for job in range(jobs):
            team[day, job] = job % teams
            place[day, job] = job // teams
    return team, place


def solve(seed: int):
    generator = torch.Generator().manual_seed(seed)
    hours = torch.rand(5, 12, generator=generator, dtype=torch.float64)
    return crews(hours, 3), hours
"""


def improved(source, seed):
    program = Program.parse(source)
    assert IMPROVE.apply(program, random.Random(seed))
    return program


def helper_of(program):
    """The helper as a plain Python function."""
    module = types.ModuleType("program")
    exec(compile(program.render("T1", ["x"]), "<program>", "exec"), module.__dict__)
    (helper,) = program.helpers()
    return getattr(module, helper.name).py_func


def sums_of(segment, score):
    return np.array([np.bincount(row, part, segment.max() + 1) for row, part in zip(segment, score, strict=True)])


OBJECTIVES = {
    "squares": lambda sums: (sums**2).sum(1),
    "largest": lambda sums: sums.max(1),
    "spread": lambda sums: sums.max(1) - sums.min(1),
}


@pytest.mark.parametrize("visits", _VISITS)
@pytest.mark.parametrize("objective", _OBJECTIVES)
def test_the_objective_falls_and_rows_keep_their_entries(monkeypatch, objective, visits):
    monkeypatch.setattr("eplb_evolve.proposer.operators.improvement._OBJECTIVES", {"only": _OBJECTIVES[objective]})
    monkeypatch.setattr("eplb_evolve.proposer.operators.improvement._VISITS", {visits: _VISITS[visits]})
    helper = helper_of(improved(ALL["assignment"], 0))
    generator = np.random.default_rng(0)
    segment, score = generator.integers(0, 4, (6, 20)), generator.random((6, 20))
    before = segment.copy()
    helper(segment, score)
    old, new = (OBJECTIVES[objective](sums_of(entries, score)) for entries in (before, segment))
    assert (new <= old + 1e-12).all()
    assert new.sum() < old.sum()
    assert (np.sort(segment) == np.sort(before)).all()


def test_companions_are_exchanged_along():
    program = next(made for seed in range(40) if len((made := improved(CREWS, seed)).helpers()[0].args.args) == 3)
    helper = helper_of(program)
    generator = np.random.default_rng(1)
    segment, companion = np.tile(np.arange(12) % 3, (5, 1)), np.tile(np.arange(12) // 3, (5, 1))
    pairs = np.sort(segment * 100 + companion)
    before = segment.copy()
    helper(segment, companion, generator.random((5, 12)))
    assert (segment != before).any()
    assert (np.sort(segment * 100 + companion) == pairs).all()


@pytest.mark.parametrize("segment", [[[0, 7, 1]], [[-1, 0, 1]], np.zeros((2, 0), int)])
def test_entries_that_are_no_segments_stay(segment):
    helper = helper_of(improved(ALL["assignment"], 0))
    segment = np.array(segment)
    before = segment.copy()
    helper(segment, np.ones(segment.shape))
    assert (segment == before).all()


def test_a_compiled_search_gives_the_same_result_each_time():
    text = improved(CREWS, 3).render("T1", ["local_improvement"])
    (first, hours), (second, _), (plain, _) = run(text, 1), run(text, 1), run(CREWS, 1)
    assert all((a == b).all() for a, b in zip(first, second, strict=True))
    assert not all((a == b).all() for a, b in zip(first, plain, strict=True))
    assert hours.shape == first[0].shape


def test_all_neighbourhoods_objectives_and_subsets_are_drawn():
    class Chance(random.Random):
        def choice(self, options):
            chosen.append(super().choice(options))
            return chosen[-1]

    found = set()
    for seed in range(200):
        chosen, program = [], Program.parse(CREWS)
        assert IMPROVE.apply(program, Chance(seed))
        (objective,) = (each for each in chosen if each in _OBJECTIVES.values())
        (visits,) = (each for each in chosen if each in _VISITS)
        found.add((objective, visits, len(program.helpers()[0].args.args)))
    assert found == set(itertools.product(_OBJECTIVES.values(), _VISITS, (2, 3)))


NO_SCORE = """
import torch


def f(n: int):
    a = torch.zeros(n, 3, dtype=torch.int64)
    scores = torch.zeros(3, n)
    return a, scores
"""

CALLERS_ARRAY = """
import torch


def f(a, scores):
    n, m = a.shape
    n, m = scores.shape
    return a


def solve(seed: int):
    return f(torch.zeros(2, 3, dtype=torch.int64), torch.zeros(2, 3))
"""

UNREAD = """
import torch


def f(n: int):
    a = torch.zeros(n, 3, dtype=torch.int64)
    scores = torch.zeros(n, 3)
    return scores
"""


@pytest.mark.parametrize("source", [NO_SCORE, CALLERS_ARRAY, UNREAD])
def test_there_is_no_place_without_an_own_array_that_is_read_and_a_score_of_its_shape(source):
    assert not IMPROVE.apply(Program.parse(source), random.Random(0))


def test_an_array_of_the_functions_own_is_a_place():
    """The same but for what the test above takes away."""
    assert IMPROVE.apply(Program.parse(NO_SCORE.replace("3, n", "n, 3")), random.Random(0))
    own = CALLERS_ARRAY.replace("return a", "b = torch.zeros(n, m, dtype=torch.int64)\n    return b")
    assert IMPROVE.apply(Program.parse(own), random.Random(0))
    assert IMPROVE.apply(Program.parse(UNREAD.replace("return scores", "return scores, a")), random.Random(0))


VECTOR = """
import torch


def halls(n: int):
    guests = torch.arange(n) / 3
    hall = torch.zeros(n, dtype=torch.int64)
    for i in range(n):
        hall[i] = int(guests[i])
    return hall


def solve(seed: int):
    return halls(9)
"""


def test_vectors_are_passed_as_one_row():
    text = improved(VECTOR, 0).render("T1", ["local_improvement"])
    assert "np.asarray(hall)[None]" in text
    assert sorted(run(text, 0).tolist()) == sorted(run(VECTOR, 0).tolist())


COMPILED = """
import numba
import numpy as np
import torch


@numba.njit(error_model="numpy")
def _jit_fill(hours, team, teams):
    days, jobs = hours.shape
    for day in range(days):
        for job in range(jobs):
            team[day, job] = int(hours[day, job] * teams)


def crews(hours: torch.Tensor, teams: int):
    team = torch.zeros(5, 12, dtype=torch.int64)
    _jit_fill(np.asarray(hours), np.asarray(team), teams)
    return team


def solve(seed: int):
    hours = torch.rand(5, 12, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return crews(hours, 3)
"""


def test_an_array_that_a_compiled_helper_fills_is_improved_inside_of_it():
    program = improved(COMPILED, 0)
    search, fill = program.helpers()
    assert f"{search.name}(np.asarray(team), np.asarray(hours))" in ast.unparse(located(fill))
    team, plain = run(program.render("T1", ["local_improvement"]), 0), run(COMPILED, 0)
    assert (team != plain).any()
    assert (team.sort().values == plain.sort().values).all()
