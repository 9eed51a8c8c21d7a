"""DeepSeek's greedy compiled by numba, sixteen rows side by side.

Source: the algorithm is DeepSeek's (https://github.com/deepseek-ai/EPLB); this form of it is ours.
Idea: each node of each layer is a row, and rows do not depend on each other. The same item of sixteen rows lies side by
side, and a load and the name of its owner are one integer: so each search for the hottest expert or the lightest GPU
and each step of Batcher's sorting network is a plain loop of minima, which the compiler turns into vector instructions
without a branch. More than 32 GPUs are searched by a tree of minima, row by row.
Complexity: O(L R (S + log^2 R + G / N) / lanes) for S spare slots, with O(L R log G) for many GPUs.
Exact: yes; loads per replica in float32 and sums in float64, as in the seed (up to 32 GPUs of a node, sums that differ
by less than 1 / 2^47 of themselves count as equal).
Provenance: reference
"""

# EVOLVE-BLOCK-START
import numba
import numpy as np
import torch

compiled = numba.njit(error_model="numpy")

LANES = 16
FEW_PACKS = 32
HIGHEST = 0x7FFFFFFF
"""The bits of a load are taken from it: the greatest load has the least key."""
FULL = 0x7FF0000000000000
"""Bits of infinity."""


@numba.njit(error_model="numpy", fastmath={"reassoc"})
def total_of(loads):
    """The sum; float64 holds that of a few thousand float32 of like size exactly, in any order."""
    total = 0.0
    for load in loads:
        total += load
    return total


@compiled
def place_groups(group_load, nodes, place):
    """Groups to nodes: the heaviest left to the lightest node with room. Each group's place, node by node."""
    per_node = len(group_load) // nodes
    order = np.empty(len(group_load), np.int64)
    for group in range(len(group_load)):
        at = group
        while per_node > 1 and at > 0 and group_load[order[at - 1]] < group_load[group]:
            order[at] = order[at - 1]
            at -= 1
        order[at] = group
    held, free = np.zeros(nodes), np.arange(0, len(group_load), per_node)
    for group in order:
        best = 0
        for node in range(1, nodes):
            if held[node] < held[best]:
                best = node
        place[group] = free[best]
        free[best] += 1
        held[best] = np.inf if free[best] == (best + 1) * per_node else held[best] + group_load[group]


