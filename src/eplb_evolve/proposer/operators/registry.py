"""All operators that change one program; crossover, which needs two, stands apart."""

from . import batch, edits, expressions, helpers, improvement, jit, loops, scans, tensor_access, vectorise
from .base import Operator

OPERATORS: tuple[Operator, ...] = (
    *jit.OPERATORS,
    *tensor_access.OPERATORS,
    *loops.OPERATORS,
    *helpers.OPERATORS,
    *scans.OPERATORS,
    *vectorise.OPERATORS,
    *batch.OPERATORS,
    *expressions.OPERATORS,
    *edits.OPERATORS,
    *improvement.OPERATORS,
)
