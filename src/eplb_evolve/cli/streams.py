"""Standard output and error for every command: any locale, any pipe, any terminal."""

import codecs
import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, TextIO, cast

from eplb_evolve.errors import EnvironmentProblem
from eplb_evolve.hostile_text import printable

BROKEN_PIPE = 128 + 13
"""Exit code when the reader of stdout, `head` for example, has seen enough: what a shell shows for SIGPIPE."""
WIDE = 1000
"""Characters of a line where nobody said how long it may be: into a pipe or a file nothing is broken."""
NARROW = 20
"""Fewer columns than this no terminal has."""

_SPELLED = {"±": "+-", "…": "...", "\u2013": "-", "→": "->", "\xa0": " "}


def _spell(problem: UnicodeError) -> tuple[str, int]:
    """What the locale cannot write, in letters that it can."""
    if not isinstance(problem, UnicodeEncodeError):
        raise problem
    text = problem.object[problem.start : problem.end]
    spelled = (_SPELLED.get(letter, letter.encode("ascii", "backslashreplace").decode()) for letter in text)
    return "".join(spelled), problem.end


codecs.register_error("eplb-spell", _spell)


class _Guarded:
    """A stream whose reader may be gone or whose disk full: then `gone` is told, once, and the rest goes nowhere."""

    def __init__(self, stream: TextIO, gone: Callable[[OSError], None]) -> None:
        self._stream, self._gone, self._lost = stream, gone, False

    def write(self, text: str) -> int:
        """As of any text stream."""
        self._try(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        """As of any text stream."""
        self._try(self._stream.flush)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _try(self, act: Callable[[], object]) -> None:
        if self._lost:
            return
        try:
            act()
        except OSError as problem:
            self._lost = True
            with contextlib.suppress(OSError, ValueError):  # what Python holds back is written at its end
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
            self._gone(problem)


@contextlib.contextmanager
def standard_streams() -> Iterator[None]:
    """Within it sys.stdout and sys.stderr take every text.

    When stdout's reader is gone the command ends, silently, with BROKEN_PIPE; a full disk is an EnvironmentProblem.
    Without stderr there is no talk, and everything else goes on. What was closed at the start leads nowhere.
    """
    _open_what_is_closed()
    before = sys.stdout, sys.stderr
    given = [cast(TextIO, stream or open(os.devnull, "w", encoding="utf-8")) for stream in before]  # noqa: SIM115
    for stream in given:
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="eplb-spell")
    sys.stdout, sys.stderr = cast(TextIO, _Guarded(given[0], _end)), cast(TextIO, _Guarded(given[1], _go_on))
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def _open_what_is_closed() -> None:
    """Else the next file that is opened gets the number of a standard stream, and what is printed into it."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number


def _end(problem: OSError) -> None:
    if isinstance(problem, BrokenPipeError):
        raise SystemExit(BROKEN_PIPE)
    raise EnvironmentProblem(f"cannot write the output: {problem.strerror}") from problem


def _go_on(_problem: OSError) -> None:
    pass


def columns(stream: TextIO) -> int:
    """Columns of a line on that stream."""
    said = os.environ.get("COLUMNS", "")
    if said.isascii() and said.isdigit() and int(said[:6]) > 0:
        return max(NARROW, int(said[:6]))
    if not stream.isatty():
        return WIDE
    with contextlib.suppress(OSError, ValueError):
        return max(NARROW, os.get_terminal_size(stream.fileno()).columns or 80)
    return 80


def say(text: str) -> None:
    """For talk: progress and hints, on stderr."""
    print(printable(text), file=sys.stderr, flush=True)
