"""Reading a program, changing its tree, and writing it back without harm to the rest of its text."""

import ast
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from proposer.programs import ALL
from support import SEED

from eplb_evolve.proposer.analysis.tree import located
from eplb_evolve.proposer.engine import propose
from eplb_evolve.proposer.header import Header, made_by
from eplb_evolve.proposer.operators.registry import OPERATORS
from eplb_evolve.proposer.program import Program, UnreadableProgram

BLOCK = '''\
"""A module."""
import os  # outside

# EVOLVE-BLOCK-START
# about f
def f(x):
    """Documented."""
    # first
    y = (x +
         1)  # why
    if y > 2:  # large
        y = 3
    elif y > 1:
        # in the branch
        y = 2
    else:
        y = 0
    return y


TABLE = """
# not a comment
```
"""
# the end
# EVOLVE-BLOCK-END
print( f(2) )   # untouched
'''


@pytest.mark.parametrize("source", [BLOCK, SEED.read_text(), *ALL.values()])
def test_an_unchanged_program_keeps_every_byte_but_gains_its_provenance(source):
    text = Program.parse(source).render("T0", ["a"])
    assert text.replace("# proposed-by: embedded tier=T0 operators=a\n# steps: a\n", "") == source


def test_a_change_leaves_comments_docstrings_and_other_lines_alone():
    program = Program.parse(BLOCK)
    function = program.functions()[0]
    function.body[1] = ast.parse("y = x * 2").body[0]
    function.body[2].body[0].value = ast.Constant(7)
    text = program.render("T1", ["a"])
    for kept in (
        "# about f",
        '"""Documented."""',
        "if y > 2:  # large",
        "# in the branch",
        "# the end",
        "print( f(2) )",
    ):
        assert kept in text
    assert "y = x * 2\n" in text
    assert "    if y > 2:  # large\n        y = 7\n    elif y > 1:\n" in text


def test_what_is_outside_the_block_stays_as_it_is_and_additions_go_inside():
    program = Program.parse(BLOCK)
    program.add_import("import numba")
    helper = ast.parse("def _jit_x(a):\n    return a").body[0]
    program.add_helper(helper, program.functions()[0])
    program.tree.body[2].body[-1].value = ast.parse("_jit_x(numba)", mode="eval").body
    head, _, rest = program.render("T0", ["a"]).partition("# EVOLVE-BLOCK-START\n")
    region, _, tail = rest.partition("# EVOLVE-BLOCK-END")
    assert head == BLOCK.partition("# EVOLVE-BLOCK-START\n")[0]
    assert tail == BLOCK.partition("# EVOLVE-BLOCK-END")[2]
    assert "import numba" in region
    assert "def _jit_x" in region


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([*ALL.values(), SEED.read_text(), BLOCK]), st.sampled_from(OPERATORS))
def test_the_text_always_means_what_the_tree_means(seed, source, operator):
    program = Program.parse(source)
    operator.apply(program, random.Random(seed))
    assert ast.dump(ast.parse(program.layout.render(program.tree))) == ast.dump(program.tree)


def test_each_proposal_replaces_the_header_and_adds_its_step():
    first = propose(BLOCK, seed=1)
    second = propose(first.source, seed=2)
    lines = second.source.split("# EVOLVE-BLOCK-START\n")[1].split("\n")
    assert [line for line in second.source.split("\n") if line.startswith("# proposed-by:")] == lines[:1]
    assert lines[0] == f"# proposed-by: embedded tier={second.tier} operators={'+'.join(second.operators)}"
    assert lines[1] == f"# steps: {'+'.join(first.operators)} > {'+'.join(second.operators)}"
    assert made_by(second.source) == Header(second.tier, second.operators, tuple(lines[1][9:].split(" > ")))


def test_without_a_block_the_provenance_is_the_first_line():
    source = propose(ALL["histogram"], seed=3).source
    assert source.startswith("# proposed-by: embedded tier=")


@pytest.mark.parametrize("source", [BLOCK, "", "x = (", "# proposed-by: a person\nx = 1\n"])
def test_other_programs_have_no_provenance(source):
    assert made_by(source) is None


def test_helpers_and_imports_go_when_nothing_uses_them():
    program = Program.parse(
        "import numba\nimport numpy as np\n"
        "@numba.njit\ndef _jit_a(x):\n    return _jit_b(x)\n\n\n"
        "@numba.njit\ndef _jit_b(x):\n    return np.sum(x)\n\n\n"
        "def f(x):\n    return _jit_a(x)\n"
    )
    program.prune()
    assert len(program.helpers()) == 2
    program.functions()[0].body[0].value = ast.Constant(1)
    program.prune()
    assert ast.unparse(located(program.tree)) == "def f(x):\n    return 1"


def test_a_text_that_is_no_program_is_refused():
    with pytest.raises(UnreadableProgram, match="does not parse"):
        Program.parse("def f(:\n")
