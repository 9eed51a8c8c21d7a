"""A workload as the evaluation sees it: windows of load, a topology, and pairs to plan and judge on."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from eplb_evolve.placement import Topology
from eplb_evolve.workload.card import Card


@dataclass(frozen=True, eq=False)
class Workload:
    """Recorded (or composed) load of every logical expert, window after window.

    windows [windows, layers, logical experts], float64: token-expert assignments summed over one rebalance
    interval. Whole numbers, read-only: copy before handing them to code that may write. The topology is the
    card's unless it was overridden.
    """

    card: Card
    topology: Topology
    windows: NDArray[np.float64] = field(repr=False)

    def __post_init__(self) -> None:
        self.topology.check_experts(self.windows.shape[2])
        self.windows.setflags(write=False)

    @property
    def name(self) -> str:
        """The card's name."""
        return self.card.name

    def pairs(self, split: str) -> tuple[tuple[int, int], ...]:
        """Pairs (i, i + 1) of one split, in trace order: plan on i, judge on i (same) and i + 1 (next)."""
        return self.card.split.pairs(split)
