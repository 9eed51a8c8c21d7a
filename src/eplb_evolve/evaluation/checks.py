"""Untimed checks on shapes that the timed workload does not have."""

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle, pairwise

import numpy as np

from eplb_evolve.evaluation.balance import CallBalance
from eplb_evolve.evaluation.bench import Bench
from eplb_evolve.evaluation.calls import Caller
from eplb_evolve.evaluation.constraint import FAR_FROM_BALANCED, Verdict, judge
from eplb_evolve.evaluation.inputs import CallInputs, random_loads
from eplb_evolve.evaluation.robust_loads import robust_loads
from eplb_evolve.evaluation.settings import RobustThresholds, Thresholds
from eplb_evolve.evaluation.task import WITHOUT_GROUPS
from eplb_evolve.placement import Topology
from eplb_evolve.sandbox import Worker
from eplb_evolve.workload.windows import Workload

CALLS, MORE_CALLS = 3, 24
"""Calls that a balance is judged on, and how many when these fall short by little: equals of the reference miss the
threshold now and then on 3 calls, on 24 they do not (benchmarks/constraint.py)."""
MORE_ROBUST_CALLS = 12
CLOSE = 0.02
"""The same on loads unlike the timed ones, and how close to a threshold, as a share of it, asks for them."""
Note = Callable[[str, Verdict], None]
ROBUST_S = 4.0
"""After so many seconds a slow program is called once on each further load."""

SMALL_SHAPES = (
    (3, 12, Topology(replicas=16, groups=4, nodes=2, gpus=8)),
    (2, 8, Topology(replicas=8, groups=2, nodes=2, gpus=4)),  # as many replicas as experts
    (1, 6, Topology(replicas=12, groups=1, nodes=1, gpus=1)),  # one layer, one GPU
    (4, 6, Topology(replicas=8, groups=3, nodes=2, gpus=4)),  # groups that do not divide among nodes: global
)
"""(layers, experts, topology) of the random small checks."""


def check_small_shapes(worker: Worker, rng: np.random.Generator, grouped: bool = True) -> None:
    """Raise CandidateFailure unless the program gives valid placements of small random loads with ties and zeros.

    grouped: whether the group rule holds.
    """
    for layers, experts, shape in SMALL_SHAPES:
        topology = shape if grouped else shape.without_groups()
        where = f"random loads, {layers} layers x {experts} experts on {topology.gpus} GPUs"
        caller = Caller(worker, topology, where, rng)
        loads = random_loads(rng, layers, experts)
        caller.call(caller.prepare(loads, loads))


def check_other_shapes(
    worker: Worker,
    bench: Bench,
    workload: Workload,
    others: Sequence[Workload],
    split: str,
    least: Thresholds,
    rng: np.random.Generator,
    judged: Note,
    grouped: bool = True,
) -> None:
    """Raise CandidateFailure unless the program is valid, Infeasible unless it is balanced, beyond the timed loads.

    Validity everywhere; the hard constraint on recorded loads: the other workloads, and the timed one with its
    groups ignored (a global placement); the robust thresholds on loads of the timed shape unlike the timed ones.
    judged: told each load and its verdict. grouped: whether the group rule holds on the small shapes.
    """
    check_small_shapes(worker, rng, grouped)
    if workload.topology.groups > 1 and workload.topology.hierarchical:
        _check_recorded(worker, bench, workload, workload.topology.without_groups(), split, least, rng, judged)
    for other in others:
        _check_recorded(worker, bench, other, other.topology, split, least, rng, judged)
    caller = Caller(worker, workload.topology, f"{workload.name} as int64", rng)
    caller.call(caller.draw(workload, workload.pairs(split)[0]), dtype="int64")
    check_robust_loads(worker, bench, workload, others, split, least.robust, rng, judged)


def check_robust_loads(
    worker: Worker,
    bench: Bench,
    workload: Workload,
    others: Sequence[Workload],
    split: str,
    least: RobustThresholds,
    rng: np.random.Generator,
    judged: Note,
) -> None:
    """Raise Infeasible for the first load unlike the timed ones on which a program falls below its threshold."""
    if not least.demands:
        return
    _, layers, experts = workload.windows.shape
    topology, ends = workload.topology, time.monotonic() + ROBUST_S
    for load in robust_loads(layers, experts, topology, others, split, rng):
        caller = Caller(worker, topology, load.name, rng)
        windows = pairwise(load.windows)
        for _ in range(load.unjudged_movement_aware if worker.parameters == 6 else load.unjudged):
            caller.call(caller.prepare(*next(windows)))
        drawn = (caller.prepare(*pair) for pair in windows)
        calls = Judged(caller, bench.reference_caller(topology, rng), drawn)
        verdict = calls.after(CALLS if time.monotonic() < ends else 1, least.as_thresholds())
        if abs(verdict.margin - 1) < CLOSE:
            verdict = calls.after(MORE_ROBUST_CALLS, least.as_thresholds())
        judged(load.name, verdict)
        verdict.demand(load.name)


def _check_recorded(
    worker: Worker,
    bench: Bench,
    workload: Workload,
    topology: Topology,
    split: str,
    least: Thresholds,
    rng: np.random.Generator,
    judged: Note,
) -> None:
    where = workload.name if topology == workload.topology else workload.name + WITHOUT_GROUPS
    caller = Caller(worker, topology, where, rng)
    drawn = (caller.draw(workload, pair) for pair in cycle(workload.pairs(split)))
    calls = Judged(caller, bench.reference_caller(topology, rng), drawn)
    verdict = calls.after(CALLS, least)
    if FAR_FROM_BALANCED <= verdict.margin < 1:
        verdict = calls.after(MORE_CALLS, least)
    judged(where, verdict)
    verdict.demand(where)


class Judged:
    """The balance of a candidate and of the reference over calls on the same drawn inputs, as many as are asked for."""

    def __init__(self, caller: Caller, reference: Caller, drawn: Iterator[CallInputs]) -> None:
        self._caller, self._beside, self._drawn = caller, reference, drawn
        self._candidate: list[CallBalance] = []
        self._reference: list[CallBalance] = []

    def after(self, calls: int, least: Thresholds) -> Verdict:
        """The verdict on that many calls, the earlier ones included."""
        while len(self._candidate) < calls:
            inputs = next(self._drawn)
            self._candidate.append(self._caller.call(inputs).balance)
            self._reference.append(self._beside.call(inputs).balance)
        return judge(self._candidate, self._reference, least)
