"""Placements of expert replicas: validity, balance and movement, vectorised over layers.

Shapes: L layers, E logical experts per layer, R physical experts (replicas, slots) per layer, G GPUs, N nodes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eplb_evolve.errors import CandidateFailure
from eplb_evolve.topology import Topology as Topology  # noqa: PLC0414  imported from here

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Placement:
    """A verified placement: phy2log [L, R] and logcnt [L, E], both int64. `verify` makes one."""

    phy2log: Ints
    logcnt: Ints


def verify(phy2log: Ints, log2phy: Ints, logcnt: Ints, shape: tuple[int, int], topology: Topology) -> Placement:
    """Check every rule of a valid placement; raise CandidateFailure naming the layer and expert that break one.

    phy2log [L, R], log2phy [L, E, X], logcnt [L, E], int64, for loads of `shape` (L, E). The group rule holds where
    the topology is hierarchical.
    """
    placement = verify_maps(phy2log, log2phy, logcnt, shape, topology.replicas)
    if topology.binds_groups:
        _check_groups(phy2log, shape[1], topology)
    return placement


def verify_maps(phy2log: Ints, log2phy: Ints, logcnt: Ints, shape: tuple[int, int], replicas: int) -> Placement:
    """The same rules without that of the groups: the three outputs say one thing."""
    layers, experts = shape
    _check_shape("phy2log", phy2log, (layers, replicas))
    _check_shape("logcnt", logcnt, (layers, experts))
    if log2phy.ndim != 3 or log2phy.shape[:2] != (layers, experts):
        raise CandidateFailure(f"log2phy has shape {list(log2phy.shape)}, expected [{layers}, {experts}, X]")
    _check_range(phy2log, experts)
    _check_counts(phy2log, logcnt, experts)
    _check_log2phy(phy2log, log2phy, logcnt, replicas)
    return Placement(phy2log, logcnt)


def verify_groups(phy2log: Ints, shape: tuple[int, int], topology: Topology) -> None:
    """The rule of the groups alone, for a topology where there is one; raises CandidateFailure."""
    _check_shape("phy2log", phy2log, (shape[0], topology.replicas))
    _check_range(phy2log, shape[1])
    _check_groups(phy2log, shape[1], topology)


def _check_shape(name: str, array: Ints, wanted: tuple[int, int]) -> None:
    if array.shape != wanted:
        raise CandidateFailure(f"{name} has shape {list(array.shape)}, expected {list(wanted)}")


def _check_range(phy2log: Ints, experts: int) -> None:
    wrong = (phy2log < 0) | (phy2log >= experts)
    if wrong.any():
        layer, slot = np.argwhere(wrong)[0]
        raise CandidateFailure(
            f"layer {layer}: phy2log[{slot}] is {phy2log[layer, slot]}, not a logical expert (0..{experts - 1})"
        )


def count_replicas(phy2log: Ints, experts: int) -> Ints:
    """Replicas of each logical expert, [L, E], from phy2log [L, R]."""
    layers = phy2log.shape[0]
    flat = (np.arange(layers)[:, None] * experts + phy2log).ravel()
    return np.bincount(flat, minlength=layers * experts).reshape(layers, experts)


def _check_counts(phy2log: Ints, logcnt: Ints, experts: int) -> None:
    counted = count_replicas(phy2log, experts)
    if (counted == 0).any():
        layer, expert = np.argwhere(counted == 0)[0]
        raise CandidateFailure(f"layer {layer}: expert {expert} has no replica in phy2log")
    if (counted != logcnt).any():
        layer, expert = np.argwhere(counted != logcnt)[0]
        raise CandidateFailure(
            f"layer {layer}: logcnt of expert {expert} is {logcnt[layer, expert]}, "
            f"but phy2log holds {counted[layer, expert]} replicas of it"
        )


def _check_log2phy(phy2log: Ints, log2phy: Ints, logcnt: Ints, replicas: int) -> None:
    layers, _, width = log2phy.shape
    if width < logcnt.max():
        layer, expert = np.argwhere(logcnt > width)[0]
        raise CandidateFailure(
            f"layer {layer}: log2phy has room for {width} replicas, but expert {expert} has {logcnt[layer, expert]}"
        )
    used = np.arange(width) < logcnt[:, :, None]
    if not np.array_equal(log2phy != -1, used) and (log2phy[~used] != -1).any():
        layer, expert, _ = np.argwhere(~used & (log2phy != -1))[0]
        raise CandidateFailure(
            f"layer {layer}: log2phy of expert {expert} must be -1 after its first {logcnt[layer, expert]} entries"
        )
    layer_of, expert_of = np.divmod(np.repeat(np.arange(logcnt.size), logcnt.ravel()), logcnt.shape[1])
    slots = log2phy[used]
    outside = (slots < 0) | (slots >= replicas)
    if outside.any():
        at = outside.argmax()
        raise CandidateFailure(
            f"layer {layer_of[at]}: log2phy of expert {expert_of[at]} names slot {slots[at]}, "
            f"not one of 0..{replicas - 1}"
        )
    wrong = phy2log[layer_of, slots] != expert_of
    if wrong.any():
        at = wrong.argmax()
        raise CandidateFailure(
            f"layer {layer_of[at]}: log2phy gives slot {slots[at]} to expert {expert_of[at]}, "
            f"but phy2log gives it to expert {phy2log[layer_of[at], slots[at]]}"
        )
    times_named = np.bincount(layer_of * replicas + slots, minlength=layers * replicas)
    if (times_named != 1).any():
        layer, slot = divmod(int((times_named > 1).argmax()), replicas)
        raise CandidateFailure(
            f"layer {layer}: log2phy of expert {phy2log[layer, slot]} names slot {slot} more than once"
        )


def _check_groups(phy2log: Ints, experts: int, topology: Topology) -> None:
    """Every group on exactly one node, and groups / nodes groups on each node."""
    layers = phy2log.shape[0]
    group = phy2log // (experts // topology.groups)
    node = np.arange(topology.replicas) // (topology.replicas // topology.nodes)
    present = np.zeros((layers, topology.groups, topology.nodes), dtype=bool)
    present[np.arange(layers)[:, None], group, node[None, :]] = True
    torn = present.sum(axis=2) > 1
    if torn.any():
        layer, group_id = np.argwhere(torn)[0]
        nodes = np.flatnonzero(present[layer, group_id]).tolist()
        slot = int(np.flatnonzero((group[layer] == group_id) & (node == nodes[1]))[0])
        raise CandidateFailure(
            f"layer {layer}: expert group {group_id} is on nodes {nodes}, it must stay on one "
            f"(expert {phy2log[layer, slot]} is in slot {slot})"
        )
    per_node = topology.groups // topology.nodes
    groups_on_node = present.sum(axis=1)
    if (groups_on_node != per_node).any():
        layer, node_id = np.argwhere(groups_on_node != per_node)[0]
        expert = int(phy2log[layer, node == node_id][0])
        raise CandidateFailure(
            f"layer {layer}: node {node_id} (expert {expert} and others) holds {groups_on_node[layer, node_id]} "
            f"expert groups, it must hold {per_node}"
        )


def gpu_loads(load: Floats, placement: Placement, gpus: int) -> Floats:
    """Load of each GPU, [L, G], when an expert's load [L, E] is shared equally by its replicas."""
    share = load / placement.logcnt
    per_slot = np.take_along_axis(share, placement.phy2log, axis=1)
    layers, replicas = per_slot.shape
    result: Floats = per_slot.reshape(layers, gpus, replicas // gpus).sum(axis=2)
    return result


def balancedness_of(load: Floats, phy2log: Ints, gpus: int) -> float:
    """Balancedness of the load [L, E] under the placement phy2log [L, R]."""
    return balancedness(gpu_loads(load, Placement(phy2log, count_replicas(phy2log, load.shape[1])), gpus))


def balancedness(gpu_load: Floats) -> float:
    """vLLM's figure: sum over layers of the mean GPU load / sum over layers of the largest, 0..1, higher is better.

    gpu_load [L, G]. Layers without any load are perfectly balanced.
    """
    peak = gpu_load.max(axis=1).sum()
    return float(gpu_load.mean(axis=1).sum() / peak) if peak > 0 else 1.0


def balancedness_layers(gpu_load: Floats) -> Floats:
    """Mean / largest GPU load of each layer, [L]; its mean is SGLang's figure, its minimum the worst layer."""
    peak = gpu_load.max(axis=1)
    result: Floats = np.where(peak > 0, gpu_load.mean(axis=1) / np.where(peak > 0, peak, 1.0), 1.0)
    return result


def transfers(old_phy2log: Ints, new_phy2log: Ints, gpus: int, experts: int) -> float:
    """Share of slots (0..1) whose expert was not on that GPU before: the weights that have to move.

    Both placements [L, R]. A second replica of an expert on a GPU that already held it moves nothing.
    """
    return float(_arriving(old_phy2log, new_phy2log, gpus, experts).mean())


def received_slots(old_phy2log: Ints, new_phy2log: Ints, gpus: int, experts: int) -> float:
    """Slots of the GPU that receives the most weights in a layer, mean over layers: a layer waits for it."""
    arriving = _arriving(old_phy2log, new_phy2log, gpus, experts)
    return float(arriving.reshape(len(arriving), gpus, -1).sum(axis=2).max(axis=1).mean())


def _arriving(old_phy2log: Ints, new_phy2log: Ints, gpus: int, experts: int) -> NDArray[np.bool_]:
    """Which slots [L, R] hold an expert that their GPU did not hold."""
    layers, replicas = new_phy2log.shape
    gpu = np.arange(replicas) // (replicas // gpus)
    held = np.zeros((layers, gpus, experts), dtype=bool)
    rows = np.arange(layers)[:, None]
    held[rows, gpu[None, :], old_phy2log] = True
    arriving: NDArray[np.bool_] = ~held[rows, gpu[None, :], new_phy2log]
    return arriving


def initial_phy2log(layers: int, experts: int, replicas: int) -> Ints:
    """The placement before the first rebalance: every expert once, then the spare slots round robin, [L, R]."""
    return np.tile(np.arange(replicas, dtype=np.int64) % experts, (layers, 1))
