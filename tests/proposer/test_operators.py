"""T0 operators keep what a program computes; T1 operators change programs into other programs."""

import ast
import random
import re
from pathlib import Path

import pytest
from proposer.programs import ALL, run, same

from eplb_evolve.proposer import operators as package
from eplb_evolve.proposer.operators.crossover import crossover
from eplb_evolve.proposer.operators.registry import OPERATORS
from eplb_evolve.proposer.program import Program

T0 = [operator for operator in OPERATORS if operator.tier == "T0"]
T1 = [operator for operator in OPERATORS if operator.tier == "T1"]
BY_NAME = {operator.name: operator for operator in OPERATORS}


def variants(operator, source, draws):
    """The different programs that an operator makes of a program."""
    found = {}
    for seed in range(draws):
        program = Program.parse(source)
        before = ast.dump(program.tree)
        if operator.apply(program, random.Random(seed)):
            found[program.render(operator.tier, [operator.name])] = None
        else:
            assert ast.dump(program.tree) == before
    return list(found)


@pytest.mark.parametrize("operator", T0, ids=lambda operator: operator.name)
def test_a_t0_operator_keeps_what_programs_compute(operator):
    applied = 0
    draws = 1 if operator.name == "jit_run" else 2 if operator.name == "jit_outline" else 12  # numba takes seconds
    for source in ALL.values():
        for variant in variants(operator, source, draws):
            applied += 1
            for seed in (0, 1):
                assert same(run(source, seed), run(variant, seed)), variant
    assert applied, "no test program has a place for it"


@pytest.mark.parametrize("seed", range(6))
def test_t0_operators_can_follow_one_another(seed):
    rng = random.Random(seed)
    name = rng.choice(["assignment", "histogram", "smoothing", "lists"])
    program = Program.parse(ALL[name])
    for operator in [*rng.sample(T0, 3), BY_NAME["jit_outline"]]:
        operator.apply(program, rng)
        program = Program.parse(program.render("T0", [operator.name]))
    assert same(run(ALL[name], seed), run(program.render("T0", ["several"]), seed)), program.render("T0", ["x"])


@pytest.mark.parametrize("operator", T1, ids=lambda operator: operator.name)
def test_a_t1_operator_makes_other_programs(operator):
    made = [
        variant
        for source in (*ALL.values(), COMPILED.format(decorator=""))
        for variant in variants(operator, source, 6)
    ]
    assert made
    for variant in made:
        compile(variant, "<variant>", "exec")


def test_helpers_can_be_made_one_after_the_other():
    source = ALL["election"]
    for seed in (9, 0):
        program = Program.parse(source)
        BY_NAME["jit_run"].apply(program, random.Random(seed))
        source = program.render("T0", ["jit_run"])
    assert source.count("@numba.njit") > 1
    assert same(run(ALL["election"], 1), run(source, 1)), source


def test_lists_do_not_block_the_compiled_route():
    """Buffers made by one operator are understood by the next."""
    source = ALL["assignment"]
    for name in ("hoist_reads", "buffer_writes", "iterate_scalars", "expand_reduction"):
        source = next(iter(variants(BY_NAME[name], source, 1)), source)
    compiled = variants(BY_NAME["jit_outline"], source, 4)
    assert compiled
    assert all("numba.njit" in variant for variant in compiled)
    assert same(run(ALL["assignment"], 4), run(compiled[0], 4))


def test_what_numba_does_not_know_is_not_outlined():
    source = "def f(words, n: int):\n    for i in range(n):\n        words[i] = words[i].upper()\n    return words\n"
    assert not variants(BY_NAME["jit_outline"], source, 3)


COMPILED = """
import numba
import numpy as np

PATIENCE = 0.25


{decorator}
def total(count: int):
    times = np.ones(count)
    spent = 0.0
    for time in times:
        spent += time * PATIENCE
        left = 3.0 - spent
        spent = max(spent, left)
    return spent
"""


@pytest.mark.parametrize("name", ["iterate_scalars", "split_function"])
def test_what_a_decorator_may_compile_is_left_to_it(name):
    assert variants(BY_NAME[name], COMPILED.format(decorator=""), 6)
    assert not variants(BY_NAME[name], COMPILED.format(decorator="@numba.njit"), 6)


def test_a_number_with_a_name_of_its_own_is_scaled():
    made = variants(BY_NAME["scale_parameter"], COMPILED.format(decorator="@numba.njit"), 20)
    values = [float(re.search(r"^PATIENCE = (.*)$", text, re.MULTILINE)[1]) for text in made]
    assert min(values) < 0.125
    assert max(values) > 0.5
    assert all(0.0625 <= value <= 1.0 for value in values)
    assert not variants(BY_NAME["scale_parameter"], ALL["assignment"], 3)


def test_a_scattering_loop_becomes_a_formula_in_the_position():
    made = variants(BY_NAME["loop_to_formula"], ALL["ordered"], 320)
    assert all("hand.scatter_(1, order," in variant for variant in made)
    assert len(made) > 150
    found = next(variant for variant in made if "(position % hands + position * 0)" in variant)
    assert same(run(ALL["ordered"], 1), run(found, 1))


def test_a_bound_is_replaced_by_an_extreme_of_a_tensor():
    assert any("int(hand.max())" in variant for variant in variants(BY_NAME["reduce_bound"], ALL["ordered"], 30))


def test_crossover_brings_the_helpers_and_imports_along():
    donor = Program.parse(variants(BY_NAME["jit_outline"], ALL["assignment"], 1)[0])
    child = Program.parse(ALL["assignment"])
    assert crossover(child, donor, random.Random(0))
    text = child.render("T1", ["crossover"])
    assert "import numba" in text
    assert len(child.helpers()) == len(donor.helpers())
    assert same(run(ALL["assignment"], 2), run(text, 2))


def test_crossover_needs_a_function_that_differs_and_is_called_alike():
    child = Program.parse("def f(a):\n    return a\n")
    assert not crossover(child, Program.parse("def f(a):\n    # same\n    return a\n"), random.Random(0))
    assert not crossover(child, Program.parse("def f(a, b):\n    return a + b\n"), random.Random(0))
    assert not crossover(child, Program.parse("def g(a):\n    return 2\n"), random.Random(0))


FORBIDDEN = re.compile(
    r"expert|replica|gpu|eplb(?!_evolve)|balanc|phy2log|log2phy|logcnt|num_|_per_|weight|snake|greedy|divisor|swap",
    re.IGNORECASE,
)
FORBIDDEN_TO_MATCH = re.compile(FORBIDDEN.pattern + r"|node|group|pack|slot|layer|load", re.IGNORECASE)


@pytest.mark.parametrize("folder", ["operators", "lowering", "analysis", "batching"])
def test_nothing_in_the_operators_names_the_problem_or_an_algorithm_for_it(folder):
    files = list((Path(package.__file__).parents[1] / folder).glob("*.py"))
    assert files
    for file in files:
        text = file.read_text()
        assert not FORBIDDEN.search(text), file.name
        tree = ast.parse(text)
        prose = {id(stmt.value) for stmt in ast.walk(tree) if isinstance(stmt, ast.Expr)}
        for part in ast.walk(tree):
            if isinstance(part, ast.Constant) and isinstance(part.value, str) and id(part) not in prose:
                assert not FORBIDDEN_TO_MATCH.search(part.value), f"{file.name}: {part.value!r}"
