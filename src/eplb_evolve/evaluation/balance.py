"""How balanced a placement keeps the load of one call."""

from dataclasses import dataclass

import numpy as np

from eplb_evolve.evaluation.inputs import CallInputs
from eplb_evolve.placement import Placement, balancedness, balancedness_layers, gpu_loads


@dataclass(frozen=True)
class CallBalance:
    """Balancedness that one placement gives: on the next window, on its own, and of its own worst layer; 0..1."""

    next_window: float
    same_window: float
    worst_layer: float
    sglang: float


def measure(placement: Placement, inputs: CallInputs, gpus: int) -> CallBalance:
    """Balance of a placement on the window it was planned on and on the next one."""
    same = gpu_loads(inputs.weight.astype(np.float64), placement, gpus)
    following = gpu_loads(inputs.next_load, placement, gpus)
    return CallBalance(
        next_window=balancedness(following),
        same_window=balancedness(same),
        worst_layer=float(balancedness_layers(same).min()),
        sglang=float(balancedness_layers(following).mean()),
    )
