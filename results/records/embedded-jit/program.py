"""Seed program: DeepSeek's EPLB in its plain Python-loop form.

The algorithm is the one that DeepSeek published (https://github.com/deepseek-ai/EPLB), written anew. OpenEvolve
changes what stands between the two EVOLVE-BLOCK markers; the signature of `rebalance_experts` is the contract.
"""

# EVOLVE-BLOCK-START
# proposed-by: embedded tier=T0 operators=jit_outline
import torch
import numba
import numpy as np


@numba.njit(error_model='numpy')
def _jit_ff747c19(items_per_pack, num_layers, num_packs, order, pack_index, rank_in_pack, weight):
    for layer in range(num_layers):
        pack_weight = np.full(num_packs, 0.0)
        pack_items = np.full(num_packs, 0)
        for item in order[layer]:
            pack_found = False
            pack = 0
            pack_best = 0
            for p_candidate in range(num_packs):
                if pack_items[p_candidate] < items_per_pack:
                    pack_key = pack_weight[p_candidate]
                    if not pack_found or pack_key < pack_best:
                        pack_found = True
                        pack = p_candidate
                        pack_best = pack_key
            pack_index[layer, item] = pack
            rank_in_pack[layer, item] = pack_items[pack]
            pack_weight[pack] += float(weight[layer, item])
            pack_items[pack] += 1


