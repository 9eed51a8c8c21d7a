"""The weakened evaluators' server: torch is loaded once, each evaluator is forked, watched, and killed with its kin.

`Weakened` is the test's side of it: the server's process, asked in lines of JSON.
"""

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

from weakened import FOR_EVER, WEAKENED, weaken
from weakened_task import task

from eplb_evolve.evaluation.bench import Bench
from eplb_evolve.evaluation.pipeline import evaluate
from eplb_evolve.sandbox import kernel, process, zygote
from eplb_evolve.sandbox.files import remove_tree

SECONDS = 30.0
SECONDS_OF_THE_HANGING = 2.5
"""A cheat's calls are stopped after one second, and then an evaluation ends, unless what ends it was taken out."""

LONGEST_LINE = 1 << 20
SEED = "12345"


class Weakened:
    """Keep one for many tests; `close` kills it."""

    def __init__(self):
        self._process = subprocess.Popen(
            [sys.executable, __file__, f"--seed={SEED}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"EPLB_SEED": SEED},
            start_new_session=True,
        )

    def evaluate(self, name, program, seconds=SECONDS):
        """What the evaluator called `name` says: valid, feasible, reason, time_ms; or `down`, how it ended itself."""
        request = {"name": name, "program": program.program_text(), "seconds": seconds}
        print(json.dumps(request), file=self._process.stdin, flush=True)
        answer = json.loads(self._process.stdout.readline())
        if "broken" in answer:
            raise RuntimeError(f"the evaluator {name} cannot be made:\n{answer['broken']}")
        return answer

    def fooled(self, cheat, by=None):
        """Whether the evaluator that a cheat names, or that called `by`, is wrong about it or went down; its answer."""
        name = by or cheat.fools
        seconds = SECONDS_OF_THE_HANGING if FOR_EVER in WEAKENED.get(name, ()) else SECONDS
        answer = self.evaluate(name, cheat, seconds)
        wrong = "down" in answer or cheat.contradicted_by(answer["valid"], answer["feasible"], answer["time_ms"])
        return bool(wrong), answer

    def close(self):
        """Kill the server; it has killed what it ran after every single evaluation."""
        with self._process:
            self._process.kill()


def serve():
    sys.modules["numba"] = None  # no cheat needs it, and every fork would copy it
    zygote._preload()
    importlib.import_module("scipy.stats")
    gc.freeze()
    kernel.become_subreaper()
    for line in sys.stdin:
        request = json.loads(line)
        folder = tempfile.mkdtemp(prefix="eplb-weakened-")
        Path(folder, "program.py").write_text(request["program"])
        answer = _supervise(request["name"], folder, request["seconds"])
        remove_tree(folder)  # before the answer: who has it may kill us
        print(json.dumps(answer), flush=True)


def _supervise(name, folder, seconds):
    """Run one evaluator, take the last result that it wrote, end all its processes."""
    read, write = os.pipe()
    evaluator = os.fork()
    if not evaluator:
        _run(name, folder, write)
    os.close(write)
    ended, data, deadline = os.pidfd_open(evaluator), bytearray(), time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        ready = select.select([read, ended], [], [], left)[0]
        more = os.read(read, 1 << 16) if read in ready else b""
        if ready and not more:
            break
        data += more
    os.kill(evaluator, signal.SIGKILL)
    status = os.waitpid(evaluator, 0)[1]
    process.kill_strays(keep=set())
    os.close(read)
    os.close(ended)
    for line in reversed(data.splitlines()):
        with contextlib.suppress(ValueError):
            if len(line) < LONGEST_LINE:
                return json.loads(line)
    return {"down": "did not come to an end" if left <= 0 else process.describe_exit(status)}


def _run(name, folder, write):
    """In the evaluator's process, with descriptors of its own: one evaluation, one line that says what came of it."""
    os.setsid()
    tempfile.tempdir = folder
    report = 1 if name == "stdout-protocol" else 3
    log = os.open(f"{folder}/log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for source, target in ((os.open(os.devnull, os.O_RDONLY), 0), (log, 2), (log, 1), (write, report)):
        os.dup2(source, target)
    os.closerange(max(report + 1, 3), 1024)
    try:
        weaken(name)
        bench = Bench(Path(folder, "timing.lock"))
    except Exception:
        answer = {"broken": traceback.format_exc()}
    else:
        answer = _answer(Path(folder, "program.py"), bench)
    if report == 1:
        print(json.dumps(answer), flush=True)
        sys.exit()  # as a script ends: what a candidate has left to be done then is done
    os.write(report, f"{json.dumps(answer)}\n".encode())
    os._exit(0)


def _answer(program, bench):
    try:
        result = evaluate(program, task(), bench)
    except BaseException as problem:  # a KeyboardInterrupt as well: it stops whoever asked for the evaluation
        return {"down": f"raised {type(problem).__name__}"}
    told = {name: getattr(result, name) for name in ("valid", "feasible", "reason")}
    return told | {"time_ms": result.figure("time_ms") or 0.0}


if __name__ == "__main__":
    serve()
