"""The clock: the worker runs only while it is timed, and only its memory at the moment of freezing counts."""

import json
import time
from contextlib import closing

import numpy as np
import pytest

from eplb_evolve.errors import CandidateFailure
from eplb_evolve.placement import Topology
from eplb_evolve.sandbox import Limits, answers

LOADS = np.arange(12, dtype=np.float32).reshape(2, 6)
TOPOLOGY = Topology(8, 1, 1, 4)
CALL = "honest(weight, num_replicas, num_groups, num_nodes, num_gpus)"
QUICK = Limits(first_call_s=3.0, call_s=2.0)

COUNTER = """
import threading, time
ticks = 0
def count():
    global ticks
    while True:
        ticks += 1
        time.sleep(0.001)
threading.Thread(target=count, daemon=True).start()
"""


@pytest.fixture(scope="module")
def zygote(zygotes):
    with closing(zygotes()) as zygote:
        yield zygote


def fails(zygote, file, reason, **how):
    with closing(zygote.spawn(file, QUICK)) as worker, pytest.raises(CandidateFailure, match=reason):
        worker.call(LOADS, TOPOLOGY, **how)


def test_nothing_runs_between_calls(zygote, program):
    """A thread that counts milliseconds stands still while we wait, from the import on, whatever a call takes."""
    file = program(
        "import torch\nn = torch.zeros(0, dtype=torch.int64)\n" + COUNTER + "print(ticks)\n"
        "def rebalance_experts(a, b, c, d, e):\n    print(ticks)\n    print(ticks, flush=True)\n    return n, n, n\n"
    )
    with closing(zygote.spawn(file, QUICK)) as worker:
        for _ in range(3):
            time.sleep(0.3)
            worker.call(LOADS, TOPOLOGY)
        counted = [int(line) for line in worker.log_tail().split()]
    gaps = [after - before for before, after in zip(counted[::2], counted[1::2], strict=False)]
    assert len(gaps) == 3
    assert sum(gaps) < 300


def indent(text):
    return "".join(f"    {line}\n" for line in text.splitlines())


def test_the_clock_is_ours(zygote, program):
    """Sleeping counts; what the program makes of its own clocks does not."""
    body = f"import time\ntime.sleep(0.05)\ntime.perf_counter = time.perf_counter_ns = lambda: 0\nreturn {CALL}"
    with closing(zygote.spawn(program(wrapping=body), QUICK)) as worker:
        assert worker.call(LOADS, TOPOLOGY).seconds >= 0.05


def test_what_a_thread_writes_after_the_answer_is_not_seen(zygote, program):
    body = f"import threading, time\na, b, c = {CALL}\ndef late():\n    time.sleep(0.05)\n    a.fill_(7)\n"
    body += "threading.Thread(target=late).start()\nreturn a, b, c"
    with closing(zygote.spawn(program(wrapping=body), QUICK)) as worker:
        first = worker.call(LOADS, TOPOLOGY)
        assert (first.phy2log != 7).any()
        time.sleep(0.1)
        with pytest.raises(CandidateFailure, match="changed the result of an earlier call"):
            call_often(worker)  # the thread sleeps on while the worker runs


def call_often(worker):
    for _ in range(100):
        worker.call(LOADS, TOPOLOGY)


def test_inputs_are_out_of_reach_until_the_call(zygote, program):
    """A thread watches the shared mapping: what was there between two calls only, it has never seen."""
    file = program(
        "import ctypes, threading, time, torch\n"
        "n, seen = torch.zeros(0, dtype=torch.int64), []\n"
        "def rebalance_experts(weight, b, c, d, e):\n"
        "    if not seen:\n"
        "        place = [l for l in open('/proc/self/maps') if 'memfd:inputs' in l][0].split('-')[0]\n"
        "        page = (ctypes.c_float * 12).from_address(int(place, 16))\n"
        "        def watch():\n"
        "            while True:\n"
        "                if page[1] != seen[-1]: seen.append(page[1])\n"
        "                time.sleep(0.0001)\n"
        "        seen.append(page[1])\n"
        "        threading.Thread(target=watch, daemon=True).start()\n"
        "    else:\n"
        "        while seen[-1] != weight[0, 1]: time.sleep(0.001)\n"
        "        print(seen, flush=True)\n"
        "    return n, n, n\n"
    )
    with closing(zygote.spawn(file, QUICK)) as worker:
        worker.call(LOADS, TOPOLOGY)
        worker._write_inputs(LOADS * 2, None)
        time.sleep(0.2)
        worker.call(LOADS * 3, TOPOLOGY)
        assert worker.log_tail() == "[1.0, 3.0]\n"


