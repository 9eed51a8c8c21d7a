"""What can go wrong outside a candidate, each kind with its exit code.

A bad candidate is a normal result with a reason (`CandidateFailure` carries it to the pipeline, which turns it into
a verdict); a wrong input or a broken environment is an `EplbError`, whose message is one sentence for the user.
"""

import contextlib
import difflib
import errno
import os
from collections.abc import Iterable, Iterator


class EplbError(Exception):
    """One clear sentence: what is wrong, where, and how to mend it."""

    exit_code = 2


class UsageError(EplbError):
    """Wrong input by the user: a file, an option, a configuration key."""

    exit_code = 2


class EnvironmentProblem(EplbError):
    """The machine does not allow what was asked: a busy port, a missing program, a dead helper process."""

    exit_code = 3


class CandidateFailure(Exception):
    """A candidate broke the contract, crashed or ran out of a limit. The message says what and where.

    `public` is the message without the candidate's own words, which may hold the data that it was given.
    """

    def __init__(self, reason: str, public: str | None = None) -> None:
        super().__init__(reason)
        self.public = reason if public is None else public

    def at(self, place: str) -> "CandidateFailure":
        """The same failure, on the workload called `place`."""
        return CandidateFailure(f"{self} (on {place})", f"{self.public} (on {place})")


MENDS = {
    errno.EACCES: "work in a folder that you can write to",
    errno.EPERM: "work in a folder that you can write to",
    errno.EROFS: "work in a folder that you can write to",
    errno.ENOSPC: "make room",
    errno.EDQUOT: "make room",
    errno.EMFILE: "allow more open files (ulimit -n)",
    errno.ENFILE: "allow more open files (sysctl fs.file-max)",
    errno.EFBIG: "allow larger files (ulimit -f)",
    errno.EAGAIN: "allow more processes (ulimit -u, or the container's pids limit)",
    errno.ENOMEM: "free memory, or allow more (ulimit -v)",
}
"""What the machine may refuse to anybody, and how to mend it."""


def in_words(problem: OSError) -> str:
    """`/tmp/file: No space left on device; make room`."""
    where = f"{os.fsdecode(problem.filename)}: " if isinstance(problem.filename, str | bytes) else ""
    mend = f"; {MENDS[problem.errno]}" if problem.errno in MENDS else ""
    return f"{where}{problem.strerror or problem}{mend}"


@contextlib.contextmanager
def machine_refuses(what: str) -> Iterator[None]:
    """An OSError in here is the machine's fault: EnvironmentProblem `what: ...`."""
    try:
        yield
    except OSError as problem:
        raise EnvironmentProblem(f"{what}: {in_words(problem)}") from problem


def suggestion(word: str, known: Iterable[str]) -> str:
    """` (did you mean 'x'?)` for the nearest known word, or nothing."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean '{near[0]}'?)" if near else ""
