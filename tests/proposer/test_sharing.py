"""Values are shared or moved only where nobody can tell."""

import pytest
from proposer.operator_results import function, results
from proposer.programs import ALL, run, same

from eplb_evolve.proposer.operators.sharing import OPERATORS

SHARE, INLINE = OPERATORS


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.name)
def test_results_stay(operator):
    made = results(operator, ALL["invoices"])
    assert made
    for text in made:
        for seed in (0, 1, 2):
            assert same(run(ALL["invoices"], seed), run(text, seed)), text


def test_an_expression_that_is_computed_twice_is_computed_once():
    (text,) = results(SHARE, function("b = a.sum(1) * 2\nc = a.sum(1) * rate\nreturn b, c"))
    assert text.count("a.sum(1)") == 1
    assert "b = shared * 2" in text


def test_a_third_use_after_a_change_keeps_its_own_computation():
    (text,) = results(SHARE, function("b = a.sum(1) * 2\nc = a.sum(1) * 3\na[0] = 1\nd = a.sum(1) * 4\nreturn b, c, d"))
    assert text.count("a.sum(1)") == 2


@pytest.mark.parametrize(
    "change",
    [
        "a[0] = 1",
        "a += 1",
        "a.zero_()",
        "view[0] = 1",
        "view.view(-1).fill_(2)",
        "torch.add(a, 1, out=a)",
        "torch.relu_(a)",
        "change(a)",
        "for row in a:\n    row[0] = 1",
        "a = a.clone()",
        "kept[0][0] = 5",
    ],
)
def test_nothing_is_shared_across_a_change_of_what_it_is_made_of(change):
    text = f"view = a.T\nkept = [a, a]\nb = a.sum(1) * 2\n{change}\nc = a.sum(1) * 3\nreturn b, c, view, kept"
    assert not results(SHARE, function(text))


@pytest.mark.parametrize(
    "text",
    [
        "b = a.clone()\nc = a.clone()\nb[0] = 1\nreturn b, c",
        "b = torch.rand(n) * 2\nc = torch.rand(n) * 2\nreturn b, c",
        "b = [x.sum(0) * 2 for x in a]\nc = [x.sum(0) * 2 for x in a]\nreturn b, c",
        "b = n > 0 and a.sum(1) * 2\nc = n > 0 and a.sum(1) * 2\nreturn b, c",
    ],
)
def test_what_may_differ_or_may_be_changed_later_is_not_shared(text):
    assert not results(SHARE, function(text))


def test_a_value_moves_to_where_it_is_read():
    (text,) = results(INLINE, function("b = a * rate\nreturn b.sum()"))
    assert "return (a * rate).sum()" in text


@pytest.mark.parametrize(
    "text",
    [
        "b = a * rate\na += 1\nreturn b.sum()",
        "b = a * rate\nview = a[0]\nview.zero_()\nreturn b.sum(), view, view",
        "b = a * rate\nfor i in range(n):\n    a[i] = b[i]\nreturn a",
        "b = a * rate\nwhile b.sum() > 0:\n    a -= 1\nreturn a",
        "b = a * rate\nreturn b.sum(), b",
        "b = a * rate\nc = lambda: b\nreturn c, c",
        "if n:\n    b = a * rate\nreturn b",
        "b = print(n)\nreturn b",
    ],
)
def test_a_value_stays_where_moving_it_may_show(text):
    assert not results(INLINE, function(text))
