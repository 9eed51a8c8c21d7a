"""Seed program: DeepSeek's EPLB in its plain Python-loop form.

The algorithm is the one that DeepSeek published (https://github.com/deepseek-ai/EPLB), written anew. OpenEvolve
changes what stands between the two EVOLVE-BLOCK markers; the signature of `rebalance_experts` is the contract.
"""

# EVOLVE-BLOCK-START
# proposed-by: embedded tier=T1 operators=restart+reduce_bound from=19daf038024b
# steps: jit_run+jit_outline+incremental_expression > jit_run+inline_variable > bar_when_full > reduce_bound
import torch
import numba
import numpy as np


@numba.njit(error_model='numpy')
def _jit_c62a7238(weight, num_packs):
    num_layers, num_items = weight.shape
    items_per_pack = num_items // num_packs
    if items_per_pack == 1:
        held = np.arange(num_items, dtype=np.int64)
        rows = np.empty((num_layers, held.shape[0]), held.dtype)
        for row in range(rows.shape[0]):
            for column in range(rows.shape[1]):
                rows[row, column] = held[column]
        return (rows, np.zeros((num_layers, num_items), np.int64))
    pack_index = np.zeros((num_layers, num_items), np.int64)
    rank_in_pack = np.zeros((num_layers, num_items), np.int64)
    places = np.empty(weight.shape[1], np.int32)
    rows_2 = np.zeros(weight.shape, np.int64)
    for row_2 in range(weight.shape[0]):
        keys = weight[row_2]
        for column_2 in range(keys.shape[0]):
            key = keys[column_2]
            ahead = 0
            for other in range(column_2):
                later = keys[other] < key
                places[other] += later
                ahead += not later
            places[column_2] = ahead
        for column_2 in range(keys.shape[0]):
            rows_2[row_2, places[column_2]] = column_2
    order = rows_2
    for layer in range(num_layers):
        pack_weight = np.full(num_packs, 0.0)
        pack_items = np.full(num_packs, 0)
        for item in order[layer]:
            pack_found = False
            pack = 0
            pack_best = 0
            for p_candidate in range(num_packs):
                pack_key = pack_weight[p_candidate]
                if not pack_found or pack_key < pack_best:
                    pack_found = True
                    pack = p_candidate
                    pack_best = pack_key
            pack_index[layer, item] = pack
            rank_in_pack[layer, item] = pack_items[pack]
            pack_weight[pack] += float(weight[layer, item])
            pack_items[pack] += 1
            if pack_items[pack] >= items_per_pack:
                pack_weight[pack] = np.inf
    return (pack_index, rank_in_pack)


@numba.njit(error_model='numpy')
def _jit_266f7041(permutation):
    result = np.empty(permutation.shape, permutation.dtype)
    held = np.arange(permutation.shape[1], dtype=np.int64)
    held_2 = np.broadcast_to(held, permutation.shape)
    for row in range(permutation.shape[0]):
        for column in range(permutation.shape[1]):
            result[row, permutation[row, column]] = held_2[row, column]
    return result


@numba.njit(error_model='numpy')
def _jit_dabdb919(weight, num_phy):
    num_rows, num_log = weight.shape
    held = np.arange(num_phy, dtype=np.int64)
    rows_2 = np.empty((num_rows, held.shape[0]), held.dtype)
    for row in range(rows_2.shape[0]):
        for column in range(rows_2.shape[1]):
            rows_2[row, column] = held[column]
    phy2log = rows_2
    rank = np.zeros((num_rows, num_phy), np.int64)
    logcnt = np.ones((num_rows, num_log), np.int64)
    rows = np.arange(num_rows, dtype=np.int64)
    for slot in range(num_log, num_phy):
        result = np.empty((num_rows, num_log), np.float32)
        for at in range(result.shape[0]):
            for at_2 in range(result.shape[1]):
                result[at, at_2] = weight[at, at_2] / logcnt[at, at_2]
        rows_3 = np.empty(result.shape[0], np.int64)
        for row_2 in range(result.shape[0]):
            place = 0
            best = result[row_2, 0]
            for column_2 in range(1, result.shape[1]):
                value = result[row_2, column_2]
                if value > best:
                    place = column_2
                    best = value
            rows_3[row_2] = place
        hottest = rows_3
        for at_3 in range(phy2log.shape[0]):
            phy2log[at_3, slot] = hottest[at_3]
        picked = np.empty(len(rows), logcnt.dtype)
        for row_3 in range(len(rows)):
            picked[row_3] = logcnt[rows[row_3], hottest[row_3]]
        for at_4 in range(rank.shape[0]):
            rank[at_4, slot] = picked[at_4]
        picked_2 = np.empty(len(rows), logcnt.dtype)
        for row_4 in range(len(rows)):
            picked_2[row_4] = logcnt[rows[row_4], hottest[row_4]] + 1
        for row_5 in range(len(rows)):
            logcnt[rows[row_5], hottest[row_5]] = picked_2[row_5]
    return (phy2log, rank, logcnt)


