"""A child is handed on so that OpenEvolve's own functions make that very child."""

import pytest
from gateway.test_edits import PARENT
from openevolve.utils.code_utils import apply_diff_blocks, extract_diffs, parse_full_rewrite
from support import ROOT

from eplb_evolve.gateway.edits.apply import Unusable, child_of
from eplb_evolve.gateway.edits.carry import carried, within_blocks
from eplb_evolve.gateway.parsing import Rules
from eplb_evolve.proposer.prompt import Prompt

FILES = sorted((ROOT / "seeds").glob("*.py"))
SHIPPED = [file.read_text() for file in FILES]
RULES = Rules(max_code_length=60_000)


def hand_on(parent, child, words="words", rules=RULES, diff=True):
    return carried(Prompt(parent, None, (), diff), child, words, rules)


def applied(parent, reply):
    return apply_diff_blocks(parent, extract_diffs(reply))[0]


@pytest.mark.parametrize("parent", SHIPPED[::4], ids=[file.stem for file in FILES[::4]])
def test_every_program_can_follow_every_other(parent):
    for other in SHIPPED:
        if other != parent:
            child = child_of(parent, f"```python\n{other}\n```", 60_000)
            assert applied(parent, hand_on(parent, child)) == child
            assert parse_full_rewrite(hand_on(parent, child, diff=False)).strip() == child.strip()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("import torch\n", "import torch\n# =======\nA = 1\n"),
        ("import torch\n", "import torch\n#<<<<<<< SEARCH\nA = 1  # >>>>>>> REPLACE\n"),
        ("\n\n\ndef helper", "\n\n\n\n\n\n\ndef helper"),
        ("import torch\n\n\n", "import torch\n"),
        ("    y = helper(1)\n    y = helper(1)\n", "    y = helper(1)\n"),
        ("    y = helper(1)\n    y = helper(1)\n", "    y = helper(1)\n    y = helper(2)\n"),
        ('"""A seed."""\n\n', ""),
        ("x = x + 1\n", "x = x + 1   \n"),
    ],
)
def test_changes_at_the_edge_of_what_a_diff_can_say(old, new):
    assert old in PARENT
    child = PARENT.replace(old, new)
    assert applied(PARENT, hand_on(PARENT, child)) == child


def test_a_small_change_travels_as_a_small_hunk():
    assert len(hand_on(SHIPPED[0], SHIPPED[0].replace("import torch", "import torch as t", 1))) < 400


@pytest.mark.parametrize("words", ["=======", "<<<<<<< SEARCH", "a\n>>>>>>> REPLACE\nb", "```python"])
@pytest.mark.parametrize("diff", [True, False])
def test_words_do_not_disturb(words, diff):
    child = PARENT.replace("torch", "numpy")
    reply = hand_on(PARENT, child, words, diff=diff)
    assert (applied(PARENT, reply) if diff else parse_full_rewrite(reply) + "\n") == child


@pytest.mark.parametrize(
    ("line", "diff", "why"), [("=======", True, "its line `=======`"), ("```", False, "a code fence")]
)
def test_what_cannot_travel_is_said(line, diff, why):
    child = PARENT.replace("A seed.", f"A seed.\n{line}\n")
    with pytest.raises(Unusable, match=why):
        hand_on(PARENT, child, diff=diff)


@pytest.mark.parametrize("diff", [True, False])
def test_what_stands_outside_the_block_may_be_held(diff):
    """With enforce_evolve_blocks OpenEvolve puts back what stands outside of it."""
    rules = Rules(max_code_length=60_000, enforce_evolve_blocks=True)
    child = PARENT.replace("torch", "numpy")
    made = within_blocks(PARENT, child.replace("A seed", "C code"), rules)
    assert made == child
    assert hand_on(PARENT, made, rules=rules, diff=diff)
    with pytest.raises(Unusable, match="EVOLVE-BLOCK"):
        within_blocks(PARENT, child.replace("# EVOLVE-BLOCK-END", ""), rules)
