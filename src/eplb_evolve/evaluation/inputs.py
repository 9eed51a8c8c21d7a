"""Inputs that never repeat: every call sees a window permuted, scaled and perturbed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eplb_evolve.placement import Floats, Ints

NOISE = 1e-3
SCALE_SPREAD = 0.3


@dataclass(frozen=True)
class CallInputs:
    """One call's loads, and how to translate its placement from and to the workload's own order.

    Attributes:
        weight: [L, E] float32, what the candidate sees
        next_load: [L, E], the following window in the same permuted order
        layer_order: [L], row l of the call is layer layer_order[l] of the workload
        expert_order: [L, E], column e of row l is expert expert_order[l, e] of the workload
    """

    weight: NDArray[np.float32]
    next_load: Floats
    layer_order: Ints
    expert_order: Ints

    def to_workload_order(self, phy2log: Ints) -> Ints:
        """A placement [L, R] of this call, in the workload's layer and expert numbers."""
        result = np.empty_like(phy2log)
        result[self.layer_order] = np.take_along_axis(self.expert_order, phy2log, axis=1)
        return result

    def from_workload_order(self, phy2log: Ints) -> Ints:
        """A placement [L, R] in the workload's numbers, in this call's."""
        position = np.empty_like(self.expert_order)
        np.put_along_axis(
            position, self.expert_order, np.broadcast_to(np.arange(position.shape[1]), position.shape), axis=1
        )
        return np.take_along_axis(position, phy2log[self.layer_order], axis=1)


def perturb(
    load: NDArray[np.generic], next_load: NDArray[np.generic], groups: int, rng: np.random.Generator
) -> CallInputs:
    """Same difficulty, new bytes: layers, groups and experts within groups in a new order, a new scale, 0.1 % noise.

    load and next_load [L, E] are two consecutive windows in the workload's order.
    """
    layers, experts = load.shape
    size = experts // groups
    layer_order = rng.permutation(layers)
    group_order = np.argsort(rng.random((layers, groups)), axis=1)
    within = np.argsort(rng.random((layers, groups, size)), axis=2)
    expert_order = (group_order[:, :, None] * size + within).reshape(layers, experts)
    noise = 1 + NOISE * rng.standard_normal((layers, experts))
    scale = np.exp(rng.normal(0, SCALE_SPREAD))
    weight = np.take_along_axis(load[layer_order].astype(np.float64), expert_order, axis=1) * noise * scale
    following = np.take_along_axis(next_load[layer_order].astype(np.float64), expert_order, axis=1)
    return CallInputs(weight.astype(np.float32), following, layer_order, expert_order)


def as_they_are(load: NDArray[np.generic], next_load: NDArray[np.generic]) -> CallInputs:
    """Two consecutive windows [L, E] in the workload's own order."""
    layers, experts = load.shape
    order = np.tile(np.arange(experts), (layers, 1))
    return CallInputs(load.astype(np.float32), next_load.astype(np.float64), np.arange(layers), order)


def random_loads(rng: np.random.Generator, layers: int, experts: int) -> NDArray[np.float64]:
    """Synthetic loads [layers, experts] with what traces rarely hold: ties, zeros, an idle layer, one huge expert."""
    loads = rng.integers(0, 6, (layers, experts)).astype(np.float64)
    loads[0] = 0
    loads[-1, 0] = 1e6
    return loads
