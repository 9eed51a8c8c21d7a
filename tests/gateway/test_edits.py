"""Replies in every shape that models give them, made into programs."""

import pytest

from eplb_evolve.gateway.edits.apply import Unusable, child_of
from eplb_evolve.gateway.edits.ideas import MOST, idea_of

PARENT = '''\
"""A seed."""

# EVOLVE-BLOCK-START
import torch


def helper(x):
    for i in range(3):
        x = x + 1
        y = x

    return x


def rebalance_experts(weight, r, g, n, p):
    y = helper(1)
    y = helper(1)
    return y


# EVOLVE-BLOCK-END
'''
WHOLE = "# EVOLVE-BLOCK-START\nimport numpy\n\n\ndef rebalance_experts(*a):\n    return 7\n\n\n# EVOLVE-BLOCK-END\n"
OTHER = "def something_else():\n    return '" + 300 * "x" + "'\n"


def hunk(search, replace):
    return f"<<<<<<< SEARCH\n{search}\n=======\n{replace}\n>>>>>>> REPLACE"


def child(reply, parent=PARENT):
    return child_of(parent, reply, 5000)


@pytest.mark.parametrize(
    ("search", "replace", "expected"),
    [
        ("    return x", "    return x + 2", "    return x + 2\n\n\ndef rebalance"),
        ("return x", "return x + 2", "    return x + 2\n\n\ndef rebalance"),
        ("x=x+1", "x = x + 5", "        x = x + 5\n        y = x\n"),
        (
            "for i in range(3):\n    x = x + 1",
            "for i in range(4):\n    x = x + 1",
            "    for i in range(4):\n        x = x",
        ),
        ("                x = x + 1", "                x = x + 5", "        x = x + 5\n        y = x\n"),
        ("    y = x\n    return x", "    y = x\n    return y", "        y = x\n        return y\n"),
        ("        y = x   \n\n    return x\n\n", "    return x", "        x = x + 1\n    return x\n"),
        ("\tfor i in range(3):", "\tfor i in range(4):\n\t\tx = x", "    for i in range(4):\n        x = x\n        x"),
        ("import torch", "", "START\n\n\ndef helper"),
    ],
    ids=[
        "exact",
        "no indent",
        "no blanks",
        "block indent",
        "too deep",
        "without a blank line",
        "trailing",
        "tabs",
        "deletion",
    ],
)
def test_a_diff_is_applied_where_it_fits_but_for_whitespace(search, replace, expected):
    assert expected in child(hunk(search, replace))


def test_several_blocks_are_applied_one_after_the_other_in_prose_and_fences():
    reply = f"Two.\n\n```diff\n{hunk('import torch', 'import numpy')}\n```\nand then\n```\n"
    reply += hunk("import numpy", "import numpy as np") + "\n```\nThat is all."
    assert "import numpy as np\n" in child(reply)


@pytest.mark.parametrize(
    "reply",
    [
        f"An idea.\n```python\n{WHOLE}```\n",
        f"```py\n{OTHER}```\nand in full\n```python\n{WHOLE}```\nDone.",
        f"```\n{WHOLE}",
        WHOLE,
        f"Here is the program.\n\n{WHOLE}",
        f"~~~python\n{WHOLE}~~~",
        f"{hunk('not there', 'x')}\nor in full\n```python\n{WHOLE}```\n",
        f"```python\n{WHOLE}```\n".replace("\n", "\r\n"),
    ],
    ids=["fence", "two blocks", "no end", "bare", "prose, bare", "tildes", "a diff that does not fit", "CRLF"],
)
def test_a_whole_program_is_found_wherever_it_stands(reply):
    assert child(reply) == WHOLE


def test_a_program_with_fences_in_its_strings_is_whole():
    program = WHOLE.replace("return 7", 'return """\n```python\nx = 1\n```\n"""')
    assert child(f"So:\n```python\n{program}```\n") == program


def test_a_program_without_markers_gets_them_and_the_end_of_the_parent():
    made = child("```python\ndef rebalance_experts(*a):\n    return 1\n```", PARENT + "\n\n")
    assert made.startswith("# EVOLVE-BLOCK-START\ndef rebalance_experts")
    assert made.endswith("# EVOLVE-BLOCK-END\n\n\n")


def test_a_diff_with_windows_line_ends_fits():
    assert "import numpy\n" in child(hunk("import torch", "import numpy").replace("\n", "\r\n"))


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        ("", "The reply is empty."),
        ("  \n", "The reply is empty."),
        ("Diversity across dimensions matters.", "The reply holds no program"),
        (f"```python\n{OTHER}```", "The reply holds no program"),
        (hunk("y = helper(1)", "y = 2"), "The SEARCH block stands 2 times in the parent; add lines around it."),
        (hunk("", "y = 2"), "The SEARCH block is empty."),
        (hunk("retrun x", "y = 2"), "is not in the parent. This line is missing there: `retrun x`\nNearest to it:"),
        (hunk("    return x\n    for i in range(3):", "y"), "Each of its lines is, but not in this order."),
        (f"{hunk('import torch', 'import os')}\n{hunk('no such', 'x')}", "SEARCH block 2 of 2 is not in the parent."),
        ("<<<<<<< SEARCH\nimport torch\n=======\nimport", "The reply ends within a SEARCH/REPLACE block."),
        (hunk("import torch", "import numpy") + "\n<<<<<<< SEARCH\nx", "ends within a SEARCH/REPLACE block."),
        (hunk("import torch", "import torch"), "The reply leaves the program as it was."),
        (hunk("import torch", "import (torch"), "The program is no Python"),
        (hunk("import torch", "x = '" + 5000 * "x" + "'"), "bytes, at most 5000 are allowed."),
    ],
)
def test_what_makes_no_program_says_why(reply, why):
    with pytest.raises(Unusable) as refused:
        child(reply)
    assert why in str(refused.value)


def test_the_nearest_lines_are_told_with_their_numbers():
    with pytest.raises(Unusable, match=r"line 12: return x"):
        child(hunk("    retrun x", "y"))


@pytest.mark.parametrize(
    ("reply", "idea"),
    [
        ("Heaps instead of sorting. More words.\n```python\nx\n```", "Heaps instead of sorting."),
        ("**Idea:** one fused `numba` kernel\n\n<<<<<<< SEARCH", "one fused numba kernel"),
        ("# Heading\n\nHere it is:\n- batch the rows\n", "batch the rows"),
        ("```python\nx = 1\n```\nAfterwards.", ""),
        (f"Bare.\n{WHOLE}", "Bare."),
        ('"""A docstring."""\nimport torch\n', ""),
        ("<<<<<<< README\nThe new one.", ""),
        ("", ""),
        ("\x1b[31mred\x1b[0m letters", "\\x1b[31mred\\x1b[0m letters"),
    ],
)
def test_the_idea_is_the_first_sentence(reply, idea):
    assert idea_of(reply) == idea


def test_a_long_idea_is_cut():
    assert len(idea_of("word " * 100)) == MOST
