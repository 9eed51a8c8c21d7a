"""What is recorded must be feasible, and the best in something."""

import pytest
from evaluations import evaluated

from eplb_evolve.board.record_rule import refusal
from eplb_evolve.board.rows import Row
from eplb_evolve.evaluation.comparison import Compared, Comparison
from eplb_evolve.evaluation.gap import Gap
from eplb_evolve.evaluation.result import Conditions


def measured(sha, ratio=1.0, balance=0.75, moved=0.9, **fields):
    ends = {
        "ratio_low": ratio * 0.97,
        "ratio_high": ratio * 1.03,
        "balancedness_ratio_low": balance / 0.75 - 0.001,
        "balancedness_ratio_high": balance / 0.75 + 0.001,
        "transfers_more": moved - 0.9,
        "transfers_more_low": moved - 0.95,
        "transfers_more_high": moved - 0.85,
    }
    figures = {"balancedness": balance, "balancedness_reference": 0.75, "transfers": moved} | ends
    where = {"split": "holdout", "sandbox_level": "full"}
    return evaluated(ratio, **where | {"sha256": sha} | figures | fields)


def known(**figures):
    return [Row("known", "evolved", measured("known", **figures))]


def around(value, width):
    return Gap(value, value - width, value + width)


def gaps(own, other):
    """What a comparison finds of two programs, whose true figures these are."""
    figures = [(run.timing.ratio_to_reference, run.balance.balancedness, run.balance.transfers) for run in (own, other)]
    sides = [Compared("p.py", True, "", 1.0, balance, moved, 1.0) for _, balance, moved in figures]
    (time, balance, moved), (others_time, others_balance, others_moved) = figures
    return Comparison(
        *sides,
        time=around(time / others_time, 0.02),
        balance=around(balance / others_balance, 0.0002),
        net=around(0.0, 0.1),
        moved=around(moved - others_moved, 0.01),
        samples=40,
        conditions=Conditions("", "", "", "", ""),
        serving="",
    )


def beside(own, row):
    """A comparison as sure as on a quiet machine."""
    return gaps(own, row.evaluation)


def never(*_):
    raise AssertionError("nothing had to be measured")


def test_an_infeasible_program_is_refused_with_its_reason():
    bad = measured("own", feasible=False, reason="the worst layer is 0.7 x")
    assert refusal([measured("own"), bad], [], never) == "on w, holdout windows: the worst layer is 0.7 x"


@pytest.mark.parametrize(
    ("own", "accepted"),
    [
        ({"ratio": 0.5}, True),
        ({"ratio": 2.0}, False),
        ({"ratio": 1.01}, True),  # a tie
        ({"ratio": 2.0, "balance": 0.76}, True),
        ({"ratio": 2.0, "balance": 0.7505}, True),  # little, but sure
        ({"ratio": 2.0, "balance": 0.7501}, False),  # as balanced but for chance
        ({"ratio": 2.0, "moved": 0.2}, True),
        ({"ratio": 2.0, "moved": 0.87}, True),
        ({"balance": 0.74}, False),
        ({"moved": 0.95}, False),
    ],
)
def test_a_program_must_be_better_than_each_known_one_in_something(own, accepted):
    reason = refusal([measured("own", **own)], known(), beside)
    assert (reason == "") is accepted
    if not accepted:
        assert "on w, holdout windows, known is at least as good" in reason


def test_what_was_measured_apart_does_not_decide():
    """Stored figures whose intervals overlap: the program seems to move less and to balance better, and does not."""
    stored = measured("own", ratio=2.0, balance=0.751, moved=0.85)
    reason = refusal([stored], known(), lambda _, row: gaps(measured("own", ratio=2.0), row.evaluation))
    assert "known is at least as good" in reason


@pytest.mark.parametrize("figures", [{"ratio": 1.2}, {"balance": 0.70}, {"moved": 1.0}])
def test_what_cannot_beat_a_program_is_not_measured_beside_it(figures):
    own = measured("own", moved=0.7)
    assert refusal([own], known(**({"moved": 0.7} | figures)), never) == ""


def test_a_rival_that_cannot_be_measured_does_not_beat_a_program():
    assert refusal([measured("own", ratio=2.0)], known(), lambda *_: None) == ""


def test_who_is_beaten_on_one_workload_only_is_accepted():
    elsewhere = measured("known", workload="other")
    own = [measured("own", ratio=2.0), measured("own", ratio=0.5, workload="other")]
    assert refusal(own, [*known(), Row("known", "evolved", elsewhere)], beside) == ""
    assert refusal(own[:1], [*known(), Row("known", "evolved", elsewhere)], beside)


def test_itself_and_other_machines_do_not_count():
    own = [measured("own", ratio=2.0)]
    assert refusal(own, [Row("own", "evolved", measured("own", ratio=1.0))], never) == ""
    assert refusal(own, [Row("x", "evolved", measured("x", machine="another CPU"))], never) == ""
