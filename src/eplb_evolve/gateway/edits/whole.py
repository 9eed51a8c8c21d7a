"""A whole program in a reply: between code fences, after prose, or the reply itself."""

import ast
import re

_FENCE = re.compile(r"^[ \t]*(?:```|~~~)[^\n]*$", re.MULTILINE)
_BEGINNING = re.compile(r'^(?:"""|import |from \w|# EVOLVE-BLOCK|def |@)', re.MULTILINE)
_FUNCTION = "def rebalance_experts"


def whole_program(text: str) -> str | None:
    """The longest part of a reply that is Python and defines rebalance_experts; None where there is none.

    A program may hold fences in its strings, and a reply may lack its last one.
    """
    fences = list(_FENCE.finditer(text))
    ends = [*(fence.start() for fence in fences), len(text)]
    spans = [(fence.end() + 1, end) for fence in fences for end in ends if end > fence.end()]
    spans += [(found.start(), end) for found in [_BEGINNING.search(text)] if found for end in ends[-1:]]
    spans.append((0, len(text)))
    for begin, end in sorted(set(spans), key=lambda span: span[0] - span[1]):
        part = text[begin:end].strip("\n")
        if _FUNCTION in part and _parses(part):
            return part
    return None


def _parses(text: str) -> bool:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
