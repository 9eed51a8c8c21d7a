"""The comment lines on top of a program's evolve block that say how the embedded proposer came to it."""

import re
from dataclasses import dataclass

RESTART = "restart"
"""Stands among a child's operators when another program than the prompt's was changed."""

_MADE = re.compile(r"^# proposed-by: embedded tier=(T[01]) operators=(\S+)(?: from=([0-9a-f]+))?[ \t]*$")
_STEPS = re.compile(r"^# steps: (\S.*?)[ \t]*$")
_ARROW = " > "


@dataclass(frozen=True)
class Header:
    """What the header of a child says.

    Attributes:
        tier: T0 or T1
        operators: what changed its parent
        steps: operators of each proposal that led from the seed to it, the oldest first
        origin: first digits of its parent's sha256, "" when not known
    """

    tier: str
    operators: tuple[str, ...]
    steps: tuple[str, ...] = ()
    origin: str = ""

    def text(self) -> str:
        """The header's lines."""
        origin = f" from={self.origin}" if self.origin else ""
        made = f"# proposed-by: embedded tier={self.tier} operators={'+'.join(self.operators)}{origin}\n"
        return made + (f"# steps: {_ARROW.join(self.steps)}\n" if self.steps else "")


def made_by(source: str) -> Header | None:
    """The first header in a program, or None when the embedded proposer did not make it."""
    lines = source.split("\n")
    for number, line in enumerate(lines):
        if line.startswith("# proposed-by: ") and (header := _read(lines[number : number + 2])) is not None:
            return header
    return None


def without_header(lines: list[str]) -> tuple[Header | None, list[str]]:
    """The header that these lines begin with, and the lines after it."""
    header = _read(lines)
    if header is None:
        return None, lines
    return header, lines[2 if header.steps else 1 :]


def _read(lines: list[str]) -> Header | None:
    made = _MADE.match(lines[0]) if lines else None
    if made is None:
        return None
    chain = _STEPS.match(lines[1]) if len(lines) > 1 else None
    steps = tuple(part.strip() for part in chain[1].split(">")) if chain else ()
    return Header(made[1], tuple(made[2].split("+")), steps, made[3] or "")
