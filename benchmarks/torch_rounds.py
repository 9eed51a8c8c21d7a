"""A balancer in torch, on whatever device its input is: what GPU measurements use beside seed and reference.

As DeepSeek's, but no loop runs over layers, and packing goes in rounds: each round gives every pack one item, the
heaviest of the round to the pack that is lightest by then. That is near to exact greedy, in far fewer steps.
"""

import torch


def rounds(load: torch.Tensor, packs: int) -> torch.Tensor:
    """Items in the order of packs, as many in each. load [B, n] -> [B, n]."""
    heaviest = load.argsort(dim=1, descending=True, stable=True).view(len(load), -1, packs)  # [B, round, pack]
    total = load.new_zeros(len(load), packs)
    taken = []
    for item in heaviest.unbind(dim=1):
        lightest = total.argsort(dim=1, stable=True)
        taken.append(torch.empty_like(item).scatter_(1, lightest, item))
        total = total + load.gather(1, taken[-1])
    return torch.stack(taken, dim=2).flatten(1)


def replicate(load: torch.Tensor, slots: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Each further slot to the highest load per replica. [B, E] -> expert and rank of each slot [B, slots], count."""
    rows, experts = load.shape
    count = torch.ones(rows, experts, dtype=torch.int64, device=load.device)
    one = count[:, :1]
    expert = [torch.arange(experts, device=load.device).expand(rows, -1)]
    rank = [torch.zeros_like(count)]
    for _ in range(experts, slots):
        hottest = (load / count).argmax(dim=1, keepdim=True)
        expert.append(hottest)
        rank.append(count.gather(1, hottest))
        count = count.scatter_add(1, hottest, one)
    return torch.cat(expert, dim=1), torch.cat(rank, dim=1), count


def rebalance_experts(
    weight: torch.Tensor, num_replicas: int, num_groups: int, num_nodes: int, num_gpus: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The candidate's contract. Returns phy2log [L, R], log2phy [L, E, X] and logcnt [L, E] on the input's device."""
    load, (layers, experts) = weight.double(), weight.shape
    if num_groups % num_nodes:
        num_groups, num_nodes = 1, 1
    size = experts // num_groups

    # Step 1: groups to nodes
    group = rounds(load.view(layers, num_groups, size).sum(dim=2), num_nodes)
    of_node = (group.unsqueeze(2) * size + torch.arange(size, device=load.device)).view(layers, experts)
    rows = (layers * num_nodes, -1)
    load, logical = load.gather(1, of_node).view(rows), of_node.view(rows)

    # Step 2: redundant experts within nodes
    expert, rank, count = replicate(load, num_replicas // num_nodes)

    # Step 3: replicas to GPUs
    order = rounds((load / count).gather(1, expert), num_gpus // num_nodes)
    phy2log = logical.gather(1, expert.gather(1, order)).view(layers, num_replicas)
    rank = rank.gather(1, order).view(layers, num_replicas)
    logcnt = torch.empty_like(of_node).scatter_(1, of_node, count.view(layers, experts))
    width = int(logcnt.max())
    log2phy = torch.full((layers, experts * width), -1, dtype=torch.int64, device=load.device)
    log2phy.scatter_(1, phy2log * width + rank, torch.arange(num_replicas, device=load.device).expand(layers, -1))
    return phy2log, log2phy.view(layers, experts, width), logcnt
