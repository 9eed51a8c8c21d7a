"""All operators that change one program; crossover, which needs two, stands apart."""

from . import batch, edits, expressions, helpers, jit, loops, tensor_access, vectorise
from .base import Operator

OPERATORS: tuple[Operator, ...] = (
    *jit.OPERATORS,
    *tensor_access.OPERATORS,
    *loops.OPERATORS,
    *helpers.OPERATORS,
    *vectorise.OPERATORS,
    *batch.OPERATORS,
    *expressions.OPERATORS,
    *edits.OPERATORS,
)
