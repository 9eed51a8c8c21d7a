"""A stock openevolve-run as a child process: its output in a file, signals handed on, dead when we are."""

import fcntl
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from eplb_evolve.errors import EnvironmentProblem
from eplb_evolve.parent_death import die_with_parent

_FORWARDED = (signal.SIGINT, signal.SIGTERM)


class Supervised:
    """A running child that writes to a log.

    Attributes:
        asked_to_stop: the first signal that it was sent from outside, None before that
        killed: whether a second one has killed it
    """

    def __init__(self, command: Sequence[str], folder: Path, log: Path) -> None:
        """Start `command` in `folder`; `log` is appended to.

        Raises EnvironmentProblem when another supervised process still writes to that log or nothing can be written.
        """
        self.asked_to_stop: signal.Signals | None = None
        self.killed = False
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("ab") as output:
                fcntl.flock(output, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the child's as well, for as long as it lives
                self.log_begins_at = output.tell()
                self._process = _start(command, folder, output.fileno())
        except BlockingIOError as problem:
            raise EnvironmentProblem(
                f"a search is already at work in {log.parent}; let it end, or stop it"
            ) from problem
        except OSError as problem:
            name = problem.filename or command[0]
            raise EnvironmentProblem(f"cannot start a search: {name}: {problem.strerror}") from problem

    def ended_within(self, seconds: float) -> bool:
        """Wait for so long, or until the child has ended."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        return self._process.returncode is not None

    @property
    def exit_code(self) -> int:
        """Of the child that has ended; the negative number of the signal that killed it."""
        return self._process.wait()

    @contextmanager
    def signals_forwarded(self) -> Iterator[None]:
        """SIGINT and SIGTERM reach the child instead of us: the first asks it to end, by SIGTERM; the second kills it.

        Whatever ends this block early kills the child.
        """
        before = {number: signal.signal(number, self._forward) for number in _FORWARDED}
        try:
            yield
        finally:
            if self._process.poll() is None:
                self._kill()
            self._process.wait()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _forward(self, number: int, _frame: FrameType | None) -> None:
        if self.asked_to_stop is None:
            self.asked_to_stop = signal.Signals(number)
            self._process.terminate()  # as SIGINT to OpenEvolve, but while it starts there is no traceback
        elif self._process.poll() is None:
            self.killed = True
            self._kill()

    def _kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)  # its workers and the gateway die with their parent


def _start(command: Sequence[str], folder: Path, output: int) -> "subprocess.Popen[bytes]":
    parent = os.getpid()
    return subprocess.Popen(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # a Ctrl-C reaches it once, from us, and not its workers in mid-evaluation
        preexec_fn=lambda: die_with_parent(parent),  # noqa: PLW1509  no other thread of ours holds a lock yet
    )
