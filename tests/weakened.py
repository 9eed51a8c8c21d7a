"""Weakened evaluators: each lacks one defence, so that a cheat which fools it is proven to be one.

`weakened_server.py` is a process with torch loaded that runs them. Here are their names and the test side of it.
"""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

from exploit_files import Exploit

WEAKENED = {
    "candidate-clock": "the candidate's own process reads the clock and reports the time",
    "no-freeze": "the candidate goes on running while its outputs are read, some time after the clock stopped",
    "children-allowed": "nobody looks whether processes that the candidate started are still running",
    "two-threads": "wall-clock time counts alone, on as many cores as there are",
    "any-type": "whatever can be made a tensor will do, and it is made one after the clock stopped",
    "any-dtype": "numbers of any dtype are taken, and rounded only to be checked",
    "raw-pointer": "memory is read from where a tensor begins, whatever its strides and flags say",
    "shape-only": "outputs are judged by shape and dtype, their contents are never read",
    "no-shape-check": "outputs of another shape are reshaped",
    "no-range-check": "expert numbers are taken modulo the number of experts",
    "narrow-ints": "outputs are checked as 32-bit integers",
    "no-count-check": "logcnt is believed",
    "no-inverse-check": "log2phy is never compared with phy2log",
    "no-padding-check": "log2phy may hold anything beyond the replicas of an expert",
    "no-group-rule": "groups may be torn apart",
    "validity-only": "any valid placement will do",
    "same-window-only": "balance is judged on the window planned on",
    "mean-only": "balance is averaged over layers and calls, no single one is looked at",
    "first-layer-only": "balance is judged on the first layer",
    "first-output-only": "only the first output is looked at",
    "same-inputs": "every call gets the same tensor",
    "close-inputs": "calls get the same window with a little noise, nothing is permuted",
    "input-by-reference": "balance is judged on loads in memory that the candidate can write",
    "no-twin": "nobody asks whether another process gives the same placement",
    "forked-twin": "the other process is forked from one that runs already",
    "shared-memory-data": "the candidate's process holds the inputs of later calls",
    "open-files": "the repository can be read and written",
    "open-environment": "the seed of the inputs is in the environment and on a command line",
    "inherited-descriptors": "the evaluator's open files are open in the candidate's process too",
    "parent-in-reach": "the candidate can send its parent signals and read its memory",
    "privileged": "the candidate keeps the privileges of root",
    "no-limits": "memory, files, descriptors and the size of the outputs are unlimited",
    "no-deadline": "the evaluator waits for as long as it takes",
    "soft-kill": "a candidate that is late is asked to end, by SIGTERM",
    "same-process": "the candidate runs in the evaluator's own process",
    "stdout-protocol": "the evaluation runs in the candidate's process and prints its result",
}

COMPLETE = "complete"
"""The same evaluator with every one of its defences."""

UNDEFENDED = ("open-files", "open-environment", "parent-in-reach", "privileged", "forked-twin")
"""What none of these evaluators defends itself against: that takes a sandbox."""


class Weakened:
    """The server process. Keep one for many tests; `close` kills it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("weakened_server.py")), "--seed=12345"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"EPLB_SEED": "12345"},
            start_new_session=True,
        )

    def evaluate(self, name: str, program_text: str) -> dict[str, object]:
        """What the evaluator called `name` says: valid, feasible, reason, time_ms; or `down`, how it ended itself."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps({"missing": name, "program": program_text}), file=self._process.stdin, flush=True)
        answer = json.loads(self._process.stdout.readline())
        if "broken" in answer:
            raise RuntimeError(f"the weakened evaluator {name} has a bug:\n{answer['broken']}")
        return answer

    def fooled(self, name: str, exploit: Exploit) -> str | None:
        """How the evaluator called `name` was fooled, in a sentence; None if it was not."""
        answer = self.evaluate(name, exploit.program_text())
        if "down" in answer:
            return f"the evaluator itself {answer['down']}"
        return exploit.contradicted_by(answer["valid"], answer["feasible"], answer["time_ms"])

    def close(self) -> None:
        """Kill the server; it has killed what it ran after every single evaluation."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                stream.close()
