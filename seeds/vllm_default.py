"""vLLM's default policy: DeepSeek's greedy in numpy, packing layer by layer; what stays on a GPU keeps its slot there.

Source: DefaultEplbPolicy in vllm/distributed/eplb/policy/default.py (https://github.com/vllm-project/vllm),
Apache-2.0; written anew.
Idea: one numpy argmin for each replica; a GPU without room gets an infinite load. Then, GPU by GPU, an expert that the
GPU held before goes back to the slot that it had, as nothing need be copied there.
Complexity: O(L R) calls of numpy, each over the GPUs of a node, and O(L G) for the slots.
Exact: yes; shares in float64, as numpy divides by integers. vLLM itself returns phy2log alone, and leaves the order of
equal loads to numpy's sort.
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
    for row, order in enumerate(np.argsort(-weight, axis=1, kind="stable")):
        load, filled = np.zeros(num_packs), np.zeros(num_packs, np.int64)
        for item in order:
            pack = int(np.argmin(load))
            pack_index[row, item], rank_in_pack[row, item] = pack, filled[pack]
            filled[pack] += 1
            load[pack] += np.inf if filled[pack] == room else weight[row, item]
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
    """The greedy's phy2log [L, num_replicas]; weight [L, E]."""
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
    phy2log = np.empty((layers, num_replicas), np.int64)
    phy2log[layer, slot] = mid2log[layer, row % num_nodes * mids + phy2mid]
    return phy2log


def preserved(new, old):
    """The experts of one GPU in the order that leaves those of `old` where they were; both [L, slots of the GPU]."""
    is_left, is_empty = np.ones(new.shape, bool), np.ones(new.shape, bool)
    result = np.empty_like(new)
    for slot in range(new.shape[1]):
        same = (new == old[:, slot, None]) & is_left
        layer = np.flatnonzero(same.any(1))
        result[layer, slot] = old[layer, slot]
        is_left[layer, same[layer].argmax(1)] = False
        is_empty[layer, slot] = False
    for layer in np.flatnonzero(is_left.any(1)):
        result[layer, is_empty[layer]] = new[layer, is_left[layer]]
    return result


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
    phy2log = greedy(load, num_replicas, num_groups, num_nodes, num_gpus)
    for on_gpu in np.split(np.arange(num_replicas), num_gpus):
        phy2log[:, on_gpu] = preserved(phy2log[:, on_gpu], old[:, on_gpu])
    log2phy, logcnt = inverse(phy2log, load.shape[1])
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
