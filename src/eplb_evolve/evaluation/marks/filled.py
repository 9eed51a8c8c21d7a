"""A program that plans nothing and fills three new tensors, as small as those of a plan can be.

What plans and answers in memory of its own can hardly be faster; what uses memory again that nobody holds can.
"""

import torch


def rebalance_experts(
    weight: torch.Tensor, num_replicas: int, num_groups: int, num_nodes: int, num_gpus: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Three new tensors; log2phy has as few columns as the number of replicas allows."""
    del num_groups, num_nodes, num_gpus
    layers, experts = weight.shape
    phy2log = torch.full((layers, num_replicas), 0, dtype=torch.int64)
    log2phy = torch.full((layers, experts, -(-num_replicas // experts)), -1, dtype=torch.int64)
    return phy2log, log2phy, torch.full((layers, experts), 1, dtype=torch.int64)
