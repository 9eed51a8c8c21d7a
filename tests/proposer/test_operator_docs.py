"""What docs/operators says about an operator is what the operator does."""

import ast
import random
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from eplb_evolve.proposer.operators.crossover import CROSSOVER, crossover
from eplb_evolve.proposer.operators.registry import OPERATORS
from eplb_evolve.proposer.program import Program

FOLDER = Path(__file__).parents[2] / "docs" / "operators"
TIERS = {operator.name: operator.tier for operator in OPERATORS} | {CROSSOVER: "T1"}
REWRITES = {operator.name: operator.apply for operator in OPERATORS}
SEEDS = range(201)


@dataclass(frozen=True)
class Section:
    """What a file says about one operator; `programs` by the word behind `python` of their fences."""

    file: str
    name: str
    tier: str
    prose: str
    programs: dict[str, str]


def sections():
    """Every section of every file."""
    for file in sorted(FOLDER.glob("*.md")):
        for text in re.split(r"^## ", file.read_text(), flags=re.MULTILINE)[1:]:
            heading, rest = text.split("\n", 1)
            programs = dict(re.findall(r"^```python (\w+)\n(.*?)^```$", rest, re.MULTILINE | re.DOTALL))
            if programs:
                name, tier = re.fullmatch(r"(\w+) \((T[01])\)", heading).groups()
                yield Section(file.stem, name, tier, rest.split("```")[0].strip(), programs)


SECTIONS = list(sections())


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.name)
def test_an_operator_does_what_its_section_shows(section):
    wanted = ast.dump(ast.parse(section.programs["after"]))
    for seed in SEEDS:
        program = Program.parse(section.programs["before"])
        rng = random.Random(seed)
        if section.name == CROSSOVER:
            crossover(program, Program.parse(section.programs["donor"]), rng)
        else:
            REWRITES[section.name](program, rng)
        if ast.dump(ast.parse(program.render(section.tier, [section.name]))) == wanted:
            return
    pytest.fail(f"no seed of 0 to {SEEDS[-1]} gives what docs/operators/{section.file}.md shows after {section.name}")


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.name)
def test_a_section_gives_the_tier_a_sentence_and_two_programs_that_differ(section):
    assert section.tier == TIERS[section.name]
    assert section.prose
    assert section.programs["before"] != section.programs["after"]


def test_every_operator_has_exactly_one_section():
    assert sorted(section.name for section in SECTIONS) == sorted(TIERS)
