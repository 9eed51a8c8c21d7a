"""Equal input, equal output: in the same process, and in a twin that has seen nothing of it."""

import re

import pytest

from eplb_evolve.evaluation.pipeline import evaluate

CALL = "honest(weight, num_replicas, num_groups, num_nodes, num_gpus)"
SWAPPED = """
def swapped(result, swap):
    a, b, c = result
    if not swap:
        return a, b, c
    size = a.shape[1] // 2
    a = a.roll(size, 1)  # the GPUs in another order: as good, but another answer
    b = torch.where(b >= 0, (b + size) % a.shape[1], b)
    return a, b, c
"""


def swapping(condition):
    """A body that gives another, equally balanced answer where the condition holds."""
    indented = "\n".join(SWAPPED.strip().splitlines())
    return f"global calls\ncalls += 1\n{indented}\nreturn swapped({CALL}, {condition})"


@pytest.mark.parametrize(
    ("condition", "where"),
    [
        ("calls > 9", "(when the same input came again|in another process)"),
        ("id(honest) >> 12 & 1 ^ (hash('a') & 1)", None),
        ("__import__('os').getpid() > 1", "in another process"),
    ],
)
def test_an_answer_that_depends_on_more_than_the_input_is_invalid(program, task, bench, condition, where):
    result = evaluate(program(wrapping=swapping(condition)), task, bench)
    if where is None:  # by address and hash seed: the twin differs in one run of two
        assert result.valid or "in another process" in result.reason
        return
    assert not result.valid
    assert re.match(f"phy2log was another {where}", result.reason)


def test_unseeded_ties_are_invalid(program, task, bench):
    """Each layer's GPUs in one of two orders, by lot."""
    body = f"a, b, c = {CALL}\nlot = torch.rand(a.shape[0]) < 0.5\nsize = a.shape[1] // 2\n"
    body += "a = torch.where(lot[:, None], a.roll(size, 1), a)\n"
    body += "b = torch.where(lot[:, None, None] & (b >= 0), (b + size) % a.shape[1], b)\nreturn a, b, c"
    result = evaluate(program(wrapping=body), task, bench)
    assert not result.valid
    assert "phy2log was another when the same input came again" in result.reason


def test_seeded_randomness_is_fine(program, task, bench):
    condition = "torch.rand(1, generator=torch.Generator().manual_seed(int(weight.sum()) & 1023)).item() < 0.5"
    result = evaluate(program(wrapping=swapping(condition)), task, bench)
    assert result.feasible, result.reason
    assert result.replayed


def test_what_is_known_again_by_its_sorted_content_is_found_out_by_the_twin(program, task, bench):
    """The process's own memory agrees with itself; a process without these memories does not."""
    body = "key = weight.shape[1]\nfirst = not globals().setdefault('seen', set())\nglobals()['seen'].add(key)\n"
    body += "globals().setdefault('flavor', __import__('os').urandom(4)[0] & 1)\n"
    result = evaluate(program(wrapping=body + swapping("globals()['flavor']")), task, bench)
    assert result.valid or "in another process" in result.reason