def test_calls_keep_to_the_processors_they_are_given(zygote, program):
    body = f"import os\nprint(sorted(os.sched_getaffinity(0)), flush=True)\nreturn {CALL}"
    with closing(zygote.spawn(program(wrapping=body), QUICK)) as worker:
        worker.call(LOADS, TOPOLOGY)
        worker.call(LOADS, TOPOLOGY, cpus=[0])
        assert worker.log_tail().splitlines()[1] == "[0]"


def test_escaping_the_processors_is_invalid_where_it_cannot_be_refused(program, zygotes):
    body = f"import os\nos.sched_setaffinity(0, range(os.cpu_count()))\nreturn {CALL}"
    with closing(zygotes("rlimits")) as zygote:
        fails(zygote, program(wrapping=body), "changed which processors", cpus=[0])


ANSWER = "import socket, os, json\nfor fd in range(3, 64):\n    try: s = socket.socket(fileno=os.dup(fd))\n"
ANSWER += "    except OSError: continue\n    s.send(json.dumps({}).encode())\n"


@pytest.mark.parametrize(
    "forged",
    [
        "{'nonce': 'guess', 'outputs': []}",
        "{'outputs': [[1, [1]]] * 3}",
        "{}",
        "[]",
        "'x' * 5000",
        "[[[[[[]]]]]]",
        "{'error': {}}",
        "{'nonce': 1e999}",
    ],
)
def test_an_answer_of_the_programs_own_making_is_refused(zygote, program, forged):
    body = ANSWER.replace("{}", forged, 1) + f"return {CALL}"
    fails(zygote, program(wrapping=body), r"sent an answer that its worker does not send|more than once")


@pytest.mark.parametrize(
    ("outputs", "reason"),
    [
        ([[0, [1]]] * 3, None),
        ([[0, [1]]] * 2, "does not send"),
        ([[-1, [1]]] * 3, "does not send"),
        ([[0, [-1]]] * 3, "does not send"),
        ([[0, [1] * 5]] * 3, "does not send"),
        ([[0, [10**30]]] * 3, "does not send"),
        ([[0, [0, 2**39, 2**39, 2**39]]] * 3, "larger than"),
        ([["x", [1]]] * 3, "does not send"),
        ([[0, 7]] * 3, "does not send"),
        (None, "does not send"),
    ],
)
def test_claimed_outputs_are_looked_at_closely(outputs, reason):
    answer = json.loads(json.dumps({"outputs": outputs}))
    if reason is None:
        assert len(answers.claimed_outputs(answer, 1 << 20)) == 3
    else:
        with pytest.raises(CandidateFailure, match=reason):
            answers.claimed_outputs(answer, 1 << 20)


def test_memory_that_is_not_there_cannot_be_an_output(zygote, program):
    body = f"import ctypes, mmap\na, b, c = {CALL}\nm = mmap.mmap(-1, 4096)\n"
    body += "t = torch.frombuffer(m, dtype=torch.int64, count=16).view(2, 8)\n"
    body += "place = t.data_ptr()\nctypes.CDLL(None).munmap(ctypes.c_void_p(place), 4096)\nreturn t, b, c"
    fails(zygote, program(wrapping=body), "phy2log cannot be read")


