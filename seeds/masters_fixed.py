"""One replica of each expert stays on its GPU for good; only the spare slots are planned anew.

Source: the host's solver of UltraEP, from a description of it; written anew.
Idea: each GPU keeps the masters, one replica of each of its experts, so a plan moves at most the spare slots. Each of
these goes to the expert with the highest load per replica that some GPU of the node is without; then the new replicas,
heaviest first, go to the lightest GPU with a free slot and without that expert. UltraEP's GPUs have equally many
masters, known beforehand; here they stand in the first slots of each GPU, and are read off the placement in force. On
a node where they are not equally many, or with torn groups, masters are packed anew, which moves more, once.
Complexity: O(S) steps of numpy on all layers and nodes at once, of E / N numbers each, for S spare slots of a node.
Exact: no; loads that change leave the masters where they are.
Provenance: baseline
Held against: nothing; from its description
"""

# EVOLVE-BLOCK-START
import numpy as np
import torch


def packed(load, rooms):
    """The heaviest item left to the lightest pack with room; load [rows, n], rooms [packs].

    Returns pack and rank of each item, both [rows, n].
    """
    row = np.arange(len(load))
    held = np.tile(np.where(rooms > 0, 0.0, np.inf), (len(load), 1))
    filled, pack_of, rank = (
        np.zeros(held.shape, np.int64),
        np.empty(load.shape, np.int64),
        np.empty(load.shape, np.int64),
    )
    for item in np.argsort(-load, axis=1, kind="stable").T:
        pack = held.argmin(1)
        pack_of[row, item], rank[row, item] = pack, filled[row, pack]
        filled[row, pack] += 1
        held[row, pack] += np.where(filled[row, pack] == rooms[pack], np.inf, load[row, item])
    return pack_of, rank


