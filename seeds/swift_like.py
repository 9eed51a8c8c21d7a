"""Movement-bounded exchange: first occurrences stay, spare slots are dealt anew, then few exchanges between GPUs.

Source: SwiftBalancer in vllm_ascend/eplb/core/policy/policy_swift_balancer.py
(https://github.com/vllm-project/vllm-ascend), Apache-2.0; written anew from its description.
Idea: between two GPUs at most one expert moves per layer and plan. The first copy of each expert stays; spare slots
go to the experts with the highest load per replica, each to the lightest GPU; then the heaviest GPU exchanges experts
with lighter ones as long as that takes off a hundredth of the mean load. A layer changes only when its heaviest GPU
becomes lighter. Groups stay on their nodes; a first plan, or one after torn groups, is the greedy's.
Complexity: O(L R^2 / N) and O(R) for each of at most 100 exchanges of a node.
Exact: no.
Provenance: baseline
Held against: nothing; from its description; no release of vLLM or SGLang has it
"""

# EVOLVE-BLOCK-START
import numba
import numpy as np
import torch

compiled = numba.njit(error_model="numpy")

EXCHANGES = 100
GAIN = 0.01  # of the mean load of a GPU: what an exchange must take off the heaviest
EVEN_ENOUGH = 1.01  # heaviest over mean load at which a node is left alone


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
def gpu_loads(placed, load, gpus):
    """Load of each GPU when the replicas of an expert share its load."""
    count, held, room = np.zeros(len(load), np.int64), np.zeros(gpus), len(placed) // gpus
    for expert in placed:
        count[expert] += 1
    for slot, expert in enumerate(placed):
        held[slot // room] += load[expert] / count[expert]
    return held


@compiled
def deal_spares(load, gpus, placed, crossed, is_new):
    """Put experts into all slots but those of first copies; returns load per replica of each expert."""
    room = len(placed) // gpus
    home, is_spare = np.full(len(load), -1), np.zeros(len(placed), np.bool_)
    for place in range(room):
        for gpu in range(gpus):
            slot = gpu * room + place
            if home[placed[slot]] < 0:
                home[placed[slot]] = gpu
            else:
                is_spare[slot] = True
    count, share = np.ones(len(load), np.int64), load.copy()
    for _ in range(is_spare.sum()):
        best = -1
        for expert in range(len(load)):
            if count[expert] < gpus and (best < 0 or share[expert] > share[best]):
                best = expert
        if best < 0:
            break
        count[best] += 1
        share[best] = load[best] / count[best]
    holds, held = np.zeros((gpus, len(load)), np.bool_), np.zeros(gpus)
    for slot, expert in enumerate(placed):
        if not is_spare[slot]:
            holds[slot // room, expert] = True
            held[slot // room] += share[expert]
    for expert in np.argsort(-share, kind="mergesort"):
        for _ in range(count[expert] - 1):
            chosen = -1
            for slot in range(len(placed)):
                gpu = slot // room
                is_open = is_spare[slot] and not holds[gpu, expert] and not crossed[home[expert], gpu]
                if is_open and (chosen < 0 or held[gpu] < held[chosen // room]):
                    chosen = slot
            if chosen >= 0:
                gpu = chosen // room
                is_spare[chosen] = False
                placed[chosen] = expert
                holds[gpu, expert] = True
                crossed[home[expert], gpu] = True
                is_new[gpu, expert] = True
                held[gpu] += share[expert]
    count[:] = holds.sum(0)
    for slot in range(len(placed)):
        if is_spare[slot]:  # nobody may send here: the heaviest expert that is not there yet
            best = -1
            for expert in range(len(load)):
                if not holds[slot // room, expert] and (
                    best < 0 or load[expert] / count[expert] > load[best] / count[best]
                ):
                    best = expert
            placed[slot] = max(best, 0)
            count[placed[slot]] += 1
            holds[slot // room, placed[slot]] = True
            is_new[slot // room, placed[slot]] = True
    return load / count


@compiled
def exchange(share, gpus, placed, crossed, is_new):
    """The heaviest GPU exchanges an expert with a lighter one that it has exchanged none with yet."""
    room, held = len(placed) // gpus, np.zeros(gpus)
    holds = np.zeros((gpus, len(share)), np.bool_)
    for slot, expert in enumerate(placed):
        held[slot // room] += share[expert]
        holds[slot // room, expert] = True
    least_gain = GAIN * held.mean()
    for _ in range(EXCHANGES):
        heaviest, is_done = held.argmax(), True
        for gpu in np.argsort(held, kind="mergesort"):
            if gpu == heaviest or crossed[gpu, heaviest] or crossed[heaviest, gpu]:
                continue
            mine, theirs, least = -1, -1, held[heaviest] - least_gain
            for slot in range(heaviest * room, (heaviest + 1) * room):
                given = placed[slot]
                if holds[gpu, given] or is_new[heaviest, given]:
                    continue
                for there in range(gpu * room, (gpu + 1) * room):
                    taken = placed[there]
                    if not holds[heaviest, taken] and not is_new[gpu, taken]:
                        moved = share[given] - share[taken]
                        value = max(held[heaviest] - moved, held[gpu] + moved)
                        if value < least:
                            mine, theirs, least = slot, there, value
            if mine >= 0:
                given, taken = placed[mine], placed[theirs]
                held[heaviest] += share[taken] - share[given]
                held[gpu] += share[given] - share[taken]
                holds[heaviest, given], holds[gpu, taken] = False, False
                holds[heaviest, taken], holds[gpu, given] = True, True
                is_new[heaviest, taken], is_new[gpu, given] = True, True
                crossed[gpu, heaviest], crossed[heaviest, gpu] = True, True
                placed[mine], placed[theirs] = taken, given
                is_done = False
                break
        if is_done:
            return


@compiled
def improve(load, gpus, placed):
    """The replicas of a node, changed if that makes its heaviest GPU lighter."""
    before = gpu_loads(placed, load, gpus)
    if before.max() <= EVEN_ENOUGH * before.mean():
        return
    new = placed.copy()
    crossed, is_new = np.zeros((gpus, gpus), np.bool_), np.zeros((gpus, len(load)), np.bool_)
    share = deal_spares(load, gpus, new, crossed, is_new)
    exchange(share, gpus, new, crossed, is_new)
    if gpu_loads(new, load, gpus).max() < before.max():
        placed[:] = new


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
    phy2log, logcnt = np.empty((layers, replicas), np.int64), np.zeros((layers, experts), np.int64)
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
            placed = np.empty(slots, np.int64)
            if is_new:
                greedy_placement(load, wanted_counts(load, slots), gpus // nodes, placed)
            else:
                for slot in range(slots):
                    placed[slot] = mid_of[old[layer, node * slots + slot]]
                improve(load, gpus // nodes, placed)
            for slot in range(slots):
                phy2log[layer, node * slots + slot] = expert[placed[slot]]
                logcnt[layer, expert[placed[slot]]] += 1
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
