"""One candidate being called: verified inputs in, verified placement out, its own last placement carried along."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eplb_evolve.errors import CandidateFailure
from eplb_evolve.evaluation.inputs import CallInputs, perturb
from eplb_evolve.placement import Ints, Placement, Topology, initial_phy2log, transfers, verify
from eplb_evolve.sandbox import Worker


@dataclass(frozen=True)
class CandidateCall:
    """A verified call: its inputs, wall-clock seconds, placement, and the share of slots that had to move."""

    inputs: CallInputs
    seconds: float
    placement: Placement
    moved: float


class Caller:
    """Calls one candidate on windows of one shape, in order, on perturbed inputs.

    A program with a sixth parameter is given the placement now in force: its own last one, carried through the new
    call's permutation; at first every expert once and the spare slots round robin.
    """

    def __init__(self, worker: Worker, topology: Topology, where: str, rng: np.random.Generator) -> None:
        self._worker, self._topology, self._where, self._rng = worker, topology, where, rng
        self._in_force: Ints | None = None

    def prepare(self, load: NDArray[np.generic], next_load: NDArray[np.generic]) -> CallInputs:
        """Fresh inputs from two consecutive windows [L, E]."""
        return perturb(load, next_load, self._topology.groups, self._rng)

    def call(self, inputs: CallInputs, dtype: str = "float32") -> CandidateCall:
        """Call and verify; raises CandidateFailure whose reason says on which workload it happened."""
        layers, experts = inputs.weight.shape
        before = self._in_force
        if before is None:
            before = initial_phy2log(layers, experts, self._topology.replicas)
        old = inputs.from_workload_order(before) if self._worker.parameters == 6 else None
        try:
            answer = self._worker.call(inputs.weight.astype(dtype), self._topology, old)
            placement = verify(answer.phy2log, answer.log2phy, answer.logcnt, inputs.weight.shape, self._topology)
        except CandidateFailure as failure:
            raise CandidateFailure(f"{failure} (on {self._where})") from None
        self._in_force = inputs.to_workload_order(placement.phy2log)
        moved = transfers(before, self._in_force, self._topology.gpus, experts)
        return CandidateCall(inputs, answer.seconds, placement, moved)
