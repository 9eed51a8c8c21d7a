"""A tensor is moved to the processor's memory, or no longer is."""

import ast
import random

from eplb_evolve.proposer.analysis.tree import located
from eplb_evolve.proposer.operators.devices import OPERATORS
from eplb_evolve.proposer.program import Program

(MOVE,) = OPERATORS


def moved(line):
    program = Program.parse(f"import torch\n\n\ndef f(a: torch.Tensor, n: int):\n    {line}\n    return b\n")
    if not MOVE.apply(program, random.Random(0)):
        return None
    return ast.unparse(located(program.tree.body[1].body[0]))


def test_a_move_is_dropped():
    assert moved("b = a.cpu()") == "b = a"


def test_a_move_is_added_to_an_assigned_tensor():
    assert moved("b = a + 1") == "b = (a + 1).cpu()"


def test_numbers_have_no_device():
    assert moved("b = n + 1") is None
