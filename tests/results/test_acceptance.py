"""What is recorded must be feasible, and the best in something."""

import dataclasses

import pytest

from eplb_evolve.evaluation.result import Evaluation
from eplb_evolve.results.acceptance import refusal
from eplb_evolve.results.board import Row


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


def test_an_infeasible_program_is_refused_with_its_reason():
    bad = measured("own", feasible=False, reason="the worst layer is 0.7 x")
    assert refusal([measured("own"), bad], []) == "on w, holdout windows: the worst layer is 0.7 x"


@pytest.mark.parametrize(
    ("own", "accepted"),
    [
        ({"ratio": 0.5}, True),
        ({"ratio": 2.0}, False),
        ({"ratio": 1.01}, True),  # a tie
        ({"ratio": 2.0, "balance": 0.76}, True),
        ({"ratio": 2.0, "balance": 0.7505}, False),  # as balanced but for chance
        ({"ratio": 2.0, "moved": 0.2}, True),
        ({"balance": 0.74}, False),
        ({"moved": 0.95}, False),
    ],
)
def test_a_program_must_be_better_than_each_known_one_in_something(own, accepted):
    reason = refusal([measured("own", **own)], known())
    assert (reason == "") is accepted
    if not accepted:
        assert "on w, holdout windows, known is at least as good" in reason


def test_who_is_beaten_on_one_workload_only_is_accepted():
    elsewhere = measured("known", workload="other")
    own = [measured("own", ratio=2.0), measured("own", ratio=0.5, workload="other")]
    assert refusal(own, [*known(), Row("known", "evolved", elsewhere)]) == ""
    assert refusal(own[:1], [*known(), Row("known", "evolved", elsewhere)])


def test_itself_and_other_machines_do_not_count():
    assert refusal([measured("own", ratio=2.0)], [Row("own", "evolved", measured("own", ratio=1.0))]) == ""
    assert refusal([measured("own", ratio=2.0)], [Row("x", "evolved", measured("x", machine="another CPU"))]) == ""
