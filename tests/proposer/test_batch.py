"""A loop over independent rows becomes tensor operations that compute exactly the same."""

import ast
import random
import types

import pytest
import torch

from eplb_evolve.proposer.operators.batch import OPERATORS
from eplb_evolve.proposer.program import Program

BATCH_LOOP = OPERATORS[0]

BODIES = {
    "jobs to the least busy machine": """
        busy = [0.0] * m
        jobs = [0] * m
        for x in order[i]:
            j = min((k for k in range(m) if jobs[k] < cap), key=busy.__getitem__)
            out[i, x] = j
            busy[j] += float(w[i, x])
            jobs[j] += 1
""",
    "an explicit scan for the first minimum": """
        busy = [0.0] * m
        jobs = [0] * m
        for x in order[i].tolist():
            best = -1
            for k in range(m):
                if jobs[k] < cap and (best < 0 or busy[k] < busy[best]):
                    best = k
            out[i, x] = best
            busy[best] += float(w[i, x])
            jobs[best] += 1
""",
    "running mean and number of records": """
        total = 0.0
        records = 0
        high = -1.0
        for t in range(s):
            value = float(w[i, t])
            total += value
            if value > high:
                high = value
                records += 1
            real[i, t] = total / (t + 1)
            out[i, t] = records
""",
    "a histogram": """
        for t in range(s):
            out[i, int(w[i, t])] += 1
        for t in range(s):
            out[i, t] = int(out[i, t]) * (i + 1)
""",
    "where the largest so far stood": """
        at = 0
        for t in range(s):
            if w[i, t] > w[i, at]:
                at = t
            out[i, t] = at
""",
    "filling a sack by value": """
        room = 7.0
        chosen = 0
        for x in order[i]:
            size = float(w[i, x])
            if size <= room and chosen < cap:
                room -= size
                chosen += 1
                out[i, x] = chosen
            elif size > 3:
                out[i, x] = -1
            else:
                out[i, x] += 2
            real[i, x] = room
""",
    "both sides of a condition, one with an index out of bounds": """
        row = v[i].tolist()
        k = 0
        for t in range(s):
            if k < s and row[k] > 1:
                row[t] = row[k] * 0.5 + 1
                k += 2
            else:
                k = k // 2 + 1
            real[i, t] = row[t] - k % 3
            out[i, t] = k
""",
    "a value kept from an earlier step": """
        cells = [0] * m
        for t, x in enumerate(order[i]):
            kept = cells[t % m]
            cells[t % m] = kept + x
            if x % 2 == 0:
                last = t
                cells[0] += 1
            if x == 0 or t > s:
                last = 0
            out[i, t] = kept * 2 - max(kept, cells[0]) + abs(-kept)
""",
    "counts and extremes over all candidates": """
        marks = [0] * m
        for t in range(s):
            k = max(range(m), key=lambda k: marks[k] - k % 2)
            marks[k] = marks[k] - 1 if w[i, t] > 2 else marks[k] + 1
            out[i, t] = sum(1 for k in range(m) if marks[k] > 0) + min(marks[k] * 2 for k in range(m))
            if any(marks[k] > 3 for k in range(m)) and not all(marks[k] > k for k in range(m)):
                marks[0] = 0
""",
    "neighbours that the last one lacks": """
        level = [1.0] * s
        flag = True
        for t in range(s):
            if t + 1 < s and w[i, t] > w[i, t + 1]:
                level[t] = float(w[i, t])
            if flag:
                flag = level[t] < 3
                out[i, t] = max((k for k in range(s) if k + 1 < s), key=lambda k: level[k + 1])
            else:
                out[i, t] = -t
""",
    "a number that is the same in all rows": """
        turn = 0
        for x in order[i]:
            out[i, x] = turn % m
            turn += 1
""",
    "arithmetic in the tensor's precision": """
        for t in range(s):
            real[i, t] = w[i, t] * w[i, 0] / 3 + w[i, t]
            real[i, t] += float(w[i, t]) / 3
""",
}

HEAD = """import torch


def solve(w: torch.Tensor, m: int, cap: int):
    n, s = w.shape
    v = w / 1
    order = w.sort(dim=-1, descending=True, stable=True).indices
    out = torch.zeros(n, s, dtype=torch.int64)
    real = torch.zeros(n, s)
    for i in range(n):
"""
TAIL = "    return out, real\n"


