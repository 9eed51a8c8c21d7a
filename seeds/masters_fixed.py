"""Every GPU keeps its masters, one slot of each of its experts; only the spare slots are planned anew.

Source: the host solver of UltraEP, from its description; written anew.
Idea: what moves is what lies in spare slots, so at most spares / replicas of the slots do. A spare slot goes to the
expert with the highest load per replica, at most one copy on a GPU of the node; then copies go, heaviest first, to the
lightest GPU with a free slot and without that expert. An expert's master is its copy with the lowest place on its GPU.
Where a layer of the placement in force does not have as many masters on each GPU, or breaks the group rule, its masters
are packed anew.
Complexity: O(S (E / N + G / N)) per node for S spare slots, in numpy on all nodes of all layers at once.
Exact: no; masters stay where they are.
Provenance: baseline
Held against: nothing; from its description
"""

# EVOLVE-BLOCK-START
import numpy as np
import torch


def pack(load, packs):
    """The heaviest item left to the lightest pack with room; load [rows, n]. Returns pack and place, both [rows, n]."""
    (rows, items), row = load.shape, np.arange(len(load))
    room = -(-items // packs)
    held, filled = np.zeros((rows, packs)), np.zeros((rows, packs), np.int64)
    chosen, place = np.empty((rows, items), np.int64), np.empty((rows, items), np.int64)
    for item in np.argsort(-load, axis=1, kind="stable").T:
        lightest = np.where(filled < room, held, np.inf).argmin(1)
        chosen[row, item], place[row, item] = lightest, filled[row, lightest]
        filled[row, lightest] += 1
        held[row, lightest] += load[row, item]
    return chosen, place


def packed_masters(load, replicas, groups, nodes, gpus):
    """Slots of masters that are placed without regard to a placement in force, [L, E]."""
    layers, experts = load.shape
    room, packs = replicas // gpus, gpus // nodes
    group_node, group_place = pack(load.reshape(layers, groups, -1).sum(-1), nodes)
    order = np.argsort(group_node * groups + group_place, axis=1)
    size = experts // groups
    expert = (order[:, :, None] * size + np.arange(size)).reshape(layers * nodes, -1)
    row = np.arange(layers * nodes)[:, None]
    gpu, place = pack(load[row // nodes, expert], packs)
    slot = np.empty((layers, experts), np.int64)
    slot[row // nodes, expert] = (row % nodes * packs + gpu) * room + place
    return slot


def masters_in(old, experts, groups, nodes, gpus):
    """Slots of the masters of a placement in force [L, R], [L, E], and which layers have them all in their places."""
    layers, replicas = old.shape
    room, layer = replicas // gpus, np.arange(layers)[:, None]
    slot = np.arange(replicas)
    none = replicas * replicas
    first = np.full((layers, experts), none)
    np.minimum.at(first, (np.broadcast_to(layer, old.shape), old), slot % room * replicas + slot)
    master = first % replicas
    count = np.zeros((layers, gpus), np.int64)
    np.add.at(count, (np.broadcast_to(layer, master.shape), master // room), 1)
    node = (master // (replicas // nodes)).reshape(layers, groups, -1)
    fits = (first < none).all(1) & (count <= -(-experts // gpus)).all(1) & (node == node[:, :, :1]).all((1, 2))
    fits &= (count.reshape(layers, nodes, -1).sum(2) == experts // nodes).all(1)
    return master, fits


def fill_spares(load, gpu, spares, free):
    """The expert and GPU of each spare slot, [rows, spares]; load and the masters' GPU [rows, n], free [rows, GPUs]."""
    (rows, mids), row, packs = load.shape, np.arange(len(load)), free.shape[1]
    count, extra = np.ones((rows, mids), np.int64), np.empty((rows, spares), np.int64)
    for at in range(spares):
        share = load / count
        allowed = count < packs
        allowed |= ~allowed.any(1, keepdims=True)
        extra[:, at] = hottest = np.where(allowed, share, -1).argmax(1)
        count[row, hottest] += 1
    share, has = load / count, np.zeros((rows, packs, mids), bool)
    has[row[:, None], gpu, np.arange(mids)] = True
    held, free, target = np.zeros((rows, packs)), free.copy(), np.empty((rows, spares), np.int64)
    np.add.at(held, (np.broadcast_to(row[:, None], gpu.shape), gpu), share)
    extra = np.take_along_axis(extra, np.argsort(-np.take_along_axis(share, extra, 1), axis=1, kind="stable"), 1)
    for at in range(spares):
        expert = extra[:, at]
        allowed = (free > 0) & ~has[row, :, expert]
        allowed = np.where(allowed.any(1, keepdims=True), allowed, free > 0)
        target[:, at] = lightest = np.where(allowed, held, np.inf).argmin(1)
        held[row, lightest] += share[row, expert]
        has[row, lightest, expert] = True
        free[row, lightest] -= 1
    return extra, target


def inverse(phy2log, experts):
    """log2phy [L, E, max(logcnt)] and logcnt [L, E] of phy2log [L, R]."""
    layers, replicas = phy2log.shape
    layer = np.arange(layers)[:, None]
    logcnt = np.bincount((phy2log + layer * experts).ravel(), minlength=layers * experts).reshape(layers, experts)
    order = phy2log.argsort(1, kind="stable")  # the replicas of an expert stand together
    expert = np.take_along_axis(phy2log, order, 1)
    rank = np.arange(replicas) - np.take_along_axis(logcnt.cumsum(1) - logcnt, expert, 1)
    log2phy = np.full((layers, experts, logcnt.max()), -1)
    log2phy[layer, expert, rank] = order
    return log2phy, logcnt


def rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus, old_phy2log):
    """weight [L, E], old_phy2log [L, R] -> phy2log [L, R], log2phy [L, E, X] with X = max(logcnt), logcnt [L, E]."""
    weight = _checked(weight, num_replicas, num_groups, num_nodes, num_gpus)
    load, old = weight.cpu().numpy(), _checked_old(old_phy2log, weight, num_replicas).numpy()
    if num_groups % num_nodes:
        num_groups, num_nodes = 1, 1
    layers, experts = load.shape
    rows, packs, room = layers * num_nodes, num_gpus // num_nodes, num_replicas // num_gpus
    master, fits = masters_in(old, experts, num_groups, num_nodes, num_gpus)
    if not fits.all():
        anew = ~fits
        master[anew] = packed_masters(load[anew], num_replicas, num_groups, num_nodes, num_gpus)

    layer, row = np.arange(layers)[:, None], np.arange(rows)[:, None]
    is_free = np.ones((layers, num_replicas), bool)
    is_free[layer, master] = False
    expert = np.argsort(master, axis=1).reshape(rows, -1)  # those of a node stand together
    gpu = np.sort(master, axis=1).reshape(rows, -1) // room % packs
    free = is_free.reshape(rows, packs, room).sum(2)
    spares = (num_replicas - experts) // num_nodes
    extra, target = fill_spares(load[row // num_nodes, expert], gpu, spares, free)

    phy2log = np.empty((layers, num_replicas), np.int64)
    phy2log[layer, master] = np.arange(experts)
    by_gpu = np.argsort(target, axis=1, kind="stable")  # free slots stand GPU by GPU, and so do these
    phy2log[is_free] = np.take_along_axis(expert, np.take_along_axis(extra, by_gpu, 1), 1).ravel()
    log2phy, logcnt = inverse(phy2log, experts)
    return torch.from_numpy(phy2log), torch.from_numpy(log2phy), torch.from_numpy(logcnt)


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