def balanced_packing(weight: torch.Tensor, num_packs: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Put n items into num_packs packs of n / num_packs items each, so that the packs weigh about the same.

    The heaviest remaining item goes to the lightest pack that still has room.

    weight: [layers, n]. Returns the pack of each item and its position in that pack, both [layers, n].
    """
    num_layers, num_items = weight.shape
    items_per_pack = num_items // num_packs
    if items_per_pack == 1:  # one item each: nothing to balance
        return torch.arange(num_items).repeat(num_layers, 1), torch.zeros(num_layers, num_items, dtype=torch.int64)
    pack_index = torch.zeros(num_layers, num_items, dtype=torch.int64)
    rank_in_pack = torch.zeros(num_layers, num_items, dtype=torch.int64)
    order = weight.sort(dim=-1, descending=True, stable=True).indices
    _jit_ff747c19(items_per_pack, num_layers, num_packs, np.ascontiguousarray(order), np.asarray(pack_index), np.asarray(rank_in_pack), np.ascontiguousarray(weight))
    return pack_index, rank_in_pack


@numba.njit(error_model='numpy')
def _jit_4788364a(logcnt, num_log, num_phy, phy2log, rank, rows, weight):
    for slot in range(num_log, num_phy):
        result_5 = np.empty((max(weight.shape[0], logcnt.shape[0]), max(weight.shape[1], logcnt.shape[1])), np.float32)
        for at_8 in range(result_5.shape[0]):
            for at_9 in range(result_5.shape[1]):
                result_5[at_8, at_9] = weight[at_8 if weight.shape[0] > 1 else 0, at_9 if weight.shape[1] > 1 else 0] / logcnt[at_8 if logcnt.shape[0] > 1 else 0, at_9 if logcnt.shape[1] > 1 else 0]
        rows_3 = np.empty(result_5.shape[0], np.int64)
        for row_5 in range(result_5.shape[0]):
            rows_3[row_5] = result_5[row_5].argmax()
        hottest = rows_3
        for at_10 in range(phy2log.shape[0]):
            phy2log[at_10, slot] = hottest[at_10]
        picked_3 = np.empty(len(rows), logcnt.dtype)
        for row_6 in range(len(rows)):
            picked_3[row_6] = logcnt[rows[row_6], hottest[row_6]]
        for at_11 in range(rank.shape[0]):
            rank[at_11, slot] = picked_3[at_11]
        picked_4 = np.empty(len(rows), logcnt.dtype)
        for row_7 in range(len(rows)):
            picked_4[row_7] = logcnt[rows[row_7], hottest[row_7]] + 1
        for row_8 in range(len(rows)):
            logcnt[rows[row_8], hottest[row_8]] = picked_4[row_8]


def replicate_experts(weight: torch.Tensor, num_phy: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Give each expert one replica, and each further replica to the expert with the highest load per replica.

    weight: [rows, num_log]. Returns phy2log [rows, num_phy], the replica's rank among those of its expert
    [rows, num_phy], and the replica count [rows, num_log].
    """
    num_rows, num_log = weight.shape
    phy2log = torch.arange(num_phy).repeat(num_rows, 1)
    rank = torch.zeros(num_rows, num_phy, dtype=torch.int64)
    logcnt = torch.ones(num_rows, num_log, dtype=torch.int64)
    rows = torch.arange(num_rows)
    _jit_4788364a(np.asarray(logcnt), num_log, num_phy, np.asarray(phy2log), np.asarray(rank), np.ascontiguousarray(rows), np.ascontiguousarray(weight))
    return phy2log, rank, logcnt


def inverse(permutation: torch.Tensor) -> torch.Tensor:
    """Inverse of each row of a [rows, n] permutation."""
    result = torch.empty_like(permutation)
    result.scatter_(1, permutation, torch.arange(permutation.shape[1]).expand(permutation.shape))
    return result


@numba.njit(error_model='numpy')
def _jit_0fd65813(permutation):
    result = np.empty(permutation.shape, permutation.dtype)
    held = np.arange(permutation.shape[1], dtype=np.int64)
    held_2 = np.broadcast_to(held, permutation.shape)
    for row in range(permutation.shape[0]):
        for column in range(permutation.shape[1]):
            result[row, permutation[row, column]] = held_2[row, column]
    return result


@numba.njit(error_model='numpy')
def _jit_1efdb407(weight, num_phy):
    num_rows, num_log = weight.shape
    held = np.arange(num_phy, dtype=np.int64)
    phy2log = np.broadcast_to(held, (num_rows, held.shape[0])).copy()
    rank = np.zeros((num_rows, num_phy), np.int64)
    logcnt = np.ones((num_rows, num_log), np.int64)
    rows = np.arange(num_rows, dtype=np.int64)
    for slot in range(num_log, num_phy):
        result = np.empty((max(weight.shape[0], logcnt.shape[0]), max(weight.shape[1], logcnt.shape[1])), np.float32)
        for at in range(result.shape[0]):
            for at_2 in range(result.shape[1]):
                result[at, at_2] = weight[at if weight.shape[0] > 1 else 0, at_2 if weight.shape[1] > 1 else 0] / logcnt[at if logcnt.shape[0] > 1 else 0, at_2 if logcnt.shape[1] > 1 else 0]
        rows_2 = np.empty(result.shape[0], np.int64)
        for row in range(result.shape[0]):
            rows_2[row] = result[row].argmax()
        hottest = rows_2
        for at_3 in range(phy2log.shape[0]):
            phy2log[at_3, slot] = hottest[at_3]
        picked = np.empty(len(rows), logcnt.dtype)
        for row_2 in range(len(rows)):
            picked[row_2] = logcnt[rows[row_2], hottest[row_2]]
        for at_4 in range(rank.shape[0]):
            rank[at_4, slot] = picked[at_4]
        picked_2 = np.empty(len(rows), logcnt.dtype)
        for row_3 in range(len(rows)):
            picked_2[row_3] = logcnt[rows[row_3], hottest[row_3]] + 1
        for row_4 in range(len(rows)):
            logcnt[rows[row_4], hottest[row_4]] = picked_2[row_4]
    return (phy2log, rank, logcnt)


@numba.njit(error_model='numpy')
def _jit_ef85e6d7(group_size, groups_per_node, node, num_experts, num_nodes, position, replicas_per_node, weight):
    result_2 = np.empty((max(node.shape[0], position.shape[0]), max(node.shape[1], position.shape[1])), node.dtype)
    for at in range(result_2.shape[0]):
        for at_2 in range(result_2.shape[1]):
            result_2[at, at_2] = (node[at if node.shape[0] > 1 else 0, at_2 if node.shape[1] > 1 else 0] * groups_per_node + position[at if position.shape[0] > 1 else 0, at_2 if position.shape[1] > 1 else 0]) * group_size
    first = result_2
    held = np.expand_dims(first, -1)
    held_2 = np.arange(group_size, dtype=np.int64)
    result_3 = np.empty((held.shape[0], held.shape[1], max(held.shape[2], held_2.shape[0])), held.dtype)
    for at_3 in range(result_3.shape[0]):
        for at_4 in range(result_3.shape[1]):
            for at_5 in range(result_3.shape[2]):
                result_3[at_3, at_4, at_5] = held[at_3 if held.shape[0] > 1 else 0, at_4 if held.shape[1] > 1 else 0, at_5 if held.shape[2] > 1 else 0] + held_2[at_5 if held_2.shape[0] > 1 else 0]
    log2mid = np.ascontiguousarray(result_3).reshape((result_3.shape[0], result_3.shape[1] * result_3.shape[2]))
    mid2log = _jit_0fd65813(log2mid)
    gathered = np.empty(mid2log.shape, weight.dtype)
    for row in range(mid2log.shape[0]):
        for column in range(mid2log.shape[1]):
            gathered[row, column] = weight[row, mid2log[row, column]]
    load_mid = np.ascontiguousarray(gathered).reshape((-1, num_experts // num_nodes))
    phy2mid, rank, mid_count = _jit_1efdb407(load_mid, replicas_per_node)
    result_4 = np.empty((max(load_mid.shape[0], mid_count.shape[0]), max(load_mid.shape[1], mid_count.shape[1])), np.float32)
    for at_6 in range(result_4.shape[0]):
        for at_7 in range(result_4.shape[1]):
            result_4[at_6, at_7] = load_mid[at_6 if load_mid.shape[0] > 1 else 0, at_7 if load_mid.shape[1] > 1 else 0] / mid_count[at_6 if mid_count.shape[0] > 1 else 0, at_7 if mid_count.shape[1] > 1 else 0]
    gathered_2 = np.empty(phy2mid.shape, result_4.dtype)
    for row_2 in range(phy2mid.shape[0]):
        for column_2 in range(phy2mid.shape[1]):
            gathered_2[row_2, column_2] = result_4[row_2, phy2mid[row_2, column_2]]
    load_phy = gathered_2
    return (load_phy, log2mid, mid2log, mid_count, phy2mid, rank)


def rebalance_hierarchical(
    weight: torch.Tensor, num_replicas: int, num_groups: int, num_nodes: int, num_gpus: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Groups to nodes, replicas within nodes, replicas to GPUs.

    weight: [layers, experts]. Returns phy2log and rank [layers, num_replicas], logcnt [layers, experts].
    """
    num_layers, num_experts = weight.shape
    group_size = num_experts // num_groups
    groups_per_node = num_groups // num_nodes
    replicas_per_node = num_replicas // num_nodes
    replicas_per_gpu = num_replicas // num_gpus

    # Step 1: pack groups into nodes; "mid" is the order of the experts node by node
    group_load = weight.view(num_layers, num_groups, group_size).sum(-1)
    node, position = balanced_packing(group_load, num_nodes)
    load_phy_array, log2mid_array, mid2log_array, mid_count_array, phy2mid_array, rank_array = _jit_ef85e6d7(group_size, groups_per_node, np.ascontiguousarray(node), num_experts, num_nodes, np.ascontiguousarray(position), replicas_per_node, np.asarray(weight))
    load_phy = torch.from_numpy(load_phy_array)
    log2mid = torch.from_numpy(log2mid_array)
    mid2log = torch.from_numpy(mid2log_array)
    mid_count = torch.from_numpy(mid_count_array)
    phy2mid = torch.from_numpy(phy2mid_array)
    rank = torch.from_numpy(rank_array)
    gpu, position = balanced_packing(load_phy, num_gpus // num_nodes)
    slot2phy = inverse(gpu * replicas_per_gpu + position)

    slot2mid = phy2mid.gather(1, slot2phy).view(num_layers, num_nodes, replicas_per_node)
    slot2mid = slot2mid + torch.arange(num_nodes).view(1, -1, 1) * (num_experts // num_nodes)
    phy2log = mid2log.gather(1, slot2mid.flatten(1))
    rank = rank.gather(1, slot2phy).view(num_layers, num_replicas)
    logcnt = mid_count.view(num_layers, num_experts).gather(1, log2mid)
    return phy2log, rank, logcnt


def rebalance_experts(
    weight: torch.Tensor, num_replicas: int, num_groups: int, num_nodes: int, num_gpus: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Place num_replicas physical experts on num_gpus GPUs.

    weight: [layers, experts], load of each logical expert in the past window. Returns phy2log [layers, num_replicas],
    log2phy [layers, experts, X] padded with -1, and logcnt [layers, experts], all int64.
    """
    num_layers, num_experts = weight.shape
    weight = weight.float().cpu()
    if num_groups % num_nodes:
        num_groups, num_nodes = 1, 1  # groups do not divide among the nodes: balance globally
    phy2log, rank, logcnt = rebalance_hierarchical(weight, num_replicas, num_groups, num_nodes, num_gpus)
    width = num_replicas - num_experts + 1
    log2phy = torch.full((num_layers, num_experts * width), -1, dtype=torch.int64)
    slots = torch.arange(num_replicas).expand(num_layers, -1)
    log2phy.scatter_(1, phy2log * width + rank, slots)
    return phy2log, log2phy.view(num_layers, num_experts, width), logcnt


# EVOLVE-BLOCK-END
