"""What an operator makes of a program."""

import ast
import random

from eplb_evolve.proposer.program import Program


def results(operator, source, draws=12):
    """The different regions that an operator makes of a program."""
    found = {}
    for seed in range(draws):
        program = Program.parse(source)
        if operator.apply(program, random.Random(seed)):
            found[ast.unparse(ast.fix_missing_locations(program.tree))] = None
    return list(found)


def function(body):
    """A program whose one function has this body; `a` is a tensor, `n` an integer, `rate` a float."""
    lines = "\n".join("    " + line for line in body.strip().split("\n"))
    return f"import torch\n\n\ndef f(a: torch.Tensor, n: int, rate: float):\n{lines}\n"