@compiled
def order_experts(weight, nodes, groups, expert, load):
    """Writes the logical experts of each row and their loads, both [blocks, n, LANES]."""
    size, mids = weight.shape[1] // groups, load.shape[1]
    group_load, place = np.empty(groups, np.float32), np.empty(groups, np.int64)
    for layer in range(len(weight)):
        for group in range(groups):
            group_load[group] = total_of(weight[layer, group * size : (group + 1) * size])
        place_groups(group_load, nodes, place)
        for group in range(groups):
            row, first = layer * nodes + place[group] * size // mids, place[group] * size % mids
            to, lane = load[row // LANES, first : first + size], row % LANES
            name, of = expert[row // LANES, first : first + size], weight[layer, group * size : (group + 1) * size]
            for member in range(size):
                name[member, lane] = group * size + member
                to[member, lane] = of[member] + np.float32(0)  # -0.0 becomes 0.0, whose bits are in order


@compiled
def find_least(keys, least):
    """The least key of each lane, in the first LANES places of `least`; keys [n * LANES] int64, least half as long."""
    n = len(keys) // LANES
    half = n // 2
    n -= half
    least[half * LANES : n * LANES] = keys[half * LANES : n * LANES]  # in the middle, if their number is odd
    low, high = keys[: half * LANES], keys[n * LANES :]
    for i in range(len(low)):
        least[i] = min(low[i], high[i])
    while n > 1:
        half = n // 2
        n -= half
        lower, upper = least[: half * LANES], least[n * LANES :]
        for i in range(len(lower)):
            lower[i] = min(lower[i], upper[i])


@compiled
def replicate(load, expert, count, keys, name, share):
    """One replica each, and each further one to the expert with the highest load per replica.

    load, expert, count [n, LANES]; keys and name [slots, LANES]: each replica's load and number, rank and expert.
    """
    n, bits, least = len(load), share.view(np.int32), np.empty((len(load) + 1) // 2 * LANES, np.int64)
    load_bits = load.view(np.int32)
    for mid in range(n):
        for lane in range(LANES):
            keys[mid, lane] = np.int64(HIGHEST - load_bits[mid, lane]) << 32 | mid
            name[mid, lane] = expert[mid, lane]
            count[mid, lane] = 1
    for item in range(n, len(keys)):
        find_least(keys[:n].reshape(-1), least)
        for lane in range(LANES):
            mid = least[lane] & HIGHEST
            keys[item, lane] = mid
            name[item, lane] = np.int64(count[mid, lane]) << 32 | expert[mid, lane]
            count[mid, lane] += 1
            share[lane] = load[mid, lane] / np.float32(count[mid, lane])
            keys[mid, lane] = np.int64(HIGHEST - bits[lane]) << 32 | mid
    for item in range(n, len(keys)):
        for lane in range(LANES):
            keys[item, lane] = keys[keys[item, lane], lane] & ~HIGHEST | item


@compiled
def sort_lanes(keys):
    """Batcher's merge exchange; keys [n * LANES] int64, each lane in rising order afterwards."""
    n = len(keys) // LANES
    half = 1
    while half < n:
        for block in range(0, n, 2 * half):
            end = min(block + 2 * half, n)
            apart = half
            while apart > 0:
                for start in range(block + apart % half, end - apart, 2 * apart):
                    low = keys[start * LANES : min(start + apart, end - apart) * LANES]
                    high = keys[(start + apart) * LANES :]
                    for i in range(len(low)):
                        less, more = min(low[i], high[i]), max(low[i], high[i])
                        low[i] = less
                        high[i] = more
                apart //= 2
        half *= 2


@compiled
def scan_packs(load, packs, slot):
    """The heaviest item left to the lightest pack with room, by looking at all of them; load and slot [n, LANES]."""
    room = len(load) // packs
    held, free = np.zeros((packs, LANES)), np.empty((packs, LANES), np.int32)
    keys, least = np.empty((packs, LANES), np.int64), np.empty((packs + 1) // 2 * LANES, np.int64)
    bits = held.view(np.int64)
    for pack in range(packs):
        free[pack] = pack * room
        keys[pack] = pack
    for item in range(len(load)):
        find_least(keys.reshape(-1), least)
        for lane in range(LANES):
            pack = least[lane] & (FEW_PACKS - 1)
            chosen = free[pack, lane]
            slot[item, lane] = chosen
            free[pack, lane] = chosen + 1
            held[pack, lane] += load[item, lane]
            is_full = chosen + 1 == (pack + 1) * room
            keys[pack, lane] = (FULL if is_full else bits[pack, lane] & -FEW_PACKS) | pack


@compiled
def climb_packs(load, packs, slot):
    """The same for one lane, by a tree whose inner nodes hold the least of what is below them; load and slot [n]."""
    room, leaves = len(load) // packs, 1
    while leaves < packs:
        leaves *= 2
    least, filled = np.zeros(2 * leaves), np.zeros(packs, np.int64)
    least[leaves + packs :] = np.inf
    for inner in range(leaves - 1, 0, -1):
        least[inner] = min(least[2 * inner], least[2 * inner + 1])
    for item in range(len(load)):
        at = 1
        while at < leaves:
            at = 2 * at + (least[2 * at] != least[1])
        best = at - leaves
        slot[item] = best * room + filled[best]
        filled[best] += 1
        value = np.inf if filled[best] == room else least[at] + load[item]
        least[at] = value
        while at > 1:
            value = min(value, least[at ^ 1])
            at //= 2
            least[at] = value


@compiled
def place_lanes(keys, load, packs, slot):
    """Sorts the replicas by falling load and chooses their slots; load and slot [n, LANES]."""
    if packs == len(keys):  # one item each: nothing to balance
        for item in range(packs):
            slot[item] = item
        return
    sort_lanes(keys.reshape(-1))
    bits = load.view(np.int32)
    for item in range(len(keys)):
        for lane in range(LANES):
            bits[item, lane] = HIGHEST - (keys[item, lane] >> 32)
    if packs <= FEW_PACKS:
        scan_packs(load, packs, slot)
    else:
        for lane in range(LANES):
            climb_packs(load[:, lane], packs, slot[:, lane])


@compiled
def write_row(lane, expert, count, keys, name, slot, first_slot, phy2log, log2phy, logcnt):
    """One row into its layer's part of the outputs; expert and count [n, LANES], the others [slots, LANES]."""
    for mid in range(len(expert)):
        logcnt[expert[mid, lane]] = count[mid, lane]
    for place in range(len(keys)):
        at, named = first_slot + slot[place, lane], name[keys[place, lane] & HIGHEST, lane]
        phy2log[at] = named & HIGHEST
        log2phy[named & HIGHEST, named >> 32] = at


@compiled
def plan(weight, replicas, groups, nodes, gpus):
    """The placement of all layers; weight [L, E] float32."""
    layers, experts = weight.shape
    rows, mids, slots = layers * nodes, experts // nodes, replicas // nodes
    blocks = (rows + LANES - 1) // LANES

    # Step 1: groups to nodes
    expert, load = np.empty((blocks, mids, LANES), np.int32), np.empty((blocks, mids, LANES), np.float32)
    order_experts(weight, nodes, groups, expert, load)
    for lane in range((rows - 1) % LANES + 1, LANES):
        load[-1, :, lane] = load[-1, :, (rows - 1) % LANES]

    # Step 2: replicas within nodes
    count = np.empty((blocks, mids, LANES), np.int32)
    keys, name = np.empty((blocks, slots, LANES), np.int64), np.empty((blocks, slots, LANES), np.int64)
    share = np.empty(LANES, np.float32)
    for block in range(blocks):
        replicate(load[block], expert[block], count[block], keys[block], name[block], share)

    # Step 3: replicas to GPUs
    phy2log, logcnt = np.empty((layers, replicas), np.int64), np.empty((layers, experts), np.int64)
    log2phy = np.empty((layers, experts, count.max()), np.int64)
    sorted_load, slot = np.empty((slots, LANES), np.float32), np.empty((slots, LANES), np.int32)
    for block in range(blocks):
        place_lanes(keys[block], sorted_load, gpus // nodes, slot)
        for row in range(block * LANES, min(rows, (block + 1) * LANES)):
            layer, first_slot, of = row // nodes, row % nodes * slots, (expert[block], count[block], keys[block])
            if first_slot == 0:
                log2phy[layer] = -1
            out = (phy2log[layer], log2phy[layer], logcnt[layer])
            write_row(row % LANES, *of, name[block], slot, first_slot, *out)
    return phy2log, log2phy, logcnt


def rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus):
    """weight [L, E] -> phy2log [L, num_replicas], log2phy [L, E, X] with X = max(logcnt), logcnt [L, E]."""
    weight = _checked(weight, num_replicas, num_groups, num_nodes, num_gpus).cpu().numpy()
    if num_groups % num_nodes:
        num_groups, num_nodes = 1, 1
    placed = plan(weight, num_replicas, num_groups, num_nodes, num_gpus)
    return tuple(torch.from_numpy(part) for part in placed)


# EVOLVE-BLOCK-END


def _checked(weight, num_replicas, num_groups, num_nodes, num_gpus):
    """The loads [L, E] as contiguous float32; ValueError unless they and the numbers can be planned for."""
    if not isinstance(weight, torch.Tensor) or weight.dim() != 2 or not weight.numel():
        raise ValueError("weight must be a tensor [layers, experts] with at least one of each")
    numbers = {"num_replicas": num_replicas, "num_groups": num_groups, "num_nodes": num_nodes, "num_gpus": num_gpus}
    for name, number in numbers.items():
        if not isinstance(number, int) or not 0 < number <= 32768:
            raise ValueError(f"{name} must be a whole number from 1 to 32768")
    experts, is_hierarchical = weight.shape[1], num_groups % num_nodes == 0
    if is_hierarchical and experts % num_groups:
        raise ValueError(f"num_groups must divide the {experts} experts, not be {num_groups}")
    if is_hierarchical and num_gpus % num_nodes:
        raise ValueError(f"num_gpus must be a multiple of the {num_nodes} nodes, not {num_gpus}")
    if num_replicas % num_gpus or num_replicas < experts:
        raise ValueError(
            f"num_replicas must be a multiple of the {num_gpus} GPUs, one for each of {experts} experts at least, "
            f"not {num_replicas}"
        )
    weight = weight.detach().float().contiguous()
    least, most = weight.aminmax()
    if not (least.item() >= 0 and most.item() <= 1e30):  # nor is NaN
        raise ValueError("weight must hold loads from 0 to 1e30")
    return weight
