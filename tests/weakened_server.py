"""The weakened evaluators' server: reads {missing, program} lines, forks an evaluator for each, prints what it says."""

import ctypes
import json
import os
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

import torch
from weakened_evaluator import PR_SET_CHILD_SUBREAPER, end_children, evaluate

SECONDS = 20.0
SECONDS_OF_THE_HANGING = 2.0
LONGEST_REPORT = 1 << 20
HANGING = ("soft-kill", "no-deadline", "same-process", "parent-in-reach")
"""Evaluators that are fooled by never coming to an end."""


def main() -> None:
    torch.set_num_threads(1)
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for line in sys.stdin:
        request = json.loads(line)
        folder = Path(tempfile.mkdtemp(prefix="eplb-weakened-"))
        (folder / "candidate.py").write_text(request["program"])
        answer = supervise(request["missing"], folder)
        shutil.rmtree(folder, ignore_errors=True)
        print(json.dumps(answer), flush=True)


def supervise(missing: str, folder: Path) -> dict[str, object]:
    """Run one evaluator, believe the first line of its report, and end all its processes."""
    read, write = os.pipe()
    evaluator = os.fork()
    if not evaluator:
        _report(missing, folder, write)
    os.close(write)
    ended, data = os.pidfd_open(evaluator), b""
    deadline = time.monotonic() + (SECONDS_OF_THE_HANGING if missing in HANGING else SECONDS)
    while b"\n" not in data and len(data) < LONGEST_REPORT and (left := deadline - time.monotonic()) > 0:
        ready = select.select([read, ended], [], [], left)[0]
        if read not in ready or not (more := os.read(read, 1 << 16)):
            break
        data += more
    late = time.monotonic() >= deadline
    os.kill(evaluator, signal.SIGKILL)
    status = os.waitpid(evaluator, 0)[1]
    end_children()
    os.close(read)
    os.close(ended)
    if b"\n" not in data:
        return {"down": "did not end" if late else f"went down with status {status}"}
    return json.loads(data.partition(b"\n")[0])


def _report(missing: str, folder: Path, write: int) -> None:
    """In the evaluator's process: evaluate with stdio and descriptors of its own, write one line, end."""
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    os.dup2(os.open(folder / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 1)
    os.dup2(1, 2)
    os.dup2(write, 3)
    os.closerange(4, 1024)
    try:
        answer = evaluate(missing, folder)
    except MemoryError:
        os._exit(1)
    except Exception:
        answer = {"broken": traceback.format_exc()}
    os.write(3, json.dumps(answer).encode() + b"\n")
    os._exit(0)


if __name__ == "__main__":
    main()
