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
    layers, experts = weight.shape
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
