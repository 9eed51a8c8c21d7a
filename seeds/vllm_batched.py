"""vLLM's layer-batched policy: the default policy with packing done for all layers at once.

Source: pull request 52556 of vLLM (https://github.com/vllm-project/vllm/pull/52556), which no release has yet; written
anew from its description.
Idea: the items of one rank go to a GPU in all layers with one call, since layers do not depend on each other. Slots are
not kept, as vLLM would; greedy_preserve.py is the same with them.
Complexity: O(R) calls of numpy, each over L x G numbers.
Exact: yes; shares in float64.
Provenance: baseline
Held against: vllm 0.33.0, vllm.distributed.eplb.policy.default, which the pull request must equal
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
    """weight [rows, n] -> mid-level expert and rank of each slot, [rows, num_phy], and counts [rows, n]."""
    rows, experts = weight.shape
    row = np.arange(rows)
    phy2mid, rank = np.tile(np.arange(num_phy), (rows, 1)), np.zeros((rows, num_phy), np.int64)
    count = np.ones((rows, experts), np.int64)
    for slot in range(experts, num_phy):
        hottest = (weight / count).argmax(1)
        phy2mid[:, slot], rank[:, slot] = hottest, count[row, hottest]
        count[row, hottest] += 1
    return phy2mid, rank, count


def rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus):
    """weight [L, E] -> phy2log [L, num_replicas], log2phy [L, E, X] with X = max(logcnt), logcnt [L, E]."""
    weight = _checked(weight, num_replicas, num_groups, num_nodes, num_gpus).cpu().numpy()
    if num_groups % num_nodes:
        num_groups, num_nodes = 1, 1
    layers, experts = weight.shape
    size, mids, slots = experts // num_groups, experts // num_nodes, num_replicas // num_nodes
    node, place = balanced_packing(weight.reshape(layers, num_groups, size).sum(-1), num_nodes)
    first = (node * (num_groups // num_nodes) + place) * size
    log2mid = (first[:, :, None] + np.arange(size)).reshape(layers, experts)
    mid2log = log2mid.argsort(1)
    load_mid = np.take_along_axis(weight, mid2log, 1).reshape(-1, mids)
    phy2mid, rank, count = replicate_experts(load_mid, slots)
    gpu, place = balanced_packing(np.take_along_axis(load_mid / count, phy2mid, 1), num_gpus // num_nodes)

    row = np.arange(layers * num_nodes)[:, None]
    layer, slot = row // num_nodes, row % num_nodes * slots + gpu * (num_replicas // num_gpus) + place
    expert = mid2log[layer, row % num_nodes * mids + phy2mid]
    logcnt = np.take_along_axis(count.reshape(layers, experts), log2mid, 1)
    phy2log = np.empty((layers, num_replicas), np.int64)
    log2phy = np.full((layers, experts, logcnt.max()), -1)
    phy2log[layer, slot], log2phy[layer, expert, rank] = expert, slot
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
