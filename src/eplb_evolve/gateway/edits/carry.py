"""A child written as a reply of which OpenEvolve makes that very child, byte for byte: tried with its own functions."""

import difflib
import re

from eplb_evolve.gateway.edits.apply import Unusable
from eplb_evolve.gateway.parsing import Rules, program_of
from eplb_evolve.proposer.prompt import Prompt

_MARKER = re.compile(r"^[ \t]*(<<<<<<< SEARCH|=======|>>>>>>> REPLACE)[ \t]*$", re.MULTILINE)
_CONTEXTS = (1, 2, 3, 5, 8)
"""Lines around a change, tried in turn: too few may stand elsewhere in the parent as well, or be blank."""


def carried(prompt: Prompt, child: str, words: str, rules: Rules) -> str:
    """The reply to a prompt of OpenEvolve's: minimal hunks, else all in one; in a code fence where that is asked for.

    words: what stands before it. Raises Unusable where nothing can carry the child.
    """
    words = _MARKER.sub("", words).replace("```", "").strip()
    if not prompt.wants_diff:
        text = f"{words}\n\n```python\n{child.strip()}\n```\n"
        if (program_of(prompt, text, rules) or "").strip() == child.strip():
            return text
        raise Unusable("The program holds a code fence (```), so it cannot be handed on; write that text in two parts.")
    for hunks in _versions(prompt.program, child):
        text = "\n\n".join([words, *hunks]) + "\n"
        if program_of(prompt, text, rules) == child:
            return text
    line = _MARKER.search(child) or _MARKER.search(prompt.program)
    where = f"its line `{line[1]}`" if line else "its blank lines"
    raise Unusable(f"The program cannot be handed on because of {where}; write it otherwise.")


def within_blocks(parent: str, child: str, rules: Rules) -> str:
    """The child as OpenEvolve admits it where it holds all outside of the evolve blocks; else as it is."""
    if not rules.enforce_evolve_blocks:
        return child
    from openevolve.utils import code_utils

    try:
        return str(code_utils.enforce_evolve_blocks(parent, child))
    except ValueError:
        raise Unusable("The EVOLVE-BLOCK lines must stay: one START, one END, as in the parent.") from None


def _versions(old_text: str, new_text: str) -> list[list[str]]:
    """The hunks of a diff, with more and more lines around each; at last one hunk with everything."""
    old, new = old_text.split("\n"), new_text.split("\n")
    found = []
    for context in (*_CONTEXTS, len(old) + len(new)):
        matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
        groups = matcher.get_grouped_opcodes(context)
        spans = [(group[0][1], group[-1][2], group[0][3], group[-1][4]) for group in groups]
        found.append([_hunk(old[a:b], new[c:d]) for a, b, c, d in spans])
    return found


def _hunk(old: list[str], new: list[str]) -> str:
    return "\n".join(["<<<<<<< SEARCH", *old, "=======", *new, ">>>>>>> REPLACE"])
