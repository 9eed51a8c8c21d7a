"""A program that does nothing: its call time is the overhead of the clock, subtracted from every measurement."""

import torch

_NOTHING = torch.zeros(0, dtype=torch.int64)


def rebalance_experts(
    weight: torch.Tensor, num_replicas: int, num_groups: int, num_nodes: int, num_gpus: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Three empty tensors."""
    del weight, num_replicas, num_groups, num_nodes, num_gpus
    return _NOTHING, _NOTHING, _NOTHING
