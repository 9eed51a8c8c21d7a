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
    layers, experts = weight.shape
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
