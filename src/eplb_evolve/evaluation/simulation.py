"""Run a balancer or a policy over a whole trace: plan on each window, serve the next, move what the plan moves."""

from collections.abc import Callable

import numpy as np

from eplb_evolve import reference
from eplb_evolve.errors import CandidateFailure, UsageError
from eplb_evolve.evaluation.calls import Caller
from eplb_evolve.evaluation.inputs import as_they_are
from eplb_evolve.placement import (
    Floats,
    Ints,
    Topology,
    balancedness_of,
    initial_phy2log,
    received_slots,
    transfers,
)
from eplb_evolve.sandbox import Worker
from eplb_evolve.serving.cost import Interval
from eplb_evolve.serving.course import ORACLE, PLACED_ONCE, RANDOM_ONCE, Course
from eplb_evolve.workload.windows import Workload

Planner = Callable[[Floats, Ints], tuple[Ints, float]]
"""(load [L, E], phy2log [L, R] in force) -> phy2log [L, R], seconds that the plan took."""


def simulate(name: str, workload: Workload, plan: Planner, looks_ahead: bool = False) -> Course:
    """Plan on each window but the last, and judge the plan on the next one.

    looks_ahead: plan on the very window that is served. A planner that raises CandidateFailure ends the course. Raises
    UsageError when the trace has no window after the first.
    """
    windows, topology = workload.windows, workload.topology
    if len(windows) < 2:
        raise UsageError(
            f"workload {workload.name} has {len(windows)} window of {workload.card.interval_steps} steps; one is "
            "needed to plan on and one to serve: use a longer trace, or a card with shorter windows"
        )
    experts = windows.shape[2]
    start = initial_phy2log(windows.shape[1], experts, topology.replicas)
    held = start
    intervals: list[Interval] = []
    moved: list[float] = []
    for number in range(len(windows) - 1):
        served = windows[number + 1]
        try:
            new, seconds = plan(windows[number + 1 if looks_ahead else number], held)
        except CandidateFailure as failure:
            return Course(name, tuple(intervals), float(np.mean(moved or [0.0])), str(failure))
        balance, stale, never = (balancedness_of(served, each, topology.gpus) for each in (new, held, start))
        received = received_slots(held, new, topology.gpus, experts)
        intervals.append(Interval(seconds, received, balance, stale, never, ages=number > 0))
        moved.append(transfers(held, new, topology.gpus, experts))
        held = new
    return Course(name, tuple(intervals), float(np.mean(moved)))


def planner(worker: Worker, workload: Workload) -> Planner:
    """A sandboxed program, called and verified as in an evaluation; its time is the timekeeper's."""
    caller = Caller(worker, workload.topology, workload.name, np.random.default_rng(0))

    def plan(load: Floats, _held: Ints) -> tuple[Ints, float]:
        call = caller.call(as_they_are(load, load))
        return call.placement.phy2log, call.seconds

    return plan


def policies(workload: Workload, seed: int = 0) -> list[Course]:
    """What a balancer competes with, without the time of a plan: greedy once, random once, and greedy on the future."""
    topology, experts = workload.topology, workload.windows.shape[2]
    first = _greedy(workload.windows[0], topology)
    drawn = _random(workload.windows.shape[1], experts, topology, np.random.default_rng(seed))
    return [
        simulate(PLACED_ONCE, workload, lambda _load, _held: (first, 0.0)),
        simulate(RANDOM_ONCE, workload, lambda _load, _held: (drawn, 0.0)),
        simulate(ORACLE, workload, lambda load, _held: (_greedy(load, topology), 0.0), looks_ahead=True),
    ]


def _greedy(load: Floats, topology: Topology) -> Ints:
    return reference.plan(load, *topology.as_arguments())[0]


def _random(layers: int, experts: int, topology: Topology, rng: np.random.Generator) -> Ints:
    """Experts on slots at random, groups on their nodes: the greedy's plan for loads that mean nothing."""
    return _greedy(rng.random((layers, experts)), topology)
