"""Read OpenEvolve's stock prompts and write answers that it can apply."""

import ast
import functools
import re
from dataclasses import dataclass

_CURRENT = re.compile(r"^# Current Program\n```[\w+-]*\n", re.MULTILINE)
_TASK = "\n```\n\n# Task"
_FENCE = re.compile(r"^```[\w+-]*$")
_HISTORY_HEADING = re.compile(r"^### (?:Program|Inspiration) \S+ \(Score: (-?[\d.]+|nan|-?inf)")
_FITNESS = re.compile(r"^- Fitness: (-?[\d.]+|nan|-?inf)$", re.MULTILINE)
_DIFF_INSTRUCTION = "<<<<<<< SEARCH"
_MARKER = re.compile(r"^[ \t]*(<<<<<<< SEARCH|=======|>>>>>>> REPLACE)[ \t]*\r?$", re.MULTILINE)


class UnknownPrompt(ValueError):
    """The prompt is not one that OpenEvolve's stock templates make."""


@dataclass(frozen=True)
class Prompt:
    """What a proposer needs of a prompt."""

    program: str
    fitness: float | None
    """Score of the program; None when the prompt does not tell."""
    inspirations: tuple[str, ...]
    """Other programs, the best first."""
    wants_diff: bool


def read_prompt(text: str) -> Prompt:
    """Find the current program and the inspirations."""
    end = text.rfind(_TASK)
    starts = [match.end() for match in _CURRENT.finditer(text) if match.end() <= end + 1]
    if not starts:
        raise UnknownPrompt('the prompt has no section "# Current Program" followed by a section "# Task"')
    # programs may hold fences and headings in their strings: the section is the longest that is a program
    begin = next((start for start in starts if _parses(text[start:end])), starts[-1])
    history = text[:begin]
    task = text[end + len(_TASK) :]
    fitness = _FITNESS.search(history)
    return Prompt(
        program=text[begin : max(begin, end)],
        fitness=float(fitness[1]) if fitness else None,
        inspirations=tuple(_inspirations(history)),
        wants_diff=_DIFF_INSTRUCTION in task,
    )


def _inspirations(history: str) -> list[str]:
    """Programs under the history's headings, those that parse, each once, by falling score."""
    lines = history.split("\n")
    found: dict[str, float] = {}
    for number, line in enumerate(lines[:-1]):
        heading = _HISTORY_HEADING.match(line)
        if heading and _FENCE.match(lines[number + 1]):
            program = _fenced(lines, number + 2)
            if program is not None:
                found.setdefault(program, float(heading[1]))
    return sorted(found, key=lambda program: -found[program])


def _fenced(lines: list[str], start: int) -> str | None:
    """The text up to the first closing fence that makes it a program."""
    for end in range(start, len(lines)):
        if lines[end] == "```":
            program = "\n".join(lines[start:end])
            if _parses(program):
                return program
    return None


@functools.lru_cache(maxsize=256)  # the best programs stand in many prompts
def _parses(program: str) -> bool:
    try:
        ast.parse(program)
    except (SyntaxError, ValueError):
        return False
    return True


def write_answer(prompt: Prompt, child: str, note: str) -> str:
    """The child as OpenEvolve expects it: one diff that replaces the whole program, or the program in a fence."""
    if prompt.wants_diff:
        if _MARKER.search(prompt.program) or _MARKER.search(child):
            raise UnknownPrompt("the program holds lines that look like diff markers, so no diff can carry it")
        body = f"<<<<<<< SEARCH\n{prompt.program.rstrip()}\n=======\n{child.rstrip()}\n>>>>>>> REPLACE"
        return f"{note}\n\n{body}\n"
    if "```" in child:
        raise UnknownPrompt("the program holds a code fence, so a full rewrite cannot carry it")
    return f"{note}\n\n```python\n{child.strip()}\n```\n"
