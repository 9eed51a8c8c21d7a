"""What a program prints: at its import and in untimed calls is kept, timed calls cannot flood it."""

import dataclasses

from conftest import HEADER
from support import SEED

from eplb_evolve.evaluation.pipeline import evaluate

BODY = "    return honest(weight, num_replicas, num_groups, num_nodes, num_gpus)\n"
TEXT = SEED.read_text() + "\nhonest, calls = rebalance_experts, []\n"


def printing(before="", within="pass", after=""):
    return f"{before}\n{TEXT}\n{HEADER}    calls.append(1)\n    {within}\n{BODY}{after}"


def test_what_it_printed_without_flushing_is_kept(program, task, bench):
    log = evaluate(program(printing("print('at import')", "if len(calls) == 1: print('in call 1')")), task, bench).log
    assert log.split("\n")[:2] == ["at import", "in call 1"]


def test_what_timed_calls_print_does_not_push_it_out(program, task, bench):
    """Nothing of it is kept: the untimed ones have another shape, or come before."""
    flood = "print('flood' * 400, flush=True) if len(calls) > 12 else print('call', len(calls))"
    result = evaluate(program(printing("print('at import')", flood)), task, bench)
    assert result.feasible
    assert "at import" in result.log
    assert result.log.count("call ") <= 12


def test_of_an_invalid_program_everything_it_printed(program, task, bench):
    wrong = "print('before the mistake')\n    weight = weight[:, :-1]"
    result = evaluate(program(printing(within=wrong)), task, bench)
    assert not result.valid
    assert "before the mistake" in result.log


def test_a_stdout_of_its_own_that_fails_is_no_failure(program, task, bench):
    broken = "import sys\nclass Broken:\n    def write(self, _): pass\n    def flush(self): raise SystemExit(1)\n"
    assert evaluate(program(printing(broken + "sys.stdout = Broken()")), task, bench).feasible


def test_one_whose_flush_never_ends_is_stopped(program, task, bench):
    quick = dataclasses.replace(task.settings, limits=dataclasses.replace(task.settings.limits, call_s=1.0))
    endless = (
        "import sys\nclass Endless:\n    def write(self, _): pass\n    def flush(self):\n        while True: pass\n"
    )
    result = evaluate(
        program(printing(endless + "sys.stdout = Endless()")), dataclasses.replace(task, settings=quick), bench
    )
    assert not result.valid
    assert "took longer than 1 s" in result.reason
