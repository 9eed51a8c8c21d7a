"""A window of load under a plan, as both public evaluators simulate it: one expert after the other, by log2phy."""

import time
from dataclasses import dataclass

from eplb_evolve.placement import Floats, Ints, balancedness


@dataclass(frozen=True)
class Simulated:
    """Balancedness of the slots (theirs: of the experts) and of the GPUs, 0..1; processor seconds of the simulation."""

    experts: float
    gpus: float
    seconds: float


def simulate(log2phy: Ints, logcnt: Ints, next_load: Floats, replicas: int, gpus: int) -> Simulated | None:
    """The load [L, E] spread over `replicas` slots a layer; None where the simulation would raise.

    Each expert's load is shared equally by the first logcnt slots that log2phy names, whatever phy2log says. A slot
    that is named twice for one expert gets one share, and the other is lost; -1 is the last slot. It is a loop over
    tensors' elements because theirs is: its time is part of SkyDiscover's score.
    """
    import torch  # here: importing it takes most of a second, and few commands need it

    load, copies, places = (torch.from_numpy(array.copy()) for array in (next_load, logcnt, log2phy))
    layers, experts = load.shape
    began = time.thread_time()
    slots = torch.zeros(layers, replicas)
    try:
        for layer in range(layers):
            for expert in range(experts):
                whole, count = load[layer][expert].item(), int(copies[layer][expert].item())
                if whole > 0 and count > 0:
                    slots[layer, places[layer][expert][:count]] += whole / count
    except (IndexError, RuntimeError):  # a slot that there is not, a shape that fits nothing
        return None
    by_gpu = slots.view(layers, gpus, -1).sum(2)
    of_slots, of_gpus = (balancedness(each.double().numpy()) if slots.any() else 0.0 for each in (slots, by_gpu))
    return Simulated(of_slots, of_gpus, time.thread_time() - began)
