"""DeepSeek's greedy compiled by numba, row by row.

Source: the algorithm is DeepSeek's (https://github.com/deepseek-ai/EPLB); this form of it is ours.
Idea: one compiled function goes through layers and nodes; short rows are sorted by ranks, which compares each pair
once without a branch, and placed by scanning the GPUs; long ones by merge sort and by a tree of minima.
Complexity: O(L R (R + G / N)) for short rows, O(L R (log R + log G)) for long ones.
Exact: yes; loads per replica in float32 and sums in float64, as in the seed.
Provenance: reference
"""

# EVOLVE-BLOCK-START
import numba
import numpy as np
import torch

compiled = numba.njit(error_model="numpy")

SHORT_ROW = 128
FEW_PACKS = 32


@compiled
def falling_order(load, order):
    """The stable order of a row, the greatest load first."""
    if len(load) > SHORT_ROW:
        order[:] = np.argsort(-load, kind="mergesort")
        return
    place = np.empty(len(load), np.int32)
    for item in range(len(load)):
        ahead = 0
        for other in range(item):
            is_later = load[other] < load[item]
            place[other] += is_later
            ahead += not is_later
        place[item] = ahead
    for item in range(len(load)):
        order[place[item]] = item


@compiled
def scan_packs(load, order, packs, pack, place):
    """The heaviest item left to the lightest pack with room, found by looking at all of them."""
    held, filled = np.zeros(packs), np.zeros(packs, np.int64)
    for item in order:
        best = 0
        least = held[0]
        for other in range(1, packs):
            if held[other] < least:
                best = other
                least = held[other]
        pack[item] = best
        place[item] = filled[best]
        filled[best] += 1
        held[best] = np.inf if filled[best] == len(order) // packs else least + load[item]


@compiled
def climb_packs(load, order, packs, pack, place):
    """The same by a tree whose inner nodes hold the least of what is below them."""
    leaves = 1
    while leaves < packs:
        leaves *= 2
    least, filled = np.zeros(2 * leaves), np.zeros(packs, np.int64)
    least[leaves + packs :] = np.inf
    for inner in range(leaves - 1, 0, -1):
        least[inner] = min(least[2 * inner], least[2 * inner + 1])
    for item in order:
        at = 1
        while at < leaves:
            at = 2 * at + (least[2 * at] != least[1])
        best = at - leaves
        pack[item] = best
        place[item] = filled[best]
        filled[best] += 1
        value = np.inf if filled[best] == len(order) // packs else least[at] + load[item]
        least[at] = value
        while at > 1:
            value = min(value, least[at ^ 1])
            at //= 2
            least[at] = value


@compiled
def pack_row(load, order, packs, pack, place):
    """Packs of equal numbers of items with about equal loads."""
    if packs == len(load):  # one item each: nothing to balance
        for item in range(packs):
            pack[item] = item
            place[item] = 0
        return
    falling_order(load, order)
    if packs > FEW_PACKS:
        climb_packs(load, order, packs, pack, place)
    else:
        scan_packs(load, order, packs, pack, place)


@compiled
def replicate_row(load, count, mid, rank):
    """One replica each, and each further one to the expert with the highest load per replica."""
    share = load.copy()
    for slot in range(len(load)):
        mid[slot] = slot
        rank[slot] = 0
        count[slot] = 1
    for slot in range(len(load), len(mid)):
        best = 0
        most = share[0]
        for other in range(1, len(load)):
            if share[other] > most:
                best = other
                most = share[other]
        mid[slot] = best
        rank[slot] = count[best]
        count[best] += 1
        share[best] = load[best] / np.float32(count[best])
    return share


@compiled
def plan(weight, replicas, groups, nodes, gpus):
    """The placement of all layers; weight [L, E] float32."""
    layers, experts = weight.shape
    size, mids, slots, room = experts // groups, experts // nodes, replicas // nodes, replicas // gpus
    phy2log, rank_of = np.empty((layers, replicas), np.int64), np.empty((layers, replicas), np.int64)
    logcnt = np.empty((layers, experts), np.int64)
    group_load, group_order = np.empty(groups, np.float32), np.empty(groups, np.int64)
    node_of, place_of = np.empty(groups, np.int64), np.empty(groups, np.int64)
    expert, load, count = np.empty((nodes, mids), np.int64), np.empty(mids, np.float32), np.empty(mids, np.int64)
    mid, rank, order = np.empty(slots, np.int64), np.empty(slots, np.int64), np.empty(slots, np.int64)
    gpu, place, per_slot = np.empty(slots, np.int64), np.empty(slots, np.int64), np.empty(slots, np.float32)
    for layer in range(layers):
        for group in range(groups):
            total = 0.0
            for member in range(size):
                total += weight[layer, group * size + member]
            group_load[group] = total
        pack_row(group_load, group_order, nodes, node_of, place_of)
        for group in range(groups):
            for member in range(size):
                expert[node_of[group], place_of[group] * size + member] = group * size + member
        for node in range(nodes):
            for at in range(mids):
                load[at] = weight[layer, expert[node, at]]
            share = replicate_row(load, count, mid, rank)
            for slot in range(slots):
                per_slot[slot] = share[mid[slot]]
            pack_row(per_slot, order, gpus // nodes, gpu, place)
            for slot in range(slots):
                at = node * slots + gpu[slot] * room + place[slot]
                phy2log[layer, at] = expert[node, mid[slot]]
                rank_of[layer, at] = rank[slot]
            for at in range(mids):
                logcnt[layer, expert[node, at]] = count[at]
    log2phy = np.full((layers, experts, logcnt.max()), -1)
    for layer in range(layers):
        for slot in range(replicas):
            log2phy[layer, phy2log[layer, slot], rank_of[layer, slot]] = slot
    return phy2log, log2phy, logcnt


def rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus):
    """weight [L, E] -> phy2log [L, num_replicas], log2phy [L, E, X] with X = max(logcnt), logcnt [L, E]."""
    weight = weight.detach().to("cpu", torch.float32).contiguous().numpy()
    if num_groups % num_nodes:
        num_groups, num_nodes = 1, 1
    placed = plan(weight, num_replicas, num_groups, num_nodes, num_gpus)
    return tuple(torch.from_numpy(part) for part in placed)


# EVOLVE-BLOCK-END
