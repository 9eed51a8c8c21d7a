"""Placement policies whose verdict under the hard constraint is known beforehand, vectorised over layers.

Shapes: B rows (the layers of one call or of many), E logical experts, R slots, G GPUs, N nodes. Every policy sends
groups to nodes as DeepSeek's algorithm does; they differ in how they fill the slots of a node.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eplb_evolve import reference
from eplb_evolve.placement import Floats, Ints, Placement, Topology, count_replicas, verify

Pack = Callable[[Floats, int], Ints]
"""(weight [B, n], packs) -> pack of each item, [B, n]; every pack gets n / packs items."""

Replicate = Callable[[Floats, int], Ints]
"""(load [B, E], slots) -> expert of each replica, [B, slots]; every expert gets one at least."""

Fill = Callable[[Floats, int, int], Ints]
"""(load [B, E] of the experts on a node, slots, GPUs) -> expert in each slot, [B, slots], GPU after GPU."""

Policy = Callable[[Floats, Topology], Ints]
"""(load [B, E], topology) -> phy2log [B, R]."""

MAX_SWAPS = 400
"""Per row; where no swap lowers the highest load the search ends, long before this."""


def greedy(load: Floats, topology: Topology) -> Ints:
    """The reference itself: phy2log [B, R]."""
    return reference.plan(load, *topology.as_arguments())[0]


def groups_ignored(load: Floats, topology: Topology) -> Ints:
    """The reference as if there were one group on one node: phy2log [B, R]."""
    return reference.plan(load, topology.replicas, 1, 1, topology.gpus)[0]


def snake(load: Floats, topology: Topology) -> Ints:
    """Replicated greedily, then dealt to the GPUs forth and back, heaviest first: phy2log [B, R]."""
    return place(load, topology, greedy_pack, replicate_and_pack(greedy_replicate, snake_pack))


def levelled(load: Floats, topology: Topology) -> Ints:
    """Overfitted: the window made level by the choice of neighbours alone, no expert shared. phy2log [B, R]."""
    return place(load, topology, greedy_pack, fill_level)


@dataclass(frozen=True)
class RandomTies:
    """The exact greedy that draws lots at every choice between equals: items in line, nodes, experts, GPUs.

    Attributes:
        rng: draws the lots
        tolerance: values that differ by this share or less count as equal; 0 for equal to the last bit
    """

    rng: np.random.Generator
    tolerance: float = 0.0

    def __call__(self, load: Floats, topology: Topology) -> Ints:
        """phy2log [B, R]."""
        return place(load, topology, self.pack, replicate_and_pack(self.replicate, self.pack))

    def pack(self, weight: Floats, packs: int) -> Ints:
        """Heaviest item first into the lightest pack with room."""
        rows, items = weight.shape
        capacity, row = items // packs, np.arange(rows)
        blurred = weight * (1 - self.tolerance * self.rng.random(weight.shape))
        order = np.lexsort((self.rng.random(weight.shape), -blurred), axis=1)
        load, filled = np.zeros((rows, packs)), np.zeros((rows, packs), np.int64)
        pack_of = np.empty((rows, items), np.int64)
        for position in range(items):
            item = order[:, position]
            lightest = self._one_of(load <= load.min(axis=1, keepdims=True) * (1 + self.tolerance))
            pack_of[row, item] = lightest
            filled[row, lightest] += 1
            load[row, lightest] += np.where(filled[row, lightest] == capacity, np.inf, weight[row, item])
        return pack_of

    def replicate(self, load: Floats, slots: int) -> Ints:
        """Each further replica to the highest load per replica."""
        rows, experts = load.shape
        row, count = np.arange(rows), np.ones(load.shape)
        replica = np.tile(np.arange(slots), (rows, 1))
        for slot in range(experts, slots):
            share = load / count
            hottest = self._one_of(share >= share.max(axis=1, keepdims=True) * (1 - self.tolerance))
            replica[:, slot] = hottest
            count[row, hottest] += 1
        return replica

    def _one_of(self, tied: NDArray[np.bool_]) -> Ints:
        """A true place of each row of [B, n], by lot."""
        return np.where(tied, self.rng.random(tied.shape, np.float32), -1).argmax(axis=1)


def place(load: Floats, topology: Topology, pack_groups: Pack, fill: Fill) -> Ints:
    """phy2log [B, R]: groups to nodes by `pack_groups`, then each node's slots by `fill`."""
    rows, experts = load.shape
    groups, nodes = (topology.groups, topology.nodes) if topology.hierarchical else (1, 1)
    size = experts // groups
    node = pack_groups(load.reshape(rows, groups, size).sum(axis=2), nodes)  # [B, groups]
    group = np.argsort(node, axis=1, kind="stable")  # node after node
    expert = (group[:, :, None] * size + np.arange(size)).reshape(rows, experts)
    on_node = np.take_along_axis(load, expert, axis=1).reshape(rows * nodes, experts // nodes)
    slot = fill(on_node, topology.replicas // nodes, topology.gpus // nodes)  # [B * N, R / N], number on its node
    return np.take_along_axis(expert.reshape(on_node.shape), slot, axis=1).reshape(rows, topology.replicas)


def replicate_and_pack(replicate: Replicate, pack: Pack) -> Fill:
    """First the number of replicas, then their GPUs, each replica with an equal share of its expert's load."""

    def fill(load: Floats, slots: int, gpus: int) -> Ints:
        replica = replicate(load, slots)
        share = load / count_replicas(replica, load.shape[1])
        gpu = pack(np.take_along_axis(share, replica, axis=1), gpus)
        return np.take_along_axis(replica, np.argsort(gpu, axis=1, kind="stable"), axis=1)

    return fill


def greedy_pack(weight: Floats, packs: int) -> Ints:
    """The reference's way to pack."""
    return reference.pack(weight, packs)[0]


def greedy_replicate(load: Floats, slots: int) -> Ints:
    """The reference's way to replicate."""
    return reference.replicate(load, slots)[0]


def snake_pack(weight: Floats, packs: int) -> Ints:
    """Items in order of weight to packs 0, 1, ... n, n, ... 1, 0, 0, 1, ..."""
    turn, pack = np.divmod(np.arange(weight.shape[1]), packs)
    dealt = np.where(turn % 2 == 0, pack, packs - 1 - pack)
    pack_of = np.empty(weight.shape, np.int64)
    np.put_along_axis(pack_of, np.argsort(-weight, axis=1, kind="stable"), np.broadcast_to(dealt, weight.shape), axis=1)
    return pack_of


def fill_level(load: Floats, slots: int, gpus: int) -> Ints:
    """GPU after GPU is filled to the mean by the heaviest experts that fit, then differences are swapped away.

    Slots to spare hold another copy of an expert on its own GPU: no load is shared between GPUs, so nothing evens out
    what the next window brings.
    """
    rows, experts = load.shape
    capacity, row = slots // gpus, np.arange(rows)
    by_weight = np.argsort(-load, axis=1, kind="stable")
    weight = np.take_along_axis(load, by_weight, axis=1)
    mean, spare = weight.sum(axis=1) / gpus, np.full(rows, slots - experts)
    left = np.ones((rows, experts), bool)
    taken = np.full((rows, gpus, capacity), -1)  # place in by_weight, -1 for a spare slot
    for gpu in range(gpus):
        room = mean.copy()
        for position in range(capacity):
            fits = left & (weight <= room[:, None])
            lightest = experts - 1 - left[:, ::-1].argmax(axis=1)
            chosen = np.where(fits.any(axis=1), fits.argmax(axis=1), lightest)
            take = left.any(axis=1) & (fits.any(axis=1) | (spare == 0) | (position == 0))
            taken[take, gpu, position] = chosen[take]
            left[row[take], chosen[take]] = False
            room -= np.where(take, weight[row, chosen], 0)
            spare -= ~take
    _swap_level(taken, weight)
    heaviest = np.where(taken >= 0, taken, experts).min(axis=2, keepdims=True)
    filled = np.where(taken >= 0, taken, heaviest % experts).reshape(rows, slots)
    return np.take_along_axis(by_weight, filled, axis=1)


def _swap_level(taken: Ints, weight: Floats) -> None:
    """Swap slots of the fullest GPU for others, the best swap first, until none lowers the higher of two loads.

    taken [B, G, slots per GPU], changed in place, names places in weight [B, E], or none (-1).
    """
    rows, gpus, capacity = taken.shape
    flat = np.take_along_axis(weight, np.maximum(taken, 0).reshape(rows, -1), axis=1).reshape(taken.shape)
    held = np.where(taken >= 0, flat, 0.0)
    active = np.arange(rows)
    for _ in range(MAX_SWAPS):
        load, row = held[active].sum(axis=2), np.arange(len(active))
        full = load.argmax(axis=1)
        highest = load[row, full]
        mine = held[active, full]  # [active, slots per GPU]
        moved = mine[:, :, None, None] - held[active][:, None]  # [active, my slot, GPU, its slot]
        after = np.maximum(highest[:, None, None, None] - moved, load[:, None, :, None] + moved)
        best = after.reshape(len(active), -1).argmin(axis=1)
        better = after.reshape(len(active), -1)[row, best] < highest * (1 - 1e-9)
        active, full, best = active[better], full[better], best[better]
        if not len(active):
            return
        slot, gpu, other = np.unravel_index(best, (capacity, gpus, capacity))
        for array in (taken, held):
            mine = array[active, full, slot]
            array[active, full, slot] = array[active, gpu, other]
            array[active, gpu, other] = mine


def checked(phy2log: Ints, experts: int, topology: Topology) -> Placement:
    """The placement [B, R] after the evaluator's own verification, which raises CandidateFailure."""
    rows, replicas = phy2log.shape
    logcnt = count_replicas(phy2log, experts)
    order = np.argsort(phy2log, axis=1, kind="stable")
    first = np.cumsum(logcnt, axis=1) - logcnt  # of each expert's replicas in that order
    expert = np.take_along_axis(phy2log, order, axis=1)
    rank = np.arange(replicas) - np.take_along_axis(first, expert, axis=1)
    log2phy = np.full((rows, experts, logcnt.max()), -1)
    log2phy[np.arange(rows)[:, None], expert, rank] = order
    return verify(phy2log, log2phy, logcnt, (rows, experts), topology)
