"""Incremental plans: the placement in force, changed only where that pays.

Source: ours; the number of replicas follows Adams' divisor method, as in DeepSeek's greedy.
Idea: groups stay on their nodes. Experts that deserve fewer replicas than they have give slots to those that deserve
more, each to the GPU that is lightest then. After that the heaviest GPU of a node exchanges replicas with another as
long as that evens out enough, and no more slots than a budget have changed.
Complexity: O(L R (R / N) / N) for the counts and O(budget R) for each node's exchanges.
Exact: counts yes; loads no. A plan without an old one, or after groups were torn, is the greedy's.
Provenance: reference
"""

# EVOLVE-BLOCK-START
import numba
import numpy as np
import torch

compiled = numba.njit(error_model="numpy")

BUDGET = 0.16  # of the slots of a node may change in exchanges
ENOUGH = 0.002  # of the mean load of a GPU: what an exchange must take off the heaviest


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
def hand_over(load, count, gpus, placed):
    """Slots of experts with too many replicas go to experts with too few, the heaviest first."""
    room = len(placed) // gpus
    surplus = np.zeros(len(load), np.int64)
    for expert in placed:
        surplus[expert] += 1
    surplus -= count
    share = load / count
    held = np.zeros(gpus)
    for slot in range(len(placed)):
        held[slot // room] += share[placed[slot]]
    while True:
        expert = -1
        for other in range(len(load)):
            if surplus[other] < 0 and (expert < 0 or share[other] > share[expert]):
                expert = other
        if expert < 0:
            return
        chosen, least = -1, np.inf
        for slot in range(len(placed)):
            gpu, old = slot // room, placed[slot]
            if surplus[old] > 0:
                has_it = False
                for at in range(gpu * room, (gpu + 1) * room):
                    has_it |= placed[at] == expert
                value = held[gpu] - share[old] + share[expert]
                if has_it:
                    value += held.sum()  # only if there is no other
                if value < least:
                    chosen, least = slot, value
        old, gpu = placed[chosen], chosen // room
        held[gpu] += share[expert] - share[old]
        surplus[old] -= 1
        surplus[expert] += 1
        placed[chosen] = expert


@compiled
def exchange(load, count, gpus, placed, budget):
    """The heaviest GPU exchanges a replica with another, at most budget / 2 times."""
    room = len(placed) // gpus
    share = load / count
    held = np.zeros(gpus)
    for slot in range(len(placed)):
        held[slot // room] += share[placed[slot]]
    enough = ENOUGH * held.mean()
    for _ in range(budget // 2):
        heaviest = held.argmax()
        mine, other = -1, -1
        least = held[heaviest] - enough
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
def present_nodes(old, experts, groups, nodes):
    """The node of each group in the old placement of a layer; its first entry is -1 when groups are torn."""
    node_of, filled = np.full(groups, -1), np.zeros(nodes, np.int64)
    is_whole = np.zeros(experts, np.bool_)
    for slot in range(len(old)):
        node, group = slot // (len(old) // nodes), old[slot] // (experts // groups)
        is_whole[old[slot]] = True
        if node_of[group] < 0:
            node_of[group] = node
            filled[node] += 1
        elif node_of[group] != node:
            node_of[0] = -1
            return node_of
    if not is_whole.all() or (filled != groups // nodes).any():
        node_of[0] = -1
    return node_of


@compiled
def plan(weight, replicas, groups, nodes, gpus, old):
    """The new phy2log [L, replicas] and logcnt [L, E]; weight [L, E] float64, old [L, replicas]."""
    layers, experts = weight.shape
    phy2log, logcnt = np.empty((layers, replicas), np.int64), np.empty((layers, experts), np.int64)
    slots, mids, size = replicas // nodes, experts // nodes, experts // groups
    for layer in range(layers):
        node_of = present_nodes(old[layer], experts, groups, nodes)
        is_new = node_of[0] < 0
        if is_new:
            node_of = lightest_nodes(weight[layer], groups, nodes)
        for node in range(nodes):
            expert, mid_of, found = np.empty(mids, np.int64), np.empty(experts, np.int64), 0
            for group in range(groups):
                if node_of[group] == node:
                    for member in range(group * size, (group + 1) * size):
                        expert[found] = member
                        mid_of[member] = found
                        found += 1
            load = weight[layer][expert]
            count, placed = wanted_counts(load, slots), np.empty(slots, np.int64)
            if is_new:
                greedy_placement(load, count, gpus // nodes, placed)
            else:
                for slot in range(slots):
                    placed[slot] = mid_of[old[layer, node * slots + slot]]
                hand_over(load, count, gpus // nodes, placed)
                exchange(load, count, gpus // nodes, placed, int(BUDGET * slots))
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


def rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus, old_phy2log):
    """weight [L, E], old_phy2log [L, R] -> phy2log [L, R], log2phy [L, E, X] with X = max(logcnt), logcnt [L, E]."""
    weight = _checked(weight, num_replicas, num_groups, num_nodes, num_gpus)
    load, old = weight.to("cpu", torch.float64).numpy(), _checked_old(old_phy2log, weight, num_replicas).numpy()
    if num_groups % num_nodes:
        num_groups, num_nodes = 1, 1
    phy2log, logcnt = plan(load, num_replicas, num_groups, num_nodes, num_gpus, old)
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


def _checked_old(old_phy2log, weight, num_replicas):
    """The placement in force [L, R], contiguous, on the host; ValueError unless it fits the loads [L, E]."""
    layers, experts = weight.shape
    is_placement = isinstance(old_phy2log, torch.Tensor) and old_phy2log.dtype == torch.int64
    if is_placement and old_phy2log.shape == (layers, num_replicas):
        least, most = old_phy2log.aminmax()
        if least.item() >= 0 and most.item() < experts:
            return old_phy2log.detach().cpu().contiguous()
    raise ValueError(
        f"old_phy2log must be an int64 tensor [{layers}, {num_replicas}] of experts from 0 to {experts - 1}"
    )
