"""One hundred replies as models give them: real programs in every shape that replies have, and broken ones."""

import json
from collections.abc import Callable
from dataclasses import dataclass

from eplb_evolve.paths import project
from eplb_evolve.proposer.prompt import Prompt, write_answer

ESSAY = "Diversity across these dimensions matters. A program that is both short and fast would be valuable here."


@dataclass(frozen=True)
class Shape:
    """A kind of reply. again: what the model answers when it is asked once more; "" for the same as before."""

    name: str
    reply: Callable[[str, str, str], str]
    again: Callable[[str, str, str], str] | None = None


def whole(words: str, _parent: str, child: str) -> str:
    """The whole program in a fence."""
    return f"{words}\n```python\n{child}```\n"


def diff(words: str, parent: str, child: str) -> str:
    """One block that replaces everything, as OpenEvolve wants it."""
    return write_answer(Prompt(parent, None, (), True), child, words)


SHAPES = (
    Shape("a diff that fits", diff),
    Shape("a whole program in a fence", whole),
    Shape("a diff, each line indented wrongly", lambda w, p, c: diff(w, p, c).replace(p.rstrip(), _squeezed(p), 1)),
    Shape("a draft in <think>, then a diff", lambda w, p, c: f"<think>{diff('Draft', p, c)}</think>{diff(w, p, c)}"),
    Shape("a file without fences", lambda _, __, c: c),
    Shape("two blocks, one a sketch", lambda w, p, c: f"{w}\n```python\nx = 1\n```\nIn full:\n{whole('', p, c)}"),
    Shape("Windows line ends", lambda w, p, c: diff(w, p, c).replace("\n", "\r\n")),
    Shape("half of it fits, mended when asked", lambda w, p, c: diff(w, p + "no such line\n", c), diff),
    Shape("empty, then a diff", lambda _, __, ___: "", diff),
    Shape("an essay, then a program", lambda _, __, ___: ESSAY, whole),
    Shape("an essay, and another", lambda _, __, ___: ESSAY),
    Shape("a line `=======` in the program", lambda w, p, c: whole(w, p, c + '_ = """\n=======\n"""\n')),
)


def _squeezed(program: str) -> str:
    """The same with each line's indentation halved."""
    lines = program.rstrip().split("\n")
    return "\n".join(" " * ((len(line) - len(line.lstrip())) // 2) + line.lstrip() for line in lines)


def programs() -> list[str]:
    """Programs of this problem: the shipped ones, the records, and what the searches of the control found."""
    root = project().root
    files = [*sorted((root / "seeds").glob("*.py")), *sorted((root / "results" / "records").glob("*/program.py"))]
    runs = [json.loads(file.read_text()) for file in sorted((root / "results" / "control" / "runs").glob("*.json"))]
    found = [file.read_text() for file in files] + [run["best"]["source"] for run in runs if run["best"]]
    return list(dict.fromkeys(found))
