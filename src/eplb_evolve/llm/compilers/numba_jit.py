"""A small function by numba."""

import numba
import numpy as np


@numba.njit
def _largest(loads):
    found = 0
    for expert in range(loads.shape[0]):
        if loads[expert] > loads[found]:
            found = expert
    return found


_largest(np.ones(8))


def rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus):
    """Never called."""
