"""Rows of timed calls: who is called how often, on what, and what counts of it."""

from contextlib import closing

import numpy as np
import pytest
from clocked import Clocked, Worker, taking
from support import SEED

from eplb_evolve.evaluation.block import CANDIDATE, FURTHER, REFERENCE, RIVAL, RivalFailed, run_block
from eplb_evolve.evaluation.calls import Caller

ROWS = 5


@pytest.fixture
def called(task, written):
    """A block of ROWS rows of a program that takes these seconds, and of a rival."""

    def run(seconds, rival_seconds=None, bench=None):
        rng = np.random.default_rng(0)
        callers = {
            who: Caller(Worker(written(who, taking(*each))), task.workload.topology, "", rng)
            for who, each in ((CANDIDATE, seconds), (RIVAL, rival_seconds))
            if each is not None
        }
        return run_block(callers, task, bench or Clocked(), rng, lambda block: block.rows() == ROWS)

    return run


def test_a_quick_program_is_called_more_often_than_the_reference(called):
    block = called([0.0005])
    assert block.rows() == block.rows(REFERENCE) == ROWS
    assert [len(row) for row in block.further["candidate"]] == [0, *[FURTHER] * (ROWS - 1)]


def test_a_slow_one_is_not(called):
    assert called([0.002]).further["candidate"] == [[]] * ROWS


def test_a_quick_rival_of_a_slow_program_is(called):
    block = called([0.002], [0.0005])
    assert not any(block.further["candidate"])
    assert any(block.further["rival"])


def test_the_median_of_a_row_counts(called):
    block = called([0.0005])
    first, *others = [call.seconds for call in block.calls[CANDIDATE]]
    block.further["candidate"][1] = [0.001, 0.002, 0.003]
    assert block.seconds("candidate")[:2] == pytest.approx([first, np.median([others[0], 0.001, 0.002, 0.003])])


def test_every_call_has_an_input_of_its_own(called, monkeypatch):
    seen = []
    real = Caller.call

    def call(self, inputs, **how):
        seen.append(inputs.weight.tobytes())
        return real(self, inputs, **how)

    monkeypatch.setattr(Caller, "call", call)
    called([0.0005])
    assert len(set(seen)) == ROWS + FURTHER * (ROWS - 1)
    assert len(seen) == len(set(seen)) + ROWS  # the reference has those of the rows' own calls


def test_marks_are_called_among_the_others(called):
    class Marked(Clocked):
        def call_mark(self, name, *_):
            return {"null": 0.0001, "ready": 0.0002, "filled": 0.0004}[name]

    block = called([0.0005], bench=Marked())
    assert {name: len(seconds) for name, seconds in block.marks.items()} == {
        "null": 2 * ROWS,
        "ready": ROWS,
        "filled": ROWS,
    }
    assert block.null.seconds == pytest.approx(0.0001)
    assert block.mark_ms("ready") == pytest.approx(0.1)
    assert block.mark_ms("filled") == pytest.approx(0.3)


def test_a_rival_that_fails_in_a_further_call_is_the_one_that_failed(written, task):
    """It answers in a row's own call, and then no more."""
    rng = np.random.default_rng(0)
    text = taking(0.0005) + "plan, calls = rebalance_experts, []\n"
    text += "def rebalance_experts(a, b, c, d, e):\n    calls.append(1)\n    assert len(calls) < 3\n"
    text += "    return plan(a, b, c, d, e)\n"
    callers = {
        who: Caller(Worker(written(who, each)), task.workload.topology, "", rng)
        for who, each in ((CANDIDATE, taking(0.002)), (RIVAL, text))
    }
    with pytest.raises(RivalFailed):
        run_block(callers, task, Clocked(), rng, lambda block: block.rows() == ROWS)


def test_marks_of_a_real_machine(task, bench):
    """To fill three tensors takes longer than to return ready ones."""
    with closing(bench.zygote.spawn(SEED, task.settings.limits)) as worker:
        caller = Caller(worker, task.workload.topology, "", np.random.default_rng())
        callers, rng = {CANDIDATE: caller}, np.random.default_rng()
        block = run_block(callers, task, bench, rng, lambda block: block.rows() == 20)
    assert 0 < block.mark_ms("ready") < block.mark_ms("filled") * 2
    assert block.null.calls == 40
    assert block.null.bound < block.null.seconds
