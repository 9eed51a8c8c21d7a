"""What helps of the messages of compilers and interpreters, which are long: the errors with their places."""

import re

from eplb_evolve.hostile_text import printable

_ERROR = re.compile(
    r"error\b|undefined (?:reference|symbol)|No module named|cannot (?:find|open)|Unknown", re.IGNORECASE
)
_NOISE = re.compile(r"^(?:Traceback|During:|This (?:error|is) |For more information|Please report|In file included)")


def helpful(text: str, most: int) -> str:
    """At most `most` characters: the lines that name an error and those behind them, else the end of the text."""
    lines = [line.rstrip() for line in printable(text).strip().split("\n")]
    lines = [line for line in lines if line and not _NOISE.match(line)]
    whole = "\n".join(lines)
    if len(whole) <= most:
        return whole
    chosen: list[str] = []
    room = most
    for number, line in enumerate(lines):
        near = number and _ERROR.search(lines[number - 1])
        if (_ERROR.search(line) or near) and line not in chosen and len(line) < room:
            chosen.append(line)
            room -= len(line) + 1
    return "\n".join(chosen) if chosen else whole[-most:]
