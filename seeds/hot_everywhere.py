"""The hottest experts of a node on every GPU of it, the others packed around them.

Source: "biased" in pull request 1210 of ATOM (https://github.com/ROCm/ATOM), from its description; written anew.
Idea: what is hottest in the next window too can be served by any GPU of the node. Of S spare slots and G GPUs of a
node, the S div G hottest experts get a replica on each GPU; spare slots that are left go, one by one, to the highest
load per replica among the others. These are packed heaviest first to the lightest GPU with room; the hot ones weigh
alike on all.
Complexity: O(L R G / N), in numpy on all nodes of all layers at once.
Exact: no; counts and placing differ from the greedy's.
Provenance: baseline
Held against: nothing; from its description, in a pull request
"""

# EVOLVE-BLOCK-START
import numpy as np
import torch


def pack(load, packs, room):
    """The heaviest item left to the lightest pack with room; load [rows, n]. Returns pack and place, both [rows, n]."""
    (rows, items), row = load.shape, np.arange(len(load))
    held, filled = np.zeros((rows, packs)), np.zeros((rows, packs), np.int64)
    chosen, place = np.empty((rows, items), np.int64), np.empty((rows, items), np.int64)
    for item in np.argsort(-load, axis=1, kind="stable").T:
        lightest = np.where(filled < room, held, np.inf).argmin(1)
        chosen[row, item], place[row, item] = lightest, filled[row, lightest]
        filled[row, lightest] += 1
        held[row, lightest] += load[row, item]
    return chosen, place


def replicas_of(load, spares, packs):
    """Hot experts [rows, K], the expert of each other replica [rows, n], and that replica's load [rows, n]."""
    (rows, mids), row = load.shape, np.arange(len(load))
    hot_count = min(spares // packs, mids)
    order = np.argsort(-load, axis=1, kind="stable")
    hot, others = order[:, :hot_count], np.sort(order[:, hot_count:], axis=1)
    left = spares - hot_count * (packs - 1)
    count = np.ones((rows, mids), np.int64)
    count[row[:, None], hot] = packs
    extra = np.empty((rows, left), np.int64)
    for at in range(left):
        share = load / count
        if others.size:
            share[row[:, None], hot] = -1
        extra[:, at] = hottest = share.argmax(1)
        count[row, hottest] += 1
    expert = np.concatenate([others, extra], axis=1)
    return hot, expert, np.take_along_axis(load / count, expert, 1)


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


def rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus):
    """weight [L, E] -> phy2log [L, num_replicas], log2phy [L, E, X] with X = max(logcnt), logcnt [L, E]."""
    load = _checked(weight, num_replicas, num_groups, num_nodes, num_gpus).cpu().numpy()
    if num_groups % num_nodes:
        num_groups, num_nodes = 1, 1
    layers, experts = load.shape
    rows, packs, room = layers * num_nodes, num_gpus // num_nodes, num_replicas // num_gpus
    size = experts // num_groups
    node, place = pack(load.reshape(layers, num_groups, size).sum(-1), num_nodes, num_groups // num_nodes)
    group = np.argsort(node * num_groups + place, axis=1)
    named = (group[:, :, None] * size + np.arange(size)).reshape(rows, -1)  # the experts of each node
    row = np.arange(rows)[:, None]

    spares = (num_replicas - experts) // num_nodes
    hot, expert, share = replicas_of(load[row // num_nodes, named], spares, packs)
    kept = hot.shape[1]  # the first places of every GPU
    gpu, at = pack(share, packs, room - kept)
    slots = np.empty((rows, packs, room), np.int64)
    slots[:, :, :kept] = np.take_along_axis(named, hot, 1)[:, None, :]
    slots[row, gpu, kept + at] = np.take_along_axis(named, expert, 1)
    phy2log = slots.reshape(layers, num_replicas)
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
