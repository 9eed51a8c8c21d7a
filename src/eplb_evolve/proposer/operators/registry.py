"""All operators that change one program; crossover, which needs two, stands apart."""

from . import (
    batch,
    devices,
    edits,
    expressions,
    functions,
    heaps,
    helpers,
    improvement,
    incremental,
    jit,
    loops,
    memory,
    parallel,
    scans,
    selection,
    sharing,
    tensor_access,
    vectorise,
)
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
    *sharing.OPERATORS,
    *memory.OPERATORS,
    *incremental.OPERATORS,
    *parallel.OPERATORS,
    *devices.OPERATORS,
    *edits.OPERATORS,
    *improvement.OPERATORS,
    *selection.OPERATORS,
    *heaps.OPERATORS,
    *functions.OPERATORS,
)
