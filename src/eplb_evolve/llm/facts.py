"""Everything that the words about a task are made of."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eplb_evolve.errors import CandidateFailure
from eplb_evolve.evaluation.bench import Bench
from eplb_evolve.evaluation.calls import Caller
from eplb_evolve.evaluation.result import Evaluation
from eplb_evolve.evaluation.task import Task
from eplb_evolve.llm.compiler_facts import Compiler, compilers
from eplb_evolve.llm.machine_facts import MachineFacts, machine_facts
from eplb_evolve.llm.shape_facts import ShapeFacts, shape_facts

_WARM, _CALLS = 20, 80


@dataclass(frozen=True)
class Marks:
    """What calls cost that plan nothing; each None where it was not measured. They are marks, no limits.

    Attributes:
        reference_ms: the reference's time
        filled: time of filling three new tensors as small as a plan's, / the reference's
        touched: time of filling three tensors that were used before, / the reference's
        ready: time of returning three tensors that are there already, / the reference's
    """

    reference_ms: float | None = None
    filled: float | None = None
    touched: float | None = None
    ready: float | None = None


@dataclass(frozen=True)
class Facts:
    """Of machine, sandbox and loads.

    Attributes:
        shapes: of the timed workloads
        checks: of those that are checked untimed
    """

    machine: MachineFacts
    compilers: tuple[Compiler, ...]
    shapes: tuple[ShapeFacts, ...]
    checks: tuple[ShapeFacts, ...]
    marks: Marks


def gather(task: Task, bench: Bench, first: Evaluation) -> Facts:
    """Look at machine and loads, try the compilers. first: a timed evaluation on this task, which tells the marks."""
    return Facts(
        machine_facts(task.settings.device),
        compilers(bench, task.settings.limits),
        tuple(map(shape_facts, task.workloads)),
        tuple(map(shape_facts, task.checks)),
        marks_of(first, touched_share(task, bench)),
    )


def touched_share(task: Task, bench: Bench) -> float | None:
    """Time of filling tensors that were used before / that of filling new ones, net of the clock.

    By the lower quartiles of calls in turn, on one processor. None where it cannot be told.
    """
    topology, rng = task.workload.topology, np.random.default_rng(0)
    try:
        worker = bench.zygote.spawn(Path(__file__).with_name("touched.py"), task.settings.limits)
        try:
            inputs = Caller(worker, topology, "a mark", rng).draw(task.workload, task.workload.pairs("search")[0])
            one = [min(os.sched_getaffinity(0))]
            with bench.timing_lock():
                rows = [
                    (
                        worker.call(inputs.weight, topology, cpus=one).seconds,
                        bench.call_mark("filled", inputs, topology, one),
                        bench.call_mark("null", inputs, topology, one),
                    )
                    for _ in range(_WARM + _CALLS)
                ]
        finally:
            worker.close()
    except CandidateFailure:
        return None
    touched, filled, nothing = np.percentile(np.array(rows[_WARM:]), 25, axis=0)
    return max(0.0, float((touched - nothing) / (filled - nothing))) if filled > nothing else None


def marks_of(evaluation: Evaluation, touched: float | None = None) -> Marks:
    """The marks that were measured beside a program. touched: see touched_share."""
    timing = evaluation.timing
    if timing is None:
        return Marks()
    reference = timing.time_ms / timing.ratio_to_reference
    ready = timing.ready_ms / reference if timing.ready_ms is not None else None
    filled = timing.floor_ratio
    again = touched * filled if touched is not None and filled is not None else None
    return Marks(reference, filled, again, ready)