def present_nodes(old, experts, groups, nodes):
    """The node of each group [L, groups] in old [L, R], and whether a layer keeps the rules, [L]."""
    layers, replicas = old.shape
    layer = np.arange(layers)[:, None]
    is_on = np.zeros((layers, groups, nodes), bool)
    is_on[layer, old // (experts // groups), np.arange(replicas) // (replicas // nodes)] = True
    has_expert = np.zeros((layers, experts), bool)
    has_expert[layer, old] = True
    is_valid = has_expert.all(1) & (is_on.sum(2) == 1).all(1) & (is_on.sum(1) == groups // nodes).all(1)
    return is_on.argmax(2), is_valid


def kept_masters(old, experts, rooms):
    """The slot of each master, [rows, experts], and whether each GPU has as many as it has room for, [rows].

    One of the slots that have the expert in old [rows, slots], before others one where plans put masters; rooms [gpus].
    """
    rows, slots = old.shape
    room = slots // len(rooms)
    slot = np.arange(slots)
    is_for_masters = slot % room < rooms[slot // room]
    last_choice_first = np.concatenate([slot[~is_for_masters], slot[is_for_masters]])
    master = np.zeros((rows, experts), np.int64)
    master[np.arange(rows)[:, None], old[:, last_choice_first]] = last_choice_first  # numpy keeps the last
    masters = np.stack([(master // room == gpu).sum(1) for gpu in range(len(rooms))], 1)
    return master, (masters == rooms).all(1)


def replicated(load, slots, gpus):
    """The replicas of each expert [rows, n]; load [rows, n]; one for each GPU at most, if that fills the slots."""
    rows, experts = load.shape
    row, most = np.arange(rows), gpus * -(-slots // (experts * gpus))
    count, share = np.ones(load.shape, np.int64), load.copy()
    for _ in range(slots - experts):
        best = share.argmax(1)
        count[row, best] += 1
        share[row, best] = np.where(count[row, best] < most, load[row, best] / count[row, best], -1.0)
    return count


def filled_up(load, count, master, gpus, slots):
    """The expert in each slot, [rows, slots]: the masters first on each GPU, then the other replicas."""
    rows, experts = load.shape
    row, room, share = np.arange(rows), slots // gpus, load / count
    expert = master.argsort(1)  # GPU by GPU
    gpu = np.take_along_axis(master, expert, 1) // room
    filled = (gpu[:, :, None] == np.arange(gpus)).sum(1)
    rank = np.arange(experts) - np.take_along_axis(filled.cumsum(1) - filled, gpu, 1)
    in_slot, has = np.empty((rows, gpus, room), np.int64), np.zeros((rows, gpus, experts), bool)
    in_slot[row[:, None], gpu, rank] = expert
    has[row[:, None], gpu, expert] = True
    held = (has @ share[:, :, None])[:, :, 0]

    replica = np.repeat(np.arange(load.size) % experts, count.ravel() - 1).reshape(rows, -1)
    order = np.argsort(-np.take_along_axis(share, replica, 1), axis=1, kind="stable")
    more_than_all = 2 * load.sum(1)[:, None] + 1
    for expert in np.take_along_axis(replica, order, 1).T:
        cost = np.where(filled < room, held + has[row, :, expert] * more_than_all, np.inf)
        gpu = cost.argmin(1)
        in_slot[row, gpu, filled[row, gpu]] = expert
        filled[row, gpu] += 1
        held[row, gpu] += share[row, expert]
        has[row, gpu, expert] = True
    return in_slot.reshape(rows, slots)


def inverse(phy2log, logcnt):
    """log2phy [L, E, max(logcnt)] of phy2log [L, R]."""
    layer = np.arange(len(phy2log))[:, None]
    order = phy2log.argsort(1, kind="stable")  # the replicas of an expert stand together
    expert = np.take_along_axis(phy2log, order, 1)
    rank = np.arange(phy2log.shape[1]) - np.take_along_axis(logcnt.cumsum(1) - logcnt, expert, 1)
    log2phy = np.full((*logcnt.shape, logcnt.max()), -1)
    log2phy[layer, expert, rank] = order
    return log2phy


def rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus, old_phy2log):
    """weight [L, E], old_phy2log [L, R] -> phy2log [L, R], log2phy [L, E, X] with X = max(logcnt), logcnt [L, E]."""
    weight = _checked(weight, num_replicas, num_groups, num_nodes, num_gpus)
    load, old = weight.cpu().double().numpy(), _checked_old(old_phy2log, weight, num_replicas).numpy()
    if num_groups % num_nodes:
        num_groups, num_nodes = 1, 1
    layers, experts = load.shape
    mids, slots, gpus = experts // num_nodes, num_replicas // num_nodes, num_gpus // num_nodes

    node, is_valid = present_nodes(old, experts, num_groups, num_nodes)
    group_load = load.reshape(layers, num_groups, -1).sum(2)
    node[~is_valid] = packed(group_load[~is_valid], np.full(num_nodes, num_groups // num_nodes))[0]
    # the experts of the first node, then those of the second, ...
    expert = node.repeat(experts // num_groups, axis=1).argsort(1, kind="stable")
    mid_of = expert.argsort(1) % mids
    load_mid = np.take_along_axis(load, expert, 1).reshape(-1, mids)
    count = replicated(load_mid, slots, gpus)

    rooms = mids // gpus + (np.arange(gpus) < mids % gpus)  # for masters
    old_mid = np.take_along_axis(mid_of, old, 1).reshape(-1, slots)
    master, is_kept = kept_masters(old_mid, mids, rooms)
    is_new = ~(is_kept.reshape(layers, num_nodes) & is_valid[:, None]).ravel()
    gpu, rank = packed((load_mid / count)[is_new], rooms)
    master[is_new] = gpu * (slots // gpus) + rank

    in_slot = filled_up(load_mid, count, master, gpus, slots)
    phy2log = np.take_along_axis(expert.reshape(-1, mids), in_slot, 1).reshape(layers, num_replicas)
    logcnt = np.empty_like(expert)
    np.put_along_axis(logcnt, expert, count.reshape(layers, experts), 1)
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
