"""Which variables may share memory."""

import ast

from eplb_evolve.proposer.analysis.independence import possible_aliases


def test_aliases_are_followed_whatever_else_the_function_calls():
    source = """
def f(x, n):
    first = np.asarray(x)
    second = first[0]
    other = torch.arange(n)
"""
    (function,) = ast.parse(source).body
    assert possible_aliases(function, "x") == {"x", "first", "second"}
    assert possible_aliases(function, "other") == {"other"}
