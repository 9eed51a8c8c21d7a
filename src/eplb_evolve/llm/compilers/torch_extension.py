"""An extension in C++ by torch's load_inline."""

from torch.utils.cpp_extension import load_inline

load_inline("probe", "torch::Tensor twice(torch::Tensor x) { return x * 2; }", functions=["twice"])


def rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus):
    """Never called."""
