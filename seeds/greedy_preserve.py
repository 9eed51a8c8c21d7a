"""DeepSeek's greedy, after which experts that stay on a GPU keep their slot there.

Source: preserve_intragpu_slots of vLLM's default policy (https://github.com/vllm-project/vllm), Apache-2.0, after the
batched packing of its pull request 52556; written anew.
Idea: a GPU need not copy within its own memory what it holds already. Between GPUs as much moves as after the greedy.
vLLM goes GPU by GPU; here all GPUs of all layers are rows of one array.
Complexity: the greedy's and O(L R^2 / G).
Exact: yes.
Provenance: baseline
Held against: vllm 0.33.0, vllm.distributed.eplb.policy.default
"""

# EVOLVE-BLOCK-START
import numpy as np
import torch


def balanced_packing(weight, num_packs):
    """weight [rows, n] -> pack of each item and its rank in the pack, both [rows, n]."""
    rows, items = weight.shape
    room = items // num_packs
    if room == 1:
        return np.tile(np.arange(items), (rows, 1)), np.zeros((rows, items), np.int64)
    pack_index, rank_in_pack = np.empty((rows, items), np.int64), np.empty((rows, items), np.int64)
    load, filled, row = np.zeros((rows, num_packs)), np.zeros((rows, num_packs), np.int64), np.arange(rows)
    for item in np.argsort(-weight, axis=1, kind="stable").T:
        pack = load.argmin(1)
        pack_index[row, item], rank_in_pack[row, item] = pack, filled[row, pack]
        filled[row, pack] += 1
        load[row, pack] += np.where(filled[row, pack] == room, np.inf, weight[row, item])
    return pack_index, rank_in_pack


def replicate_experts(weight, num_phy):
    """weight [rows, n] -> mid-level expert of each slot, [rows, num_phy], and counts [rows, n]."""
    rows, experts = weight.shape
    row = np.arange(rows)
    phy2mid = np.tile(np.arange(num_phy), (rows, 1))
    count = np.ones((rows, experts), np.int64)
    for slot in range(experts, num_phy):
        hottest = (weight / count).argmax(1)
        phy2mid[:, slot] = hottest
        count[row, hottest] += 1
    return phy2mid, count


def greedy(weight, num_replicas, num_groups, num_nodes, num_gpus):
    """The greedy's phy2log [L, num_replicas] and logcnt [L, E]; weight [L, E]."""
    layers, experts = weight.shape
    size, mids, slots = experts // num_groups, experts // num_nodes, num_replicas // num_nodes
    node, place = balanced_packing(weight.reshape(layers, num_groups, size).sum(-1), num_nodes)
    first = (node * (num_groups // num_nodes) + place) * size
    log2mid = (first[:, :, None] + np.arange(size)).reshape(layers, experts)
    mid2log = log2mid.argsort(1)
    load_mid = np.take_along_axis(weight, mid2log, 1).reshape(-1, mids)
    phy2mid, count = replicate_experts(load_mid, slots)
    gpu, place = balanced_packing(np.take_along_axis(load_mid / count, phy2mid, 1), num_gpus // num_nodes)

    row = np.arange(layers * num_nodes)[:, None]
    layer, slot = row // num_nodes, row % num_nodes * slots + gpu * (num_replicas // num_gpus) + place
    expert = mid2log[layer, row % num_nodes * mids + phy2mid]
    logcnt = np.take_along_axis(count.reshape(layers, experts), log2mid, 1)
    phy2log = np.empty((layers, num_replicas), np.int64)
    phy2log[layer, slot] = expert
    return phy2log, logcnt


def inverse(phy2log, logcnt):
    """log2phy [L, E, max(logcnt)] of phy2log [L, R]."""
    layer = np.arange(len(phy2log))[:, None]
    order = phy2log.argsort(1, kind="stable")  # the replicas of an expert stand together
    expert = np.take_along_axis(phy2log, order, 1)
    rank = np.arange(phy2log.shape[1]) - np.take_along_axis(logcnt.cumsum(1) - logcnt, expert, 1)
    log2phy = np.full((*logcnt.shape, logcnt.max()), -1)
    log2phy[layer, expert, rank] = order
    return log2phy


def preserved(phy2log, old, gpus):
    """Experts that stay on their GPU stay in their slot; both [L, R]."""
    new, before = phy2log.reshape(-1, phy2log.shape[1] // gpus), old.reshape(-1, phy2log.shape[1] // gpus)
    is_free = np.ones(new.shape, bool)  # replicas that have no slot yet
    result, row = np.full_like(new, -1), np.arange(len(new))
    for slot in range(new.shape[1]):
        same = (new == before[:, slot, None]) & is_free
        at, stays = same.argmax(1), same.any(1)
        result[stays, slot] = before[stays, slot]
        is_free[row[stays], at[stays]] = False
    result[result < 0] = new[is_free]  # row by row as many as are missing
    return result.reshape(phy2log.shape)


def rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus, old_phy2log):
    """weight [L, E], old_phy2log [L, R] -> phy2log [L, R], log2phy [L, E, X] with X = max(logcnt), logcnt [L, E]."""
    weight = _checked(weight, num_replicas, num_groups, num_nodes, num_gpus)
    load, old = weight.cpu().numpy(), _checked_old(old_phy2log, weight, num_replicas).numpy()
    if num_groups % num_nodes:
        num_groups, num_nodes = 1, 1
    phy2log, logcnt = greedy(load, num_replicas, num_groups, num_nodes, num_gpus)
    phy2log = preserved(phy2log, old, num_gpus)
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
