"""A function called in a forked process: what crashes, hangs or takes all memory ends that process, not the tests."""

import multiprocessing
import resource
from pathlib import Path

import torch

FORK = multiprocessing.get_context("fork")  # so that what the parent has compiled need not be compiled again
PROCESSOR_S = 300
"""Processor time of one process: it ends even when nobody is left to end it."""


class NoAnswer(Exception):
    """The process crashed or took too long; the text says which."""


class Contained:
    """Calls `function` with one argument in a forked process, and in another one after each that gave no answer.

    A call has `seconds`; the process may take `more_bytes` of address space beyond what the parent has.
    """

    def __init__(self, function, seconds, more_bytes):
        self._function, self._seconds, self._more_bytes = function, seconds, more_bytes
        self._process = None

    def __call__(self, argument):
        """The function's answer; NoAnswer if there is none."""
        if self._process is None:
            self._start()
        self._connection.send(argument)
        try:
            if self._connection.poll(self._seconds):
                return self._connection.recv()
            end = f"no answer within {self._seconds:g} s"
        except EOFError:
            self._process.join()
            end = f"its process ended with {self._process.exitcode}"
        self.close()
        raise NoAnswer(end)

    def close(self):
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._connection.close()
            self._process = None

    def _start(self):
        self._connection, theirs = FORK.Pipe()
        self._process = FORK.Process(target=self._serve, args=(self._connection, theirs), daemon=True)
        self._process.start()
        theirs.close()

    def _serve(self, parents, connection):
        parents.close()
        torch.set_num_threads(1)  # threads do not survive a fork
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + self._more_bytes,) * 2)
        resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR_S,) * 2)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        while True:
            try:
                argument = connection.recv()
            except EOFError:
                return
            connection.send(self._function(argument))
