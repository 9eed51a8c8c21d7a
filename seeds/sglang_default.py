"""SGLang's default algorithm: DeepSeek's greedy with Python lists where DeepSeek's own reads tensors item by item.

Source: deepseek in python/sglang/srt/eplb/eplb_algorithms (https://github.com/sgl-project/sglang), Apache-2.0, which
`--eplb-algorithm auto` takes; written anew.
Idea: what the loops over items read and write are lists of numbers; only replicas are counted in torch. With all ranks
alive SGLang's elasticity_aware plans the same.
Complexity: O(L R G / N) steps of Python and O(R) operations of torch on L x E numbers.
Exact: yes; equal loads by number, which SGLang leaves to torch's sort.
Provenance: baseline
Held against: sglang 0.5.23, sglang.srt.eplb.eplb_algorithms.deepseek
"""

# EVOLVE-BLOCK-START
import torch


def balanced_packing(weight, num_packs):
    """weight [rows, n] -> pack of each item and its rank in the pack, both [rows, n]."""
    rows, items = weight.shape
    room = items // num_packs
    if room == 1:
        return torch.arange(items).expand(rows, -1), torch.zeros(rows, items, dtype=torch.int64)
    pack_index, rank_in_pack = [[0] * items for _ in range(rows)], [[0] * items for _ in range(rows)]
    order = weight.float().sort(dim=1, descending=True, stable=True).indices.tolist()
    for row, loads in enumerate(weight.tolist()):
        held, filled = [0.0] * num_packs, [0] * num_packs
        for item in order[row]:
            pack = min((each for each in range(num_packs) if filled[each] < room), key=held.__getitem__)
            pack_index[row][item], rank_in_pack[row][item] = pack, filled[pack]
            held[pack] += loads[item]
            filled[pack] += 1
    return torch.tensor(pack_index), torch.tensor(rank_in_pack)


def replicate_experts(weight, num_phy):
    """weight [rows, n] -> mid-level expert and rank of each slot, [rows, num_phy], and counts [rows, n]."""
    rows, experts = weight.shape
    row = torch.arange(rows)
    phy2mid, rank = torch.arange(num_phy).repeat(rows, 1), torch.zeros(rows, num_phy, dtype=torch.int64)
    count = torch.ones(rows, experts, dtype=torch.int64)
    for slot in range(experts, num_phy):
        hottest = (weight / count).argmax(1)
        phy2mid[:, slot], rank[:, slot] = hottest, count[row, hottest]
        count[row, hottest] += 1
    return phy2mid, rank, count


def rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus):
    """weight [L, E] -> phy2log [L, num_replicas], log2phy [L, E, X] with X = max(logcnt), logcnt [L, E]."""
    weight = _checked(weight, num_replicas, num_groups, num_nodes, num_gpus).cpu()
    if num_groups % num_nodes:
        num_groups, num_nodes = 1, 1
    layers, experts = weight.shape
    size, mids, slots = experts // num_groups, experts // num_nodes, num_replicas // num_nodes
    node, place = balanced_packing(weight.view(layers, num_groups, size).sum(-1), num_nodes)
    first = (node * (num_groups // num_nodes) + place) * size
    log2mid = (first[:, :, None] + torch.arange(size)).flatten(1)
    mid2log = log2mid.argsort(1)
    load_mid = weight.gather(1, mid2log).view(-1, mids)
    phy2mid, rank, count = replicate_experts(load_mid, slots)
    gpu, place = balanced_packing((load_mid / count).gather(1, phy2mid), num_gpus // num_nodes)

    in_slot = (gpu * (num_replicas // num_gpus) + place).argsort(1)  # the replica in each slot of the node
    mid = phy2mid.gather(1, in_slot).view(layers, num_nodes, slots) + torch.arange(num_nodes)[:, None] * mids
    phy2log = mid2log.gather(1, mid.flatten(1))
    rank = rank.gather(1, in_slot).view(layers, num_replicas)
    logcnt = count.view(layers, experts).gather(1, log2mid)
    width = int(logcnt.max())
    log2phy = torch.full((layers, experts * width), -1)
    log2phy.scatter_(1, phy2log * width + rank, torch.arange(num_replicas).expand(layers, -1))
    return phy2log, log2phy.view(layers, experts, width), logcnt


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
