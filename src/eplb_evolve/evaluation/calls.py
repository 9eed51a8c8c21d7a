"""One program being called: verified inputs in, verified placement out, its own last placement carried along."""

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eplb_evolve.errors import CandidateFailure, EnvironmentProblem
from eplb_evolve.evaluation.balance import CallBalance, measure
from eplb_evolve.evaluation.inputs import CallInputs, perturb
from eplb_evolve.placement import Ints, Placement, Topology, initial_phy2log, transfers, verify
from eplb_evolve.sandbox import Worker
from eplb_evolve.workload.windows import Workload


@dataclass(frozen=True)
class Call:
    """A verified call.

    Attributes:
        inputs: what it was given
        topology: likewise
        in_force: [L, R], the placement in force before, in the call's order
        old_phy2log: the same as it was given, None for a program with five parameters
        seconds: wall clock
        waited: seconds for which it was ready to run and had no processor
        placement: what it returned
        moved: share of slots that had to move
    """

    inputs: CallInputs
    topology: Topology
    in_force: Ints
    old_phy2log: Ints | None
    seconds: float
    waited: float
    placement: Placement
    moved: float

    @functools.cached_property
    def balance(self) -> CallBalance:
        """Of the load under what it returned."""
        return measure(self.placement, self.inputs, self.topology.gpus)


class Caller:
    """Calls one program on windows of one shape, in order, on perturbed inputs.

    A program with a sixth parameter is given the placement now in force: its own last one, carried through the new
    call's permutation; at first every expert once and the spare slots round robin.
    """

    def __init__(self, worker: Worker, topology: Topology, where: str, rng: np.random.Generator) -> None:
        self._worker, self._topology, self._where, self._rng = worker, topology, where, rng
        self._in_force: Ints | None = None

    def beside(self) -> "Caller":
        """Another course of calls of the same program, with a placement in force of its own."""
        return Caller(self._worker, self._topology, self._where, self._rng)

    def prepare(self, load: NDArray[np.generic], next_load: NDArray[np.generic]) -> CallInputs:
        """Fresh inputs from two consecutive windows [L, E]."""
        return perturb(load, next_load, self._topology.groups, self._rng)

    def draw(self, workload: Workload, pair: tuple[int, int]) -> CallInputs:
        """Fresh inputs from a pair of consecutive windows of a workload, their steps drawn anew."""
        now, following = (workload.redraw(window, self._rng) for window in pair)
        return self.prepare(now, following)

    def call(self, inputs: CallInputs, dtype: str = "float32", cpus: list[int] | None = None) -> Call:
        """Call and verify; raises CandidateFailure whose reason says on which workload it happened."""
        layers, experts = inputs.weight.shape
        before = self._in_force
        if before is None:
            before = initial_phy2log(layers, experts, self._topology.replicas)
        in_force = inputs.from_workload_order(before)
        old = in_force if self._worker.parameters == 6 else None
        try:
            answer = self._worker.call(inputs.weight.astype(dtype), self._topology, old, cpus)
            placement = verify(answer.phy2log, answer.log2phy, answer.logcnt, inputs.weight.shape, self._topology)
        except CandidateFailure as failure:
            raise failure.at(self._where) from None
        self._in_force = inputs.to_workload_order(placement.phy2log)
        moved = transfers(before, self._in_force, self._topology.gpus, experts)
        return Call(inputs, self._topology, in_force, old, answer.seconds, answer.waited, placement, moved)


class ReferenceCaller(Caller):
    """Calls the reference as any program; that it fails is the machine's fault."""

    def call(self, inputs: CallInputs, dtype: str = "float32", cpus: list[int] | None = None) -> Call:
        """As a Caller's, but raises EnvironmentProblem."""
        try:
            return super().call(inputs, dtype, cpus)
        except CandidateFailure as problem:
            raise EnvironmentProblem(f"the reference's process failed: {problem}") from problem


def warm(worker: Worker, shape: tuple[int, int], topology: Topology, rng: np.random.Generator) -> None:
    """One untimed call on synthetic load of `shape` (L, E): compilers run here. Raises CandidateFailure."""
    old = initial_phy2log(*shape, topology.replicas) if worker.parameters == 6 else None
    worker.call(rng.lognormal(8, 1, shape).astype(np.float32), topology, old)
