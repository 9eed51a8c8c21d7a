"""A fixed spread: experts dealt out to the GPUs like cards, other experts doubled in each layer.

Source: the placement that needs no statistics; servers start from it when they have none.
Idea: neighbours in number go to different GPUs, and the spare replicas go round the experts from layer to layer, so
that no GPU is alike in all layers. The loads are not looked at.
Complexity: O(L R).
Exact: no; it balances by chance only. Nothing ever moves.
Provenance: baseline
"""

# EVOLVE-BLOCK-START
import torch


def rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus):
    """weight [L, E] -> phy2log [L, num_replicas], log2phy [L, E, X] with X = max(logcnt), logcnt [L, E]."""
    layers, experts = _checked(weight, num_replicas, num_groups, num_nodes, num_gpus).shape
    nodes = num_nodes if num_groups % num_nodes == 0 else 1
    mids, slots, gpus = experts // nodes, num_replicas // nodes, num_gpus // nodes
    item = torch.arange(slots)
    mid = (item + (torch.arange(layers) * (slots - mids))[:, None]) % mids  # [L, slots]
    dealt = item % gpus * (slots // gpus) + item // gpus  # slot of each item within the node
    node = torch.arange(nodes)[:, None]
    expert = mid[:, None] + node * mids  # [L, nodes, slots]
    slot = (dealt + node * slots).expand(layers, -1, -1).flatten(1)
    expert, rank = expert.flatten(1), (item // mids).repeat(layers, nodes)
    logcnt = torch.zeros(layers, experts, dtype=torch.int64).scatter_add_(1, expert, torch.ones_like(expert))
    width = int(logcnt.max())
    log2phy = torch.full((layers, experts * width), -1).scatter_(1, expert * width + rank, slot)
    phy2log = torch.empty_like(expert).scatter_(1, slot, expert)
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
