"""Where the time of a program's calls goes: from outside, and as its own Python sees it.

The second is the program's own word: it could print anything. It is for a proposer to read, and judges nothing.
"""

import contextlib
import secrets
import tempfile
from pathlib import Path

import numpy as np

from eplb_evolve.errors import CandidateFailure, EnvironmentProblem
from eplb_evolve.evaluation.bench import Bench
from eplb_evolve.evaluation.calls import warm
from eplb_evolve.evaluation.candidate import Candidate
from eplb_evolve.evaluation.result import Evaluation
from eplb_evolve.evaluation.task import Task
from eplb_evolve.hostile_text import sentence

MOST_FIRST_CALL_MS = 5000.0
"""A program that takes longer to import and compile is not started a second time for this."""
_CALLS, _LINES, _MOST = 3, 4, 110
_TAIL = """


def _with_a_profile(inner, mark):
    import cProfile
    import functools

    called = []

    @functools.wraps(inner)
    def outer(*arguments):
        called.append(1)
        if len(called) == 1:
            return inner(*arguments)
        profile = cProfile.Profile()
        result = profile.runcall(inner, *arguments)
        rows = sorted(profile.getstats(), key=lambda row: -row.inlinetime)
        whole = sum(row.inlinetime for row in rows) or 1.0
        for row in rows[:4]:
            code = row.code
            name = code if isinstance(code, str) else f"{code.co_qualname} (line {code.co_firstlineno})"
            share = 100 * row.inlinetime / whole
            print(f"{mark}{name}: {1e3 * row.inlinetime:.3g} ms, {share:.0f} %, {row.callcount} calls", flush=True)
        return result

    return outer


rebalance_experts = _with_a_profile(rebalance_experts, "MARK")
"""


def where_time_goes(candidate: Candidate, result: Evaluation, task: Task, bench: Bench) -> str:
    """A line from outside and up to four from its own profiler, each scrubbed; "" for a program that was not timed.

    The program has been judged: that it fails now, or that the machine has no room for this, costs these lines alone.
    """
    if result.timing is None:
        return ""
    lines = []
    with contextlib.suppress(CandidateFailure, EnvironmentProblem, OSError):
        try:
            lines = [_outside(candidate, task.each[0])]
        except CandidateFailure:
            if candidate.kept:  # its process is gone: the next comparison starts another
                bench.drop_incumbent()
            raise
        if (result.first_call_ms or 0.0) < MOST_FIRST_CALL_MS:
            lines += _profiled(candidate.program, task.each[0], bench)
    return "\n".join(lines)


def _outside(candidate: Candidate, task: Task) -> str:
    """Processor time and page faults of a call."""
    caller = candidate.caller(task, ", not timed")
    inputs = [caller.draw(task.workload, task.workload.pairs(task.split)[0]) for _ in range(_CALLS)]
    before = candidate.worker.used()
    for each in inputs:
        caller.call(each)
    seconds, faults = (now - then for now, then in zip(candidate.worker.used(), before, strict=True))
    took = f"{1e3 * seconds / _CALLS:.3g} ms of processor time and {faults / _CALLS:.0f} page faults a call"
    return f"{took}, seen from outside"


def _profiled(program: Path, task: Task, bench: Bench) -> list[str]:
    """What a second process of the same program says when its second call runs under Python's profiler."""
    mark, rng = secrets.token_hex(8) + " ", np.random.default_rng()
    _, layers, experts = task.workload.windows.shape
    with tempfile.TemporaryDirectory(prefix="eplb-profile-") as folder:
        copy = Path(folder) / "program.py"
        copy.write_bytes(program.read_bytes() + _TAIL.replace("MARK", mark).encode())
        worker = bench.zygote.spawn(copy, task.settings.limits)
        try:
            for _ in range(2):
                warm(worker, (layers, experts), task.workload.topology, rng)
            said = worker.log_tail()
        finally:
            worker.close()
    found = [line.partition(mark)[2] for line in said.splitlines() if mark in line]
    return [sentence(line).encode("ascii", "backslashreplace").decode()[:_MOST] for line in found[:_LINES]]
