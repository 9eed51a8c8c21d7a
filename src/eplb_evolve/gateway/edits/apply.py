"""A reply applied to the program that it changes, as the model meant it."""

import ast
import difflib
import re

from eplb_evolve.gateway.edits.whole import whole_program

_BLOCK = re.compile(
    r"^[ \t]*<{5,9} ?\w+[ \t]*\n(.*?)^[ \t]*={5,9}[ \t]*(?:\n(.*?))?^[ \t]*>{5,9} ?\w+", re.MULTILINE | re.DOTALL
)
_BEGIN = re.compile(r"^[ \t]*<{5,9} ?SEARCH", re.MULTILINE)
_START, _END = "# EVOLVE-BLOCK-START", "# EVOLVE-BLOCK-END"
_TABS = re.compile(r"^\t+", re.MULTILINE)
_NEAR, _SHOWN = 2, 160


class Unusable(ValueError):
    """No program comes of a reply; the message tells the model why."""


def child_of(parent: str, reply: str, most: int) -> str:
    """The program that a reply makes of its parent, at most `most` bytes long. Raises Unusable.

    reply: without what the model thought aloud. A diff counts before a whole program; both may stand in prose and
    between code fences. The child ends as the parent does: blank lines there are out of the reach of a diff.
    """
    text = reply.replace("\r\n", "\n").strip()
    if not text:
        raise Unusable("The reply is empty.")
    child = _patched_or_whole(parent, text)
    if _START not in child:
        child = f"{_START}\n{child.rstrip()}\n\n\n{_END}"
    child = child.rstrip() + parent[len(parent.rstrip()) :]
    if child == parent:
        raise Unusable("The reply leaves the program as it was.")
    size = len(child.encode("utf-8", "replace"))
    if size > most:
        raise Unusable(f"The program has {size} bytes, at most {most} are allowed.")
    _demand_python(child)
    return child


def _patched_or_whole(parent: str, text: str) -> str:
    blocks = _BLOCK.findall(text)
    try:
        if blocks and len(_BEGIN.findall(text)) > len(blocks):
            raise Unusable("The reply ends within a SEARCH/REPLACE block.")
        if blocks:
            return _patched(parent, blocks)
        if _BEGIN.search(text):
            raise Unusable("The reply ends within a SEARCH/REPLACE block.")
        raise Unusable(
            "The reply holds no program: neither a SEARCH/REPLACE block nor a ```python block that defines "
            "rebalance_experts."
        )
    except Unusable:
        whole = whole_program(text)
        if whole is None:
            raise
        return whole


def _demand_python(program: str) -> None:
    try:
        ast.parse(program)
    except SyntaxError as problem:
        lines = program.split("\n")
        at = problem.lineno if problem.lineno is not None and problem.lineno <= len(lines) else None
        shown = f", line {at}: `{lines[at - 1].strip()[:_SHOWN]}`" if at else ""
        raise Unusable(f"The program is no Python: {problem.msg}{shown}.") from None
    except (ValueError, RecursionError, MemoryError) as problem:
        raise Unusable(f"The program is no Python: {problem}.") from None


def _patched(parent: str, blocks: list[tuple[str, str]]) -> str:
    lines = parent.split("\n")
    if "\t" not in parent:
        blocks = [(_without_tabs(search), _without_tabs(replace)) for search, replace in blocks]
    for number, (search, replace) in enumerate(blocks, 1):
        which = "The SEARCH block" if len(blocks) == 1 else f"SEARCH block {number} of {len(blocks)}"
        wanted = search.rstrip().split("\n")
        start, end = _find(lines, wanted, which)
        new = replace.rstrip().split("\n") if replace.strip() else []
        lines[start:end] = _indented(new, _indent(lines[start:end]) - _indent(wanted))
    return "\n".join(lines)


def _without_tabs(text: str) -> str:
    """Its indentation in blanks."""
    return _TABS.sub(lambda tabs: "    " * len(tabs[0]), text)


def _find(lines: list[str], wanted: list[str], which: str) -> tuple[int, int]:
    """From which line to which the search text stands: exactly, else with all whitespace ignored. It must be unique."""
    if not any(line.strip() for line in wanted):
        raise Unusable(f"{which} is empty.")
    size = len(wanted)
    exact = [at for at in range(len(lines) - size + 1) if lines[at : at + size] == wanted]
    if len(exact) == 1:
        return exact[0], exact[0] + size
    squeezed = [("".join(line.split()), at) for at, line in enumerate(lines) if line.strip()]
    keys, sought = [key for key, _ in squeezed], ["".join(line.split()) for line in wanted if line.strip()]
    hits = [at for at in range(len(keys) - len(sought) + 1) if keys[at : at + len(sought)] == sought]
    if not hits:
        raise Unusable(f"{which} is not in the parent. {_nearest(lines, wanted)}")
    if len(exact or hits) > 1:
        raise Unusable(f"{which} stands {len(exact or hits)} times in the parent; add lines around it.")
    return squeezed[hits[0]][1], squeezed[hits[0] + len(sought) - 1][1] + 1


def _indent(lines: list[str]) -> int:
    first = next(line for line in lines if line.strip())
    return len(first) - len(first.lstrip())


def _indented(lines: list[str], by: int) -> list[str]:
    """Shifted right, or left as far as every line allows."""
    if by < 0:
        by = -min([-by, *(_indent([line]) for line in lines if line.strip())])
    return [line if not line.strip() else " " * by + line if by > 0 else line[-by:] for line in lines]


def _nearest(lines: list[str], wanted: list[str]) -> str:
    """The first line that the parent lacks, and what comes nearest to it there."""
    have = {"".join(line.split()) for line in lines}
    missing = next((line for line in wanted if "".join(line.split()) not in have and line.strip()), None)
    if missing is None:
        return "Each of its lines is, but not in this order."
    by_text = {line.strip(): number for number, line in reversed(list(enumerate(lines, 1)))}
    near = difflib.get_close_matches(missing.strip(), by_text, _NEAR, 0.5)
    told = "".join(f"\n    line {by_text[line]}: {line[:_SHOWN]}" for line in near)
    return f"This line is missing there: `{missing.strip()[:_SHOWN]}`" + (f"\nNearest to it:{told}" if near else "")
