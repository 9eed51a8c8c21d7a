"""The published evolved balancer: a snake by index arithmetic, everywhere.

Source: the programs that ADRS published (Cheng et al., "Barbarians at the Gate", arXiv 2510.06189; the EPLB example
of https://github.com/UCB-ADRS/ADRS); written anew from their description.
Idea: the pack of an item follows from its rank in the sorted order alone: forwards in even rounds, backwards in odd
ones. Groups are packed in the same way. Replicas are counted in the loop of the seed.
Complexity: O(R) operations of torch on L x E numbers.
Exact: counts within a node yes, loads no.
Provenance: baseline
"""

# EVOLVE-BLOCK-START
import torch


def snake_packing(weight, num_packs):
    """weight [rows, n] -> pack of each item and its rank in the pack, both [rows, n]."""
    rows, items = weight.shape
    position = torch.arange(items)
    if items == num_packs:
        return position.expand(rows, -1), torch.zeros(rows, items, dtype=torch.int64)
    turn, at = position // num_packs, position % num_packs
    pack = torch.where(turn % 2 == 0, at, num_packs - 1 - at)
    order = weight.sort(dim=1, descending=True, stable=True).indices
    pack_index, rank_in_pack = torch.empty_like(order), torch.empty_like(order)
    pack_index.scatter_(1, order, pack.expand(rows, -1))
    rank_in_pack.scatter_(1, order, turn.expand(rows, -1))
    return pack_index, rank_in_pack


def replicate_experts(weight, num_phy):
    """weight [rows, n] -> mid-level expert and rank of each slot, [rows, num_phy], and counts [rows, n]."""
    rows = torch.arange(len(weight))
    phy2mid = torch.arange(num_phy).repeat(len(weight), 1)
    rank = torch.zeros_like(phy2mid)
    count = torch.ones(weight.shape, dtype=torch.int64)
    for slot in range(weight.shape[1], num_phy):
        hottest = (weight / count).argmax(1)
        phy2mid[:, slot], rank[:, slot] = hottest, count[rows, hottest]
        count[rows, hottest] += 1
    return phy2mid, rank, count


def rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus):
    """weight [L, E] -> phy2log [L, num_replicas], log2phy [L, E, X] with X = max(logcnt), logcnt [L, E]."""
    weight = _checked(weight, num_replicas, num_groups, num_nodes, num_gpus).cpu()
    layers, experts = weight.shape
    if num_groups % num_nodes:
        num_groups, num_nodes = 1, 1
    size, mids, slots = experts // num_groups, experts // num_nodes, num_replicas // num_nodes
    node, place = snake_packing(weight.view(layers, num_groups, size).sum(-1), num_nodes)
    first = (node * (num_groups // num_nodes) + place) * size
    log2mid = (first[:, :, None] + torch.arange(size)).flatten(1)
    mid2log = torch.empty_like(log2mid).scatter_(1, log2mid, torch.arange(experts).expand(layers, -1))
    load = weight.gather(1, mid2log).view(-1, mids)
    phy2mid, rank, count = replicate_experts(load, slots)
    gpu, place = snake_packing((load / count).gather(1, phy2mid), num_gpus // num_nodes)

    slot = gpu * (num_replicas // num_gpus) + place
    slot = slot.view(layers, num_nodes, slots) + torch.arange(num_nodes)[:, None] * slots
    mid = phy2mid.view(layers, num_nodes, slots) + torch.arange(num_nodes)[:, None] * mids
    slot, expert, rank = slot.flatten(1), mid2log.gather(1, mid.flatten(1)), rank.view(layers, -1)
    logcnt = count.view(layers, experts).gather(1, log2mid)
    width = int(count.max())
    phy2log = torch.empty_like(expert).scatter_(1, slot, expert)
    log2phy = torch.full((layers, experts * width), -1).scatter_(1, expert * width + rank, slot)
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
