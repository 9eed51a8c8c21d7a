"""Results are put elsewhere only where nobody can tell."""

import pytest
from proposer.operator_results import function, results
from proposer.programs import ALL, run, same

from eplb_evolve.proposer.operators.memory import OPERATORS

PREALLOCATE, IN_PLACE, CONTIGUOUS = OPERATORS


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.name)
def test_results_stay(operator):
    made = [(name, text) for name in ("invoices", "assignment", "election") for text in results(operator, ALL[name])]
    assert len(made) >= 2
    for name, text in made:
        for seed in (0, 1):
            assert same(run(ALL[name], seed), run(text, seed)), text


@pytest.mark.parametrize(
    ("maker", "refill"),
    [
        ("torch.zeros(n)", "buffer.zero_()"),
        ("torch.ones(n, dtype=torch.int64)", "buffer.fill_(1)"),
        ("torch.full((n, 2), rate)", "buffer.fill_(rate)"),
        ("[0.0] * n", "buffer[:] = [0.0] * n"),
    ],
)
def test_a_buffer_is_made_before_the_loop_and_refilled_in_it(maker, refill):
    source = function(
        f"for i in range(n):\n    buffer = {maker}\n    buffer[i] = i\n    a[i] = float(buffer[0])\nreturn a"
    )
    (text,) = results(PREALLOCATE, source)
    assert f"    buffer = {maker}\n    for i in range(n):\n        {refill}\n" in text


@pytest.mark.parametrize(
    "body",
    [
        "made = []\nfor i in range(n):\n    buffer = torch.zeros(n)\n    made.append(buffer)\nreturn made",
        "made = [0] * n\nfor i in range(n):\n    buffer = [0] * n\n    made[i] = buffer\nreturn made",
        "made = None\nfor i in range(n):\n    buffer = torch.zeros(n)\n    made = buffer[1:]\nreturn made",
        "for i in range(n):\n    buffer = torch.zeros(n)\n    a[i] = 1\nreturn buffer",
        "for i in range(n):\n    buffer = torch.zeros(i)\n    a[i] = buffer.sum()\nreturn a",
        "for i in range(n):\n    buffer = torch.zeros(n)\n    keep(buffer)\nreturn a",
        "for i in range(n):\n    buffer = torch.zeros(n)\n    a.keep = buffer\nreturn a",
        "for i in range(n):\n    buffer = torch.zeros(n)\n    yield buffer",
        "for i in range(n):\n    buffer = torch.zeros(n)\n    buffer = buffer + 1\n    a[i] = buffer.sum()\nreturn a",
        "calls = []\nfor i in range(n):\n    buffer = torch.zeros(n)\n    calls.append(lambda: buffer)\nreturn calls",
        "for j in range(n):\n    for i in range(int(m[0]) if j else n):\n        m = torch.zeros(n)\n        a[i] = 1",
        "for i in range(n):\n    buffer = torch.rand(n)\n    a[i] = buffer.sum()\nreturn a",
        "for i in range(n):\n    buffer = torch.zeros(n)\n    buffer.resize_(i)\n    a[i] = buffer.sum()\nreturn a",
    ],
)
def test_a_buffer_that_may_outlive_a_pass_or_differ_between_passes_is_made_anew(body):
    assert not results(PREALLOCATE, function(body))


def test_a_number_is_added_in_place():
    texts = results(IN_PLACE, function("b = torch.zeros(n)\nb = b + 1\nreturn b"))
    assert sorted(text.split("\n")[-2].strip() for text in texts) == ["b += 1", "b.add_(1)"]


def test_a_choice_between_a_number_and_the_tensor_fills_where_the_mask_is_set():
    (text,) = results(IN_PLACE, function("b = torch.zeros(n)\nb = torch.where(b > 4, 1, b)\nreturn b"))
    assert "b.masked_fill_(b > 4, 1)" in text


@pytest.mark.parametrize(
    "body",
    [
        "a = a + 1\nreturn a",
        "b = a\nb = b + 1\nreturn b",
        "b = torch.zeros(n)\nc = b\nb = b + 1\nreturn b, c",
        "b = torch.zeros(n)\nc = b[1:]\nb = b + 1\nreturn b, c",
        "b = torch.zeros(n)\nc = [b]\nb = b + 1\nreturn b, c",
        "b = torch.zeros(n, dtype=torch.int64)\nb = b + rate\nreturn b",
        "b = torch.zeros(n, dtype=torch.int64)\nb = b / 2\nreturn b",
        "b = torch.zeros(n)\nb = b + a\nreturn b",
        "c = torch.zeros(n, dtype=torch.int64)\nb = c + 1\nc = c / 2\nb = b + rate\nreturn b, c",
        "b = torch.zeros(n)\nfor x in b:\n    b = b + 1\n    x += 0\n    x = 0\nreturn b",
        "b = torch.zeros(1).expand(n)\nb = b + 1\nreturn b",
        "b = torch.zeros(n, dtype=torch.int64)\nb = torch.where(b > 4, 0.5, b)\nreturn b",
        "b = torch.zeros(n)\nb = torch.where(a > 4, 1.0, b)\nreturn b",
        "b = torch.zeros(n)\nc = lambda: b\nb = b + 1\nreturn c",
    ],
)
def test_a_tensor_that_others_see_or_whose_dtype_or_shape_may_change_is_made_anew(body):
    assert not results(IN_PLACE, function(body))


@pytest.mark.parametrize(
    "pair", [("a.T.sum(0)", "a.T.contiguous().sum(0)"), ("a.gather(0, i)", "a.contiguous().gather(0, i)")]
)
def test_a_copy_in_reading_order_is_added_and_dropped(pair):
    for before, after in (pair, pair[::-1]):
        source = function(f"i = torch.zeros(n, n, dtype=torch.int64)\nreturn {before}")
        (text,) = results(CONTIGUOUS, source)
        assert f"return {after}\n" in text + "\n"


@pytest.mark.parametrize(
    "body",
    ["b = a.T\nb[0] = 1\nreturn a", "a.T[0] = 1\nreturn a", "b = a.T + 1\nreturn b.T.view(-1)", "return a.T.argmax()"],
)
def test_no_copy_where_the_layout_may_show(body):
    assert not results(CONTIGUOUS, function(body))
