"""What takes running programs: the best one's placement on a holdout window, and courses over the whole trace."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eplb_evolve import reference
from eplb_evolve.errors import CandidateFailure
from eplb_evolve.evaluation.bench import Bench, open_bench
from eplb_evolve.evaluation.calls import warm
from eplb_evolve.evaluation.simulation import planner, policies, simulate
from eplb_evolve.evaluation.task import Task
from eplb_evolve.placement import (
    Floats,
    Ints,
    Placement,
    balancedness_of,
    count_replicas,
    gpu_loads,
    initial_phy2log,
)
from eplb_evolve.sandbox import Worker
from eplb_evolve.serving.course import Course


@dataclass(frozen=True)
class Heat:
    """Load of every GPU in every layer on one window, before and after a plan made on the window before it.

    Attributes:
        windows: the window planned on and the one that the loads are of
        before, after: [layers, GPUs], load / mean load of the layer's GPUs
        balancedness_before, balancedness_after: of that window
    """

    windows: tuple[int, int]
    before: Floats
    after: Floats
    balancedness_before: float
    balancedness_after: float


@dataclass(frozen=True)
class Executed:
    """Attributes:
    machine: where it ran
    heat: None when the best program gave no placement
    best: the best program's course; its `reason` says why it is not whole
    others: courses of what it is compared with
    """

    machine: str
    heat: Heat | None
    best: Course
    others: Sequence[Course]


def execute(program: Path, name: str, task: Task) -> Executed:
    """Run `program` in the sandbox once over the trace. EnvironmentProblem when the machine does not allow it."""
    workload = task.workload
    with closing(open_bench(task.settings)) as bench:
        heat = None
        try:
            with closing(bench.zygote.spawn(program, task.settings.limits)) as worker:
                warm(worker, workload.windows.shape[1:], workload.topology, np.random.default_rng(0))
                heat = _heat(worker, task)
                best = simulate(name, workload, planner(worker, workload))
        except CandidateFailure as failure:
            best = Course(name, (), 0.0, str(failure))
        others = [_reference(task, bench), *policies(workload)]
        return Executed(bench.machine, heat, best, others)


def _heat(worker: Worker, task: Task) -> Heat | None:
    workload, pairs = task.workload, task.workload.pairs("holdout")
    if not pairs:
        return None
    planned, served = pairs[0]
    load, topology = workload.windows[served], workload.topology
    start = initial_phy2log(load.shape[0], load.shape[1], topology.replicas)
    new, _ = planner(worker, workload)(workload.windows[planned], start)
    before, after = (_relative(load, each, topology.gpus) for each in (start, new))
    reached = [balancedness_of(load, each, topology.gpus) for each in (start, new)]
    return Heat((planned, served), before, after, *reached)


def _relative(load: Floats, phy2log: Ints, gpus: int) -> Floats:
    """Load / mean of the layer, [L, G]; an idle layer is even."""
    found = gpu_loads(load, Placement(phy2log, count_replicas(phy2log, load.shape[1])), gpus)
    mean = found.mean(axis=1, keepdims=True)
    relative: Floats = np.divide(found, mean, out=np.ones_like(found), where=mean > 0)
    return relative


def _reference(task: Task, bench: Bench) -> Course:
    workload = task.workload
    try:
        with closing(bench.zygote.spawn(Path(reference.__file__), task.settings.limits)) as worker:
            warm(worker, workload.windows.shape[1:], workload.topology, np.random.default_rng(0))
            return simulate("reference", workload, planner(worker, workload))
    except CandidateFailure as failure:
        return Course("reference", (), 0.0, str(failure))