def test_a_log_that_grows_is_cut_to_its_end(zygote, program):
    body = f"print('x' * (3 << 20), 'end', flush=True)\nreturn {CALL}"
    with closing(zygote.spawn(program(wrapping=body), Limits(file_mb=16))) as worker:
        for _ in range(10):
            worker.call(LOADS, TOPOLOGY)
        assert worker.log_tail().endswith("xxx end\n")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (
            "import os, time\nfor _ in range(5):\n    if os.fork() == 0:\n        b = b'x' * (500 << 20)\n"
            "        time.sleep(30)\ntime.sleep(30)",  # a slow host takes seconds to hand out the pages
            "more than 2000 MiB of memory",
        ),
        (
            "import time\nfor n in range(9):\n    open(f'f{n}', 'wb').write(bytes(8 << 20))\ntime.sleep(1)",
            "more than 32 MiB of files",
        ),
        (
            "import os, time\nkeep = []\nfor n in range(9):\n    keep.append(open('f', 'wb'))\n    os.unlink('f')\n"
            "    keep[-1].write(bytes(8 << 20))\ntime.sleep(1)",
            "more than 32 MiB of files",
        ),
    ],
)
def test_memory_and_disk_are_bounded_over_all_processes(zygote, program, body, reason):
    limits = Limits(call_s=20, memory_mb=2000, disk_mb=32, file_mb=16)
    body = f"global calls\ncalls += 1\nif calls > 1:\n{indent(body)}\nreturn {CALL}"
    with closing(zygote.spawn(program(wrapping=body), limits)) as worker:
        worker.call(LOADS, TOPOLOGY)
        with pytest.raises(CandidateFailure, match=reason):
            worker.call(LOADS, TOPOLOGY)


def test_a_forged_error_is_cut(zygote, program):
    """It says whatever the candidate likes, but cannot grow past what fits into one message."""
    forged = "{'error': {'stage': 'x', 'text': '\\u00e9' * 9000}}"
    body = ANSWER.replace("{}", forged, 1) + f"return {CALL}"
    with closing(zygote.spawn(program(wrapping=body), QUICK)) as worker, pytest.raises(CandidateFailure) as failure:
        worker.call(LOADS, TOPOLOGY)
    assert str(failure.value) == "call: " + "\u00e9" * 2000


ZOMBIE_LEADER = """
import ctypes, os, threading, time
if os.fork() == 0:
    threading.Thread(target=time.sleep, args=(60,)).start()
    ctypes.CDLL(None).syscall(60, 0)  # ends this thread only
time.sleep(0.2)
"""


def test_a_child_whose_first_thread_has_ended_still_counts(zygote, program):
    with pytest.raises(CandidateFailure, match="left 1 processes running"):
        zygote.spawn(program(ZOMBIE_LEADER + "def rebalance_experts(a, b, c, d, e): pass"), QUICK)


def test_a_zombie_of_any_name_is_no_process_left(zygote, program):
    odd = "import ctypes, os, time\nif os.fork() == 0:\n"
    odd += "    ctypes.CDLL(None).prctl(15, b'\\xff) R (\\n', 0, 0, 0)\n    os._exit(0)\ntime.sleep(0.2)\n"
    with closing(zygote.spawn(program(wrapping=odd + f"return {CALL}"), QUICK)) as worker:
        worker.call(LOADS, TOPOLOGY)


def test_shared_memory_counts(zygote, program):
    body = (
        "import mmap, time\nkeep = mmap.mmap(-1, 900 << 20)\nfor at in range(0, len(keep), 4096):\n    keep[at] = 1\n"
    )
    limits = Limits(first_call_s=6.0, memory_mb=2000)
    forked = f"import os\nfor _ in range(3):\n    if os.fork() == 0:\n{indent(indent(body))}        time.sleep(9)\n"
    with (
        closing(zygote.spawn(program(wrapping=forked + "import time\ntime.sleep(5)"), limits)) as worker,
        pytest.raises(CandidateFailure, match="more than 2000 MiB of memory"),
    ):
        worker.call(LOADS, TOPOLOGY)
