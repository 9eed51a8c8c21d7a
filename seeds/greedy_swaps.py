"""DeepSeek's greedy, then exchanges that take load off the heaviest GPU.

Source: local search after list scheduling, a textbook refinement; this form of it is ours.
Idea: as long as the heaviest GPU of a node can exchange a replica with another so that the heavier of the two becomes
lighter than it was, the best such exchange is made.
Complexity: the greedy's, and O(R / G x R / N) for each of at most EXCHANGES exchanges of a node.
Exact: counts yes; balance on the window that it sees is never below the greedy's.
Provenance: reference
"""

# EVOLVE-BLOCK-START
import numba
import numpy as np
import torch

compiled = numba.njit(error_model="numpy")

EXCHANGES = 64


@compiled
def wanted_counts(load, slots):
    """Replicas of each expert: one each, then each further one to the highest load per replica."""
    count, share = np.ones(len(load), np.int64), load.copy()
    for _ in range(slots - len(load)):
        best = share.argmax()
        count[best] += 1
        share[best] = load[best] / count[best]
    return count


@compiled
def greedy_placement(load, count, gpus, placed):
    """The heaviest replica left to the lightest GPU with room; placed [slots] gets the experts, GPU by GPU."""
    room = len(placed) // gpus
    items, item = np.empty(len(placed), np.int64), 0
    for expert in np.argsort(-load / count, kind="mergesort"):
        for _ in range(count[expert]):
            items[item] = expert
            item += 1
    held, filled = np.zeros(gpus), np.zeros(gpus, np.int64)
    for expert in items:
        gpu = held.argmin()
        placed[gpu * room + filled[gpu]] = expert
        filled[gpu] += 1
        held[gpu] = np.inf if filled[gpu] == room else held[gpu] + load[expert] / count[expert]


@compiled
def exchange(load, count, gpus, placed):
    """The heaviest GPU exchanges a replica with another, as long as that helps."""
    room = len(placed) // gpus
    share = load / count
    held = np.zeros(gpus)
    for slot in range(len(placed)):
        held[slot // room] += share[placed[slot]]
    for _ in range(EXCHANGES):
        heaviest = held.argmax()
        mine, other = -1, -1
        least = held[heaviest] * (1 - 1e-9)
        for slot in range(heaviest * room, (heaviest + 1) * room):
            for there in range(len(placed)):
                gpu = there // room
                moved = share[placed[slot]] - share[placed[there]]
                if gpu != heaviest and moved > 0:
                    value = max(held[heaviest] - moved, held[gpu] + moved)
                    if value < least:
                        mine, other, least = slot, there, value
        if mine < 0:
            return
        moved = share[placed[mine]] - share[placed[other]]
        held[heaviest] -= moved
        held[other // room] += moved
        placed[mine], placed[other] = placed[other], placed[mine]


@compiled
def lightest_nodes(load, groups, nodes):
    """The node of each group: the heaviest group left to the lightest node with room."""
    size = len(load) // groups
    total = np.zeros(groups)
    for expert in range(len(load)):
        total[expert // size] += load[expert]
    held, filled, node_of = np.zeros(nodes), np.zeros(nodes, np.int64), np.empty(groups, np.int64)
    for group in np.argsort(-total, kind="mergesort"):
        node = held.argmin()
        node_of[group] = node
        filled[node] += 1
        held[node] = np.inf if filled[node] == groups // nodes else held[node] + total[group]
    return node_of


@compiled
def plan(weight, replicas, groups, nodes, gpus):
    """The new phy2log [L, replicas] and logcnt [L, E]; weight [L, E] float64."""
    layers, experts = weight.shape
    phy2log, logcnt = np.empty((layers, replicas), np.int64), np.empty((layers, experts), np.int64)
    slots, mids, size = replicas // nodes, experts // nodes, experts // groups
    for layer in range(layers):
        node_of = lightest_nodes(weight[layer], groups, nodes)
        for node in range(nodes):
            expert, found = np.empty(mids, np.int64), 0
            for group in range(groups):
                if node_of[group] == node:
                    for member in range(group * size, (group + 1) * size):
                        expert[found] = member
                        found += 1
            load = weight[layer][expert]
            count, placed = wanted_counts(load, slots), np.empty(slots, np.int64)
            greedy_placement(load, count, gpus // nodes, placed)
            exchange(load, count, gpus // nodes, placed)
            for slot in range(slots):
                phy2log[layer, node * slots + slot] = expert[placed[slot]]
            for mid in range(mids):
                logcnt[layer, expert[mid]] = count[mid]
    return phy2log, logcnt


@compiled
def inverse(phy2log, logcnt):
    """log2phy [L, E, max(logcnt)] of phy2log [L, R]."""
    log2phy = np.full((*logcnt.shape, logcnt.max()), -1)
    for layer in range(len(phy2log)):
        filled = np.zeros(logcnt.shape[1], np.int64)
        for slot, expert in enumerate(phy2log[layer]):
            log2phy[layer, expert, filled[expert]] = slot
            filled[expert] += 1
    return log2phy


def rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus):
    """weight [L, E] -> phy2log [L, num_replicas], log2phy [L, E, X] with X = max(logcnt), logcnt [L, E]."""
    load = _checked(weight, num_replicas, num_groups, num_nodes, num_gpus).to("cpu", torch.float64).numpy()
    if num_groups % num_nodes:
        num_groups, num_nodes = 1, 1
    phy2log, logcnt = plan(load, num_replicas, num_groups, num_nodes, num_gpus)
    return torch.from_numpy(phy2log), torch.from_numpy(inverse(phy2log, logcnt)), torch.from_numpy(logcnt)


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
