"""Groups and nodes ignored: replicas of all experts of a layer, dealt forth and back over all GPUs.

Source: the best program for EPLB of LEVI (Tanveer, "LEVI", arXiv 2605.09764; https://github.com/ttanv/levi), which a
search with an LLM found; written anew from its description.
Idea: without the group rule a layer is one sort. The replicas, heaviest first, go to the GPUs forwards in even rounds
and backwards in odd ones, so the slot of each follows from its rank alone. Further replicas are the largest of load /
1, load / 2, ... of all experts, found by one selection.
Complexity: O(R log R + spare slots^2) per layer, in a few operations of torch on all layers at once.
Exact: counts of a layer without groups yes, but for ties; loads no.
Groups: ignored, so where the group rule holds its placements are invalid.
Provenance: baseline
"""

# EVOLVE-BLOCK-START
import torch


def count_replicas(weight, spares):
    """Each further replica to the highest load per replica, weight [L, E]. Returns counts [L, E]."""
    count = torch.ones_like(weight, dtype=torch.int64)
    if spares == 0:
        return count
    heaviest, expert = weight.topk(min(spares, weight.shape[1]), dim=1)
    shares = heaviest[:, :, None] / torch.arange(1, spares + 1, device=weight.device)
    chosen = shares.flatten(1).topk(spares, dim=1, sorted=False).indices // spares
    return count.scatter_add_(1, expert.gather(1, chosen), torch.ones_like(chosen))


def snake_slots(replicas, num_gpus, device):
    """The slot of the heaviest replica, the second heaviest, and so on, [replicas]."""
    position = torch.arange(replicas, device=device)
    turn, at = position // num_gpus, position % num_gpus
    gpu = torch.where(turn % 2 == 0, at, num_gpus - 1 - at)
    return gpu * (replicas // num_gpus) + turn


def rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus):
    """weight [L, E] -> phy2log [L, num_replicas], log2phy [L, E, X] with X = max(logcnt), logcnt [L, E]."""
    weight = _checked(weight, num_replicas, num_groups, num_nodes, num_gpus)
    layers, experts = weight.shape
    device = weight.device
    logcnt = count_replicas(weight, num_replicas - experts)

    expert = torch.repeat_interleave(logcnt.flatten(), output_size=layers * num_replicas).view(layers, -1)
    expert -= torch.arange(layers, device=device)[:, None] * experts
    start = logcnt.cumsum(1) - logcnt
    rank = torch.arange(num_replicas, device=device) - start.gather(1, expert)

    heaviest = (weight / logcnt).gather(1, expert).sort(dim=1, descending=True, stable=True).indices
    expert, rank = expert.gather(1, heaviest), rank.gather(1, heaviest)
    slot = snake_slots(num_replicas, num_gpus, device).expand(layers, -1)

    width = int(logcnt.max())
    phy2log = torch.empty_like(expert).scatter_(1, slot, expert)
    log2phy = torch.full((layers, experts * width), -1, device=device).scatter_(1, expert * width + rank, slot)
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
