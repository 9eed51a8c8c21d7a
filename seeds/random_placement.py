"""Random placement: groups on random nodes, replicas of random experts, all on random GPUs.

Source: the control of every placement policy.
Idea: a generator with a fixed seed, so that every process of a server makes the same plan. The loads are not looked
at.
Complexity: O(L R log R).
Exact: no; it balances by chance only. Nothing moves after the first plan.
Provenance: baseline
"""

# EVOLVE-BLOCK-START
import torch

SEED = 20261124


def rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus):
    """weight [L, E] -> phy2log [L, num_replicas], log2phy [L, E, X] with X = max(logcnt), logcnt [L, E]."""
    layers, experts = _checked(weight, num_replicas, num_groups, num_nodes, num_gpus).shape
    generator = torch.Generator().manual_seed(SEED)
    if num_groups % num_nodes:
        num_groups, num_nodes = 1, 1
    size, mids, slots = experts // num_groups, experts // num_nodes, num_replicas // num_nodes
    group = torch.rand(layers, num_groups, generator=generator).argsort(1)
    expert = (group[:, :, None] * size + torch.arange(size)).view(layers, num_nodes, mids)
    spare = torch.randint(mids, (layers, num_nodes, slots - mids), generator=generator)
    mid = torch.cat([torch.arange(mids).expand(layers, num_nodes, mids), spare], 2)
    mid = mid.gather(2, torch.rand(mid.shape, generator=generator).argsort(2))
    phy2log = expert.gather(2, mid).view(layers, num_replicas)
    logcnt = torch.zeros(layers, experts, dtype=torch.int64).scatter_add_(1, phy2log, torch.ones_like(phy2log))
    width = int(logcnt.max())
    order = phy2log.argsort(stable=True, dim=1)  # the replicas of an expert stand together
    start = logcnt.cumsum(1) - logcnt
    rank = torch.arange(num_replicas) - start.gather(1, phy2log.gather(1, order))
    log2phy = torch.full((layers, experts * width), -1)
    log2phy.scatter_(1, phy2log.gather(1, order) * width + rank, order)
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