def batched(source):
    """The program that the operator makes, or None when it leaves this one alone."""
    program = Program.parse(source)
    before = ast.dump(program.tree)
    if BATCH_LOOP.apply(program, random.Random(0)):
        return program.render("T0", ["batch_loop"])
    assert ast.dump(program.tree) == before
    return None


def result(source, *arguments):
    module = types.ModuleType("program")
    exec(compile(source, "<program>", "exec"), module.__dict__)
    return module.solve(*arguments)


def inputs():
    """Numbers without ties in both precisions, integers with many ties, equal rows, zeros, one row, no row."""
    generator = torch.Generator().manual_seed(1)
    return [
        torch.rand(5, 6, generator=generator) * 5,
        torch.rand(4, 6, generator=generator, dtype=torch.float64) * 5,
        torch.randint(0, 4, (40, 6), generator=generator).float(),
        torch.randint(0, 2, (40, 6), generator=generator).double(),
        torch.full((3, 6), 2.0),
        torch.zeros(1, 6),
        torch.zeros(0, 6),
    ]


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_all_rows_at_once_give_what_one_row_after_the_other_gives(body):
    source = HEAD + body + TAIL
    changed = batched(source)
    assert changed is not None
    assert "for i in range" not in changed
    for w in inputs():
        for ours, theirs in zip(result(changed, w.clone(), 3, 2), result(source, w.clone(), 3, 2), strict=True):
            assert ours.dtype == theirs.dtype
            assert torch.equal(ours, theirs), changed


def test_of_equal_candidates_the_first_is_chosen():
    changed = batched(HEAD + BODIES["jobs to the least busy machine"] + TAIL)
    assert result(changed, torch.ones(2, 6), 3, 2)[0].tolist() == [[0, 1, 2, 0, 1, 2]] * 2


UNSUPPORTED = {
    "a while loop": "t = 0\n        while t < s:\n            out[i, t] = t\n            t += 1",
    "a break": "for t in range(s):\n            if w[i, t] > 1:\n                break\n            out[i, t] = 1",
    "a loop as long as the data say": "for t in range(int(w[i, 0])):\n            out[i, t] = 1",
    "an unknown function": "out[i, 0] = print(w[i, 0])",
    "a row that another pass writes": "for t in range(s):\n            out[i, t] = out[i - 1, t] + 1",
    "an element that all passes write": "out[0, 0] = i",
    "a sum over the passes": "for t in range(s):\n            cap += int(w[i, t])",
    "a list that grows": "seen = []\n        seen.append(i)\n        out[i, 0] = seen[0]",
    "a change through another name": "order = out\n        out[i, 0] = 1\n        real[i, 0] = float(order[i, 1])",
    "Python's floats and a tensor's in one variable": (
        "a = 0.1\n        for t in range(s):\n            a = a + w[i, t]\n            real[i, t] = a"
    ),
    "a sum of floats whose order matters": "real[i, 0] = sum(float(w[i, k]) for k in range(s))",
    "scores that are tuples": "out[i, 0] = min(range(s), key=lambda k: (float(w[i, k]), k))",
    "an element that may be no float": "for t in range(s):\n            out[i, t] = w[i, t].item() // 2",
    "an index that is out of bounds in rows that do not count": (
        "k = int(w[i, 0])\n        if k > 9:\n            out[i, s + 1] = 1"
    ),
    "a power": "real[i, 0] = float(w[i, 0]) ** 0.3",
}


@pytest.mark.parametrize("body", UNSUPPORTED.values(), ids=UNSUPPORTED)
def test_what_has_no_exact_counterpart_is_left_alone(body):
    assert batched(f"{HEAD}        {body}\n{TAIL}") is None


@pytest.mark.parametrize(
    "tail",
    ["    return out, k\n", "    def last():\n        return k\n    return last\n"],
    ids=["after the loop", "in a function"],
)
def test_a_variable_of_the_last_pass_that_is_used_later_forbids_it(tail):
    assert batched(f"{HEAD}        k = int(w[i, 0])\n        out[i, 0] = k\n{tail}") is None


def test_rows_are_counted_on_the_device_of_the_tensors():
    changed = batched(HEAD + BODIES["jobs to the least busy machine"] + TAIL)
    calls = [part for part in ast.walk(ast.parse(changed)) if isinstance(part, ast.Call)]
    made = [call for call in calls if ast.unparse(call.func) in ("torch.arange", "torch.zeros")]
    ours = [call for call in made if any(keyword.arg == "device" for keyword in call.keywords)]
    assert len(ours) == 3
    assert len(made) == 5
