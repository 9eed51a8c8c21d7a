"""What is recorded must be feasible, and the best in something."""

import dataclasses

import pytest

from eplb_evolve.board.record_rule import refusal
from eplb_evolve.board.rows import Row
from eplb_evolve.evaluation.comparison import Comparison, Gap, Side
from eplb_evolve.evaluation.result import Evaluation


def measured(sha, ratio=1.0, balance=0.75, moved=0.9, **fields):
    blank = Evaluation("p.py", sha, "w", "holdout", "cpu", "some CPU", "full", valid=True, feasible=True)
    return dataclasses.replace(
        blank,
        ratio_to_reference=ratio,
        ratio_low=ratio * 0.97,
        ratio_high=ratio * 1.03,
        balancedness=balance,
        balancedness_reference=0.75,
        transfers=moved,
        **fields,
    )


def known(**figures):
    return [Row("known", "evolved", measured("known", **figures))]


def around(value, width):
    return Gap(value, value - width, value + width)


def gaps(own, other):
    """What a comparison finds of two programs, whose true figures these are."""
    sides = [Side("p.py", True, "", 1.0, run.balancedness, run.transfers, 1.0) for run in (own, other)]
    return Comparison(
        *sides,
        time=around(own.ratio_to_reference / other.ratio_to_reference, 0.02),
        balance=around(own.balancedness - other.balancedness, 0.0002),
        net=around(0.0, 0.1),
        moved=around(own.transfers - other.transfers, 0.01),
        samples=40,
        **dict.fromkeys(("workload", "split", "device", "machine", "sandbox_level", "serving"), ""),
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
    """Stored on other calls: the program seems to move less and to balance better. On the same ones it does not."""
    stored = measured("own", ratio=2.0, balance=0.76, moved=0.8)
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
