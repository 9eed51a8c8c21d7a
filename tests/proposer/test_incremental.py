"""A value is kept up to date only where everything that changes it is seen."""

import pytest
from proposer.operator_results import function, results
from proposer.programs import run, same

from eplb_evolve.proposer.operators.incremental import OPERATORS

(INCREMENTAL,) = OPERATORS

HEAD = "x, y = a.shape\nb = torch.ones(x, y)\n"
LOOP = "for i in range(n):\n    row = (a / b).sum(dim=-1).argmax()\n    b[row, 0] += rate\n"

SEVERAL = '''
import torch


def solve(seed: int):
    """Several stores, some in branches, at indices of every sort."""
    generator = torch.Generator().manual_seed(seed)
    a = torch.rand(5, 7, generator=generator)
    found = f(a, torch.rand(5, 7, generator=generator) > 0.5)
    return found


def f(a: torch.Tensor, mask: torch.Tensor):
    x, y = a.shape
    b = torch.ones((x, y))
    rows = torch.arange(x)
    total = 0.0
    for i in range(6):
        places = (a * 2 / b).max(dim=-1).indices
        b[rows, places] += 1
        if i % 2:
            b[:, i] = 3.0
        else:
            for j in range(2):
                b[i - 1, j:] *= 2
        total += float((a * 2 / b).sum())
        b[mask] -= 0.25
    return total, b
'''


def test_each_store_is_followed_by_an_update_at_its_index():
    (text,) = results(INCREMENTAL, function(HEAD + LOOP + "return b"))
    assert "    current = a / b\n    for i in range(n):\n        row = current.sum(dim=-1).argmax()\n" in text
    assert "        b[row, 0] += rate\n        current[row, 0] = a[row, 0] / b[row, 0]\n" in text


def test_results_stay_whatever_the_indices():
    texts = results(INCREMENTAL, SEVERAL)
    assert len(texts) == 2
    for text in texts:
        assert text.count("current[") == 4
        for seed in (0, 1):
            assert same(run(SEVERAL, seed), run(text, seed)), text


@pytest.mark.parametrize(
    "body",
    [
        "b = torch.ones(n, n)\n" + LOOP,  # the shapes may differ
        "x, y = a.shape\nb = torch.ones(y, x)\n" + LOOP,
        "x, y = a.shape\nx = 1\nb = torch.ones(x, y)\n" + LOOP,
        "x, y = a.shape\nb = torch.ones(x, y)\na = a[:1]\n" + LOOP,
        HEAD + "c = b\n" + LOOP,
        HEAD + "a.unsqueeze_(0)\n" + LOOP,
        HEAD + "resized(a)\n" + LOOP,
        HEAD + LOOP + "    a[0, 0] = 1",
        HEAD + LOOP + "    a = a + 1",
        HEAD + LOOP + "    b.add_(1)",
        HEAD + LOOP + "    b = torch.ones(x, y)",
        HEAD + LOOP + "    change(b)",
        HEAD + LOOP + "    b[b.argmax()] = 1",
        HEAD + LOOP + "    b[row] = a.copy_(b)[0]",
        HEAD + "for i in range(n):\n    c = a / b\n    c[0] = 1\n    b[0, 0] += 1",  # the value itself is changed
        HEAD + "for i in range(n):\n    row = (a / b).sum(dim=-1).argmax()",  # nothing changes: another operator's
        HEAD + "b = b.int()\n" + LOOP,
    ],
)
def test_in_doubt_the_value_is_computed_anew(body):
    assert not results(INCREMENTAL, function(body + "\nreturn b"))
