"""A workload as the evaluation sees it: windows of load, a topology, and pairs to plan and judge on."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from eplb_evolve.placement import Topology
from eplb_evolve.workload.card import Card
from eplb_evolve.workload.counts import Counts


@dataclass(frozen=True, eq=False)
class Workload:
    """Recorded (or composed) load of every logical expert, window after window.

    Attributes:
        topology: the card's unless it was overridden
        windows: [windows, layers, logical experts], float64: token-expert assignments summed over one rebalance
            interval. Whole numbers, read-only: copy before handing them to code that may write
        recorded: [steps, layers, experts] as recorded, the composite's source where there is one
        placed: [layers, logical experts], which recorded expert (layer * experts + expert) each one of a composite is;
            None where the recording is used as it is
    """

    card: Card
    topology: Topology
    windows: NDArray[np.float64] = field(repr=False)
    recorded: Counts = field(repr=False)
    placed: NDArray[np.int64] | None = field(repr=False)

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

    def redraw(self, window: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """A window that might as well have been recorded: as many of its own steps, drawn with replacement, summed.

        [layers, logical experts]. A trace has few windows; a program that knew them again would be timed on its
        memory.
        """
        interval = self.card.interval_steps
        steps = self.recorded[window * interval : (window + 1) * interval]
        load = steps[rng.integers(0, interval, interval)].sum(axis=0, dtype=np.float64)
        drawn: NDArray[np.float64] = load if self.placed is None else load.ravel()[self.placed]
        return drawn
