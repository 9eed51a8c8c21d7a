"""The reference: exact greedy EPLB, vectorised over layers in numpy.

DeepSeek's algorithm (groups to nodes, replicas within nodes, replicas to GPUs; each step greedy) with every loop over
layers replaced by an array operation. It is the yardstick of every score, on balance and on time, so it is one named
implementation that does not change without a new name. It is a candidate like any other: `rebalance_experts` below.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

NAME = "greedy-numpy-1"

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def pack(weight: Floats, packs: int) -> tuple[Ints, Ints]:
    """Heaviest item first into the lightest pack with room. weight [B, n] -> pack and rank in pack, both [B, n]."""
    rows, items = weight.shape
    capacity, row = items // packs, np.arange(rows)
    if capacity == 1:  # one item each: nothing to balance
        return np.tile(np.arange(items), (rows, 1)), np.zeros((rows, items), np.int64)
    order = np.argsort(-weight, axis=1, kind="stable")
    load, filled = np.zeros((rows, packs)), np.zeros((rows, packs), np.int64)
    pack_of, rank = np.empty((rows, items), np.int64), np.empty((rows, items), np.int64)
    for position in range(items):
        item = order[:, position]
        lightest = load.argmin(axis=1)
        pack_of[row, item], rank[row, item] = lightest, filled[row, lightest]
        filled[row, lightest] += 1
        full = filled[row, lightest] == capacity
        load[row, lightest] = np.where(full, np.inf, load[row, lightest] + weight[row, item])
    return pack_of, rank


def replicate(weight: Floats, replicas: int) -> tuple[Ints, Ints, Ints]:
    """Each further replica to the highest load per replica. [B, E] -> phy2log, rank [B, replicas], count [B, E]."""
    rows, experts = weight.shape
    row = np.arange(rows)
    phy2log = np.tile(np.arange(replicas), (rows, 1))
    rank = np.zeros((rows, replicas), np.int64)
    count = np.ones((rows, experts), np.int64)
    share = weight.copy()
    for slot in range(experts, replicas):
        hottest = share.argmax(axis=1)
        phy2log[:, slot], rank[:, slot] = hottest, count[row, hottest]
        count[row, hottest] += 1
        share[row, hottest] = weight[row, hottest] / count[row, hottest]
    return phy2log, rank, count


def inverse(permutation: Ints) -> Ints:
    """Inverse of each row of a [B, n] permutation."""
    result = np.empty_like(permutation)
    np.put_along_axis(result, permutation, np.broadcast_to(np.arange(permutation.shape[1]), permutation.shape), 1)
    return result


def plan(load: Floats, replicas: int, groups: int, nodes: int, gpus: int) -> tuple[Ints, Ints, Ints]:
    """Place `replicas` slots for load [L, E]. Returns phy2log [L, R], rank [L, R] and logcnt [L, E]."""
    layers, experts = load.shape
    if groups % nodes:
        groups, nodes = 1, 1
    group_size, experts_per_node, slots_per_node = experts // groups, experts // nodes, replicas // nodes

    # Step 1: groups to nodes
    node, position = pack(load.reshape(layers, groups, group_size).sum(axis=2), nodes)
    first = (node * (groups // nodes) + position) * group_size
    log2mid = (first[:, :, None] + np.arange(group_size)).reshape(layers, experts)
    mid2log = inverse(log2mid)

    # Step 2: redundant experts within nodes
    load_mid = np.take_along_axis(load, mid2log, 1).reshape(layers * nodes, experts_per_node)
    phy2mid, rank, count = replicate(load_mid, slots_per_node)

    # Step 3: replicas to GPUs
    gpus_per_node = gpus // nodes
    gpu, position = pack(np.take_along_axis(load_mid / count, phy2mid, 1), gpus_per_node)
    slot2phy = inverse(gpu * (slots_per_node // gpus_per_node) + position)

    slot2mid = np.take_along_axis(phy2mid, slot2phy, 1).reshape(layers, nodes, slots_per_node)
    slot2mid = slot2mid + np.arange(nodes)[:, None] * experts_per_node
    phy2log = np.take_along_axis(mid2log, slot2mid.reshape(layers, replicas), 1)
    rank = np.take_along_axis(rank, slot2phy, 1).reshape(layers, replicas)
    logcnt = np.take_along_axis(count.reshape(layers, experts), log2mid, 1)
    return phy2log, rank, logcnt


def rebalance_experts(
    weight: torch.Tensor, num_replicas: int, num_groups: int, num_nodes: int, num_gpus: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The candidate's contract. weight [L, E] -> phy2log [L, R], log2phy [L, E, X] with X = max(logcnt), logcnt."""
    import torch  # here, so that the harness can use `plan` without the seconds that importing torch takes

    load = weight.detach().cpu().numpy().astype(np.float64)
    phy2log, rank, logcnt = plan(load, num_replicas, num_groups, num_nodes, num_gpus)
    (layers, experts), width = load.shape, int(logcnt.max())
    log2phy = np.full((layers, experts * width), -1, np.int64)
    np.put_along_axis(log2phy, phy2log * width + rank, np.broadcast_to(np.arange(num_replicas), phy2log.shape), 1)
    tensors = (phy2log, log2phy.reshape(layers, experts, width), logcnt)
    return torch.from_numpy(tensors[0]), torch.from_numpy(tensors[1]), torch.from_numpy(tensors[2])
