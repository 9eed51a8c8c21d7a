"""When there are enough pairs, and which of them count."""

from types import SimpleNamespace

import numpy as np
import pytest

from eplb_evolve.evaluation.block import CANDIDATE, REFERENCE, Block
from eplb_evolve.evaluation.sampling import enough, rows_that_count
from eplb_evolve.evaluation.settings import Timing
from eplb_evolve.evaluation.timing import estimate

PLAN = Timing(pairs_fast=10, pairs_slow=4, slow_ms=10, max_seconds=100, triage_pairs=2)


def block(times, reference=0.005, waited=()):
    """A block of these times; `waited` for the first calls, then nothing."""

    def calls(seconds, waits):
        waits = [*waits, *[0.0] * (len(seconds) - len(waits))]
        return [SimpleNamespace(seconds=s, waited=w) for s, w in zip(seconds, waits, strict=True)]

    marks = {"null": [0.0, 0.0]}
    both = {CANDIDATE: calls(times, ()), REFERENCE: calls([reference] * len(times), waited)}
    return Block(both, [False] * len(times), {CANDIDATE: [[] for _ in times]}, marks)


def counted(times, waited):
    """The estimate from the rows that count."""
    rows = block(times, waited=waited)
    counting = rows_that_count(rows, PLAN)
    return estimate(*(rows.seconds(who)[counting] for who in (CANDIDATE, REFERENCE)), rows.null)


@pytest.mark.parametrize(
    ("times", "waited", "stop"),
    [
        ([], [], False),
        ([0.002] * 9, [], False),
        ([0.002] * 10, [], True),
        ([0.2] * 3, [], False),
        ([0.2] * 4, [], True),
        ([0.002, 0.004] * 5, [], False),  # wide: as many again
        ([0.002, 0.004] * 10, [], True),
        ([60.0] * 2, [], True),  # the cap in seconds
        ([0.002] * 10, [0.001], False),  # one was disturbed: one more
        ([0.002] * 11, [0.001], True),
        ([0.002] * 29, [0.001] * 29, False),  # always disturbed: three times as many, then it must do
        ([0.002] * 30, [0.001] * 30, True),
    ],
)
def test_when_there_are_enough_pairs(times, waited, stop):
    assert enough(block(times, waited=waited), PLAN) is stop


def test_disturbed_pairs_do_not_count_while_others_suffice():
    times = [0.1] * 5 + [0.002] * 10
    assert counted(times, [0.05] * 5).ratio == pytest.approx(0.4)
    assert counted(times, [0.05] * 5).samples == 10


def test_all_pairs_count_where_nearly_all_were_disturbed():
    times = np.full(30, 0.002)
    assert counted(times, [0.001] * 28).samples == 30


def test_a_short_wait_is_no_disturbance():
    assert block([0.002] * 3, waited=[1e-4] * 3).quiet().all()
    assert not block([0.002] * 3, waited=[1e-3] * 3).quiet().any()
    assert block([0.2] * 3, reference=0.2, waited=[5e-3] * 3).quiet().all()


def test_a_candidates_own_waiting_does_not_choose_the_pairs():
    rows = block([0.002] * 3)
    for call in rows.calls[CANDIDATE]:
        call.waited = 1.0
    assert rows.quiet().all()