@numba.njit(error_model='numpy')
def _jit_21040472(num_gpus, num_groups, num_nodes, num_replicas, weight):
    num_layers, num_experts = weight.shape
    group_size = num_experts // num_groups
    groups_per_node = num_groups // num_nodes
    replicas_per_node = num_replicas // num_nodes
    replicas_per_gpu = num_replicas // num_gpus
    held = np.ascontiguousarray(weight).reshape((num_layers, num_groups, group_size))
    sums = np.empty(held.shape[:2], held.dtype)
    for at in range(held.shape[0]):
        for at_2 in range(held.shape[1]):
            total = 0.0
            for at_3 in range(held.shape[2]):
                total += held[at, at_2, at_3]
            sums[at, at_2] = total
    group_load = sums
    node, position = _jit_c62a7238(group_load, num_nodes)
    result_2 = np.empty((group_load.shape[0], group_load.shape[1]), position.dtype)
    for at_4 in range(result_2.shape[0]):
        for at_5 in range(result_2.shape[1]):
            result_2[at_4, at_5] = (node[at_4, at_5] * groups_per_node + position[at_4, at_5]) * group_size
    first = result_2
    held_2 = np.expand_dims(first, -1)
    held_3 = np.arange(group_size, dtype=np.int64)
    result_3 = np.empty((group_load.shape[0], group_load.shape[1], group_size), held_3.dtype)
    for at_6 in range(result_3.shape[0]):
        for at_7 in range(result_3.shape[1]):
            for at_8 in range(result_3.shape[2]):
                result_3[at_6, at_7, at_8] = held_2[at_6, at_7, 0] + held_3[at_8]
    log2mid = np.ascontiguousarray(result_3).reshape((result_3.shape[0], result_3.shape[1] * result_3.shape[2]))
    mid2log = _jit_266f7041(log2mid)
    gathered = np.empty(mid2log.shape, weight.dtype)
    for row in range(mid2log.shape[0]):
        for column in range(mid2log.shape[1]):
            gathered[row, column] = weight[row, mid2log[row, column]]
    load_mid = np.ascontiguousarray(gathered).reshape((-1, num_experts // num_nodes))
    phy2mid, rank, mid_count = _jit_dabdb919(load_mid, replicas_per_node)
    result_4 = np.empty((load_mid.shape[0], load_mid.shape[1]), np.float32)
    for at_9 in range(result_4.shape[0]):
        for at_10 in range(result_4.shape[1]):
            result_4[at_9, at_10] = load_mid[at_9, at_10] / mid_count[at_9, at_10]
    gathered_2 = np.empty(phy2mid.shape, result_4.dtype)
    for row_2 in range(phy2mid.shape[0]):
        for column_2 in range(phy2mid.shape[1]):
            gathered_2[row_2, column_2] = result_4[row_2, phy2mid[row_2, column_2]]
    load_phy = gathered_2
    gpu, position = _jit_c62a7238(load_phy, num_gpus // num_nodes)
    result_5 = np.empty((load_mid.shape[0], phy2mid.shape[1]), position.dtype)
    for at_11 in range(result_5.shape[0]):
        for at_12 in range(result_5.shape[1]):
            result_5[at_11, at_12] = gpu[at_11, at_12] * replicas_per_gpu + position[at_11, at_12]
    slot2phy = _jit_266f7041(result_5)
    gathered_3 = np.empty(slot2phy.shape, phy2mid.dtype)
    for row_3 in range(slot2phy.shape[0]):
        for column_3 in range(slot2phy.shape[1]):
            gathered_3[row_3, column_3] = phy2mid[row_3, slot2phy[row_3, column_3]]
    slot2mid = np.ascontiguousarray(gathered_3).reshape((num_layers, num_nodes, replicas_per_node))
    held_4 = np.ascontiguousarray(np.arange(num_nodes, dtype=np.int64)).reshape((1, -1, 1))
    result_6 = np.empty((num_layers, num_nodes, replicas_per_node), held_4.dtype)
    for at_13 in range(result_6.shape[0]):
        for at_14 in range(result_6.shape[1]):
            for at_15 in range(result_6.shape[2]):
                result_6[at_13, at_14, at_15] = slot2mid[at_13, at_14, at_15] + held_4[0, at_14, 0] * (num_experts // num_nodes)
    slot2mid = result_6
    held_5 = np.ascontiguousarray(slot2mid).reshape((slot2mid.shape[0], slot2mid.shape[1] * slot2mid.shape[2]))
    gathered_4 = np.empty(held_5.shape, mid2log.dtype)
    for row_4 in range(held_5.shape[0]):
        for column_4 in range(held_5.shape[1]):
            gathered_4[row_4, column_4] = mid2log[row_4, held_5[row_4, column_4]]
    phy2log = gathered_4
    gathered_5 = np.empty(slot2phy.shape, rank.dtype)
    for row_5 in range(slot2phy.shape[0]):
        for column_5 in range(slot2phy.shape[1]):
            gathered_5[row_5, column_5] = rank[row_5, slot2phy[row_5, column_5]]
    rank = np.ascontiguousarray(gathered_5).reshape((num_layers, num_replicas))
    held_6 = np.ascontiguousarray(mid_count).reshape((num_layers, num_experts))
    gathered_6 = np.empty(log2mid.shape, held_6.dtype)
    for row_6 in range(log2mid.shape[0]):
        for column_6 in range(log2mid.shape[1]):
            gathered_6[row_6, column_6] = held_6[row_6, log2mid[row_6, column_6]]
    logcnt = gathered_6
    return (logcnt, phy2log, rank)


def rebalance_hierarchical(
    weight: torch.Tensor, num_replicas: int, num_groups: int, num_nodes: int, num_gpus: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Groups to nodes, replicas within nodes, replicas to GPUs.

    weight: [layers, experts]. Returns phy2log and rank [layers, num_replicas], logcnt [layers, experts].
    """
    logcnt_array, phy2log_array, rank_array = _jit_21040472(num_gpus, num_groups, num_nodes, num_replicas, np.asarray(weight))
    phy2log = torch.from_numpy(phy2log_array)
    rank = torch.from_numpy(rank_array)
    return (phy2log, rank, torch.from_numpy(logcnt_array))


@numba.njit(error_model='numpy')
def _jit_cacc865a(num_experts, num_layers, num_replicas, phy2log, rank):
    width = int(rank.max()) + 1
    log2phy = np.full((num_layers, num_experts * width), -1, np.int64)
    held_7 = np.arange(num_replicas, dtype=np.int64)
    slots = np.broadcast_to(held_7, (num_layers, held_7.shape[0]))
    step = min(phy2log.shape[0] - 1, 1)
    step_2 = min(phy2log.shape[1] - 1, 1)
    step_3 = min(rank.shape[0] - 1, 1)
    step_4 = min(rank.shape[1] - 1, 1)
    result_7 = np.empty((max(phy2log.shape[0], rank.shape[0]), max(phy2log.shape[1], rank.shape[1])), rank.dtype)
    for at_16 in range(result_7.shape[0]):
        for at_17 in range(result_7.shape[1]):
            result_7[at_16, at_17] = phy2log[at_16 * step, at_17 * step_2] * width + rank[at_16 * step_3, at_17 * step_4]
    for row_7 in range(result_7.shape[0]):
        for column_7 in range(result_7.shape[1]):
            log2phy[row_7, result_7[row_7, column_7]] = slots[row_7, column_7]
    return (log2phy, width)


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
    log2phy_array, width = _jit_cacc865a(num_experts, num_layers, num_replicas, np.ascontiguousarray(phy2log), np.ascontiguousarray(rank))
    log2phy = torch.from_numpy(log2phy_array)
    return phy2log, log2phy.view(num_layers, num_experts, width), logcnt


# EVOLVE-BLOCK-END
