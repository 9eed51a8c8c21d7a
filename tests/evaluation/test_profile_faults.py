"""A look at where a call's time goes cannot be forged, and costs no evaluation and no incumbent."""

import dataclasses
import re

import pytest
from clocked import Clocked, taking
from support import SEED

from eplb_evolve.errors import CandidateFailure, EnvironmentProblem
from eplb_evolve.evaluation import profile
from eplb_evolve.evaluation.objectives import Incumbent
from eplb_evolve.evaluation.pipeline import evaluate
from eplb_evolve.evaluation.settings import Timing

CALL = "honest(weight, num_replicas, num_groups, num_nodes, num_gpus)"
OUTSIDE = re.compile(r"[\d.e+]+ ms of processor time and \d+ page faults a call, seen from outside")
IN_THE_COPY = SEED.read_text() + "\nif '_with' + '_a_profile' in open(__file__).read():\n    DOES\n"


def profile_of(file, task, bench):
    found = evaluate(file, task, bench, profiled=True)
    assert found.feasible, found.reason
    assert found.profile.isascii()
    assert found.profile.replace("\n", "").isprintable()
    assert len(found.profile) <= 600
    lines = found.profile.splitlines()
    assert len(lines) <= 5
    return lines


def test_never_on_windows_that_are_hidden(program, task, bench):
    file = program(wrapping=f"return {CALL}")
    assert evaluate(file, dataclasses.replace(task, split="holdout"), bench, profiled=True).profile == ""


@pytest.mark.parametrize("does", ["raise ValueError", "import os; os._exit(3)", "import time; time.sleep(60)"])
def test_who_fails_once_it_finds_the_profiler_in_its_text_loses_those_lines_alone(program, task, bench, does):
    (line,) = profile_of(program(IN_THE_COPY.replace("DOES", does)), task, bench)
    assert OUTSIDE.fullmatch(line)


def test_a_profile_function_of_its_own_changes_no_verdict(program, task, bench):
    first, *_ = profile_of(program(wrapping=f"import sys\nsys.setprofile(lambda *_: None)\nreturn {CALL}"), task, bench)
    assert OUTSIDE.fullmatch(first)


def test_a_forged_profile_is_not_taken_for_ours(program, task, bench):
    """What it prints without the mark is not read; the line from outside is never its own."""
    forged = "0 ms of processor time and 0 page faults a call, seen from outside"
    first, *own = profile_of(program(wrapping=f"print({forged!r}, flush=True)\nreturn {CALL}"), task, bench)
    assert OUTSIDE.fullmatch(first)
    assert first != forged
    assert not any("seen from outside" in line for line in own)


def test_rubbish_under_the_mark_is_bounded_plain_text(program, task, bench):
    body = "import re\nfound = re.findall(r'rebalance_experts, \"(\\w+ )\"\\)', open(__file__).read())\n"
    body += "for mark in found:\n    for _ in range(50): print(mark + '\\x1b[31m\\u202e\\u00e9' * 10, flush=True)\n"
    _, *own = profile_of(program(wrapping=f"{body}return {CALL}"), task, bench)
    assert own
    assert all("x1b" in line for line in own), "the forged lines, spelled out"


def test_processor_time_of_threads_that_have_ended_counts(program, task, bench):
    busy = "import threading, time\n\ndef spin():\n    ends = time.thread_time() + 0.05\n"
    busy += "    while time.thread_time() < ends: pass\n\nthread = threading.Thread(target=spin)\n"
    first, *_ = profile_of(program(wrapping=f"{busy}thread.start()\nthread.join()\nreturn {CALL}"), task, bench)
    assert float(first.split()[0]) >= 50


def test_a_machine_without_room_for_it_costs_the_lines_alone(program, task, bench, monkeypatch):
    def refuses(*_):
        raise EnvironmentProblem("no room for another process")

    monkeypatch.setattr(profile, "_profiled", refuses)
    (line,) = profile_of(program(wrapping=f"return {CALL}"), task, bench)
    assert OUTSIDE.fullmatch(line)


@pytest.mark.parametrize("fails", [False, True])
def test_an_incumbent_that_fails_while_it_is_looked_at_is_started_again(written, task, monkeypatch, fails):
    """The next comparison must not be with a process that is gone."""

    def outside(*_):
        if fails:
            raise CandidateFailure("call: gone")
        return "seen"

    monkeypatch.setattr(profile, "_outside", outside)
    careful = dataclasses.replace(task, settings=dataclasses.replace(task.settings, timing=Timing(12, 12)))
    fast, bench = written("fast", taking(0.03)), Clocked()
    found = evaluate(fast, careful, bench, Incumbent(written("slow", taking(0.06)), 6.0), profiled=True)
    assert found.replayed
    assert (bench.incumbent_worker(fast) is None) is fails
