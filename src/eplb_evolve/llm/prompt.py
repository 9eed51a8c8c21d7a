"""A prompt in full: the task, the last result, what was tried, the programs, how to answer."""

import difflib
from dataclasses import dataclass

from eplb_evolve.gateway.author import Message
from eplb_evolve.gateway.settings import PromptSettings
from eplb_evolve.llm import tried
from eplb_evolve.llm.history import History, Row
from eplb_evolve.llm.last_result import last_result

ANSWER = """\
# How to answer
Begin with one sentence of at most 110 characters that says what is new: later prompts show it, and nothing else of your
reasoning. Then give either the whole program in one ```python block, or changes to the parent:
<<<<<<< SEARCH
whole lines of the parent, enough of them to be unique
=======
the lines in their place
>>>>>>> REPLACE
Take whichever is shorter; both are always accepted. Keep the two EVOLVE-BLOCK lines. All else may change, the docstring
too. No line of a program may be `=======` alone. What a program prints at import and in untimed calls is shown next
time, its last 300 characters: print whether a fast path applies, or which build was chosen.
"""
_MOST_RESULT = 2200
"""Bytes of the last result; what a program says of itself comes last in it."""
_CONTEXT = 2
LEAST_BESIDE_TASK = len(ANSWER.encode()) + _MOST_RESULT + 600
"""Bytes that a prompt takes beside the task and the programs, with a table of a few lines."""


@dataclass(frozen=True)
class Sections:
    """The parts of a prompt by name, in their order; those that hold programs are `parent` and `best`."""

    parts: dict[str, str]

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes of each."""
        return {name: len(text.encode()) for name, text in self.parts.items()}

    @property
    def messages(self) -> tuple[Message, ...]:
        """The task as system message, equal byte for byte in each prompt of a run; the rest as user message."""
        rest = "\n".join(text for name, text in self.parts.items() if name != "task")
        return ({"role": "system", "content": self.parts["task"]}, {"role": "user", "content": rest})


def compose(
    task: str,
    history: History,
    program: str,
    row: Row | None,
    best: str | None,
    objective: str,
    settings: PromptSettings,
) -> Sections:
    """The prompt for a program.

    row: its row, None for a program that was not measured. best: text of the run's best where that is another one,
    else None. It is shown as a diff, whole, or not at all, as settings.limit allows.
    """
    parts = {"task": task, "last result": _cut(last_result(row, program, history, objective), _MOST_RESULT)}
    fixed = sum(len(text.encode()) for text in (*parts.values(), ANSWER))
    parts["tried"] = tried.tried(history, objective, min(tried.MOST, settings.budget - fixed), row)
    parts["parent"] = f"# Parent\n```python\n{program.rstrip()}\n```\n"
    if best is not None and history.best is not None and best.strip() != program.strip():
        used = sum(len(text.encode()) for text in (*parts.values(), ANSWER))
        shown = _best(program, best, history.best.called)
        parts["best"] = next((text for text in shown if used + len(text.encode()) <= settings.limit), "")
    parts["answer"] = ANSWER
    return Sections({name: text for name, text in parts.items() if text})


def _best(program: str, best: str, name: str) -> list[str]:
    """The best program as a diff of the parent and whole, the shorter one first."""
    old, new = program.rstrip().split("\n"), best.rstrip().split("\n")
    lines = list(difflib.unified_diff(old, new, "parent", "best", lineterm="", n=_CONTEXT))
    diff = f"# From the parent to the run's best, {name}\n```diff\n" + "\n".join(lines) + "\n```\n"
    whole = f"# The run's best, {name}\n```python\n{best.rstrip()}\n```\n"
    return sorted([diff, whole], key=len)


def _cut(text: str, most: int) -> str:
    data = text.encode()
    return text if len(data) <= most else data[: most - 4].decode("utf-8", "ignore").rstrip() + "\n...\n"
