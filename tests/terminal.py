"""A terminal for tests: commands run in a pseudo-terminal, and what a person would see of it."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

_TOKEN = re.compile(r"\x1b\[([?0-9;]*)([A-Za-z])|([\r\n])|([^\x1b\r\n]+)")


def _listen_to_ctrl_c():
    """Even where the tests run in the background of a shell, which has it ignored."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Terminal:
    """A child in a pseudo-terminal of `columns` x `lines`."""

    def __init__(self, command, columns=80, lines=30, environment=None, folder=None):
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        environment = {**os.environ, "TERM": "xterm-256color", **(environment or {})}
        for name in ("COLUMNS", "LINES"):
            environment.pop(name, None)
        self.process = subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=folder,
            env=environment,
            start_new_session=True,
            preexec_fn=_listen_to_ctrl_c,  # noqa: PLW1509
        )
        os.close(theirs)
        self.raw = ""

    def press_ctrl_c(self):
        os.write(self._ours, b"\x03")

    def read_until(self, seen, timeout_s=60.0):
        """Read until `seen(what the screen shows)` or the command has ended; whether it was seen."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            ready, _, _ = select.select([self._ours], [], [], 0.1)
            try:
                data = os.read(self._ours, 65536) if ready else b""
            except OSError:  # the other side is closed
                return seen(self.screen())
            self.raw += data.decode("utf-8", "replace")
            if seen(self.screen()):
                return True
        return False

    def wait(self, timeout_s=60.0):
        """The exit code once it has ended."""
        self.read_until(lambda _: False, timeout_s)
        os.close(self._ours)
        return self.process.wait(timeout=10)

    def screen(self):
        return render(self.raw)


def render(raw):
    """What is left on a screen that is high enough, as text: moves of the cursor done, colours left out."""
    lines, row, column = [""], 0, 0
    for arguments, verb, newline, text in _TOKEN.findall(raw):
        if newline == "\r":
            column = 0
        elif newline == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif text:
            lines[row] = lines[row][:column].ljust(column) + text + lines[row][column + len(text) :]
            column += len(text)
        elif verb == "A":
            row = max(0, row - int(arguments or 1))
        elif verb == "K":
            lines[row] = "" if arguments == "2" else lines[row][:column]
    return "\n".join(line.rstrip() for line in lines)
