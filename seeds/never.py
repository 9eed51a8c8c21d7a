"""Never rebalance: every expert where it was when the server started.

Source: what a server does without EPLB.
Idea: experts in their order, then the spare slots round robin; node by node where groups must stay together. The
loads are not looked at.
Complexity: O(L R).
Exact: no; it balances nothing. Nothing moves either.
Provenance: baseline
"""

# EVOLVE-BLOCK-START
import torch


def rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus):
    """weight [L, E] -> phy2log [L, num_replicas], log2phy [L, E, X] with X = max(logcnt), logcnt [L, E]."""
    layers, experts = _checked(weight, num_replicas, num_groups, num_nodes, num_gpus).shape
    nodes = num_nodes if num_groups % num_nodes == 0 else 1
    slot = torch.arange(num_replicas // nodes)
    node = torch.arange(nodes)[:, None]
    expert = node * (experts // nodes) + slot % (experts // nodes)
    rank = (slot // (experts // nodes)).expand(nodes, -1)
    logcnt = torch.bincount(expert.flatten())
    log2phy = torch.full((experts, int(logcnt.max())), -1)
    log2phy[expert, rank] = node * (num_replicas // nodes) + slot
    return (
        expert.flatten().repeat(layers, 1),
        log2phy.repeat(layers, 1, 1),
        logcnt.repeat(layers, 1),
    )


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
