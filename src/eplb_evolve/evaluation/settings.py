"""What an evaluation can be told, as plain frozen dataclasses; `eplb_evolve.config` fills them from YAML."""

import math
from dataclasses import dataclass, field, replace
from typing import Literal

from eplb_evolve.checked import positive
from eplb_evolve.errors import UsageError
from eplb_evolve.sandbox import Level, Limits
from eplb_evolve.serving.worth import Serving

Device = Literal["cpu", "cuda"]


@dataclass(frozen=True)
class RobustThresholds:
    """Least balancedness, as a share of the exact greedy's, on each load unlike the timed ones (robust_loads).

    0 demands nothing.

    Attributes:
        next_window: mean over calls, judged on the window after the one planned on
        same_window: mean over calls, judged on the window planned on
        worst_layer: mean over calls of the least balanced layer, same window
    """

    next_window: float = 0.90
    same_window: float = 0.88
    worst_layer: float = 0.75

    def __post_init__(self) -> None:
        _check_shares(self, ("next_window", "same_window", "worst_layer"), "constraint: robust.")

    @property
    def demands(self) -> bool:
        """Whether anything is demanded."""
        return max(self.next_window, self.same_window, self.worst_layer) > 0

    def as_thresholds(self) -> "Thresholds":
        """For the judge."""
        return Thresholds(self.next_window, self.same_window, 0.0, self.worst_layer)


@dataclass(frozen=True)
class Thresholds:
    """The hard constraint: least balancedness, as a share of the exact greedy's on the same inputs; 0 demands nothing.

    Attributes:
        next_window: mean over calls, judged on the window after the one planned on (what serving sees)
        same_window: mean over calls, judged on the window planned on
        each_call: the least of any single call, same window
        worst_layer: mean over calls of the least balanced layer, same window
        robust: the thresholds on loads unlike the timed ones
    """

    next_window: float = 0.985
    same_window: float = 0.95
    each_call: float = 0.90
    worst_layer: float = 0.80
    robust: RobustThresholds = field(default_factory=RobustThresholds)

    def __post_init__(self) -> None:
        _check_shares(self, ("next_window", "same_window", "each_call", "worst_layer"), "constraint: ")


def _check_shares(thresholds: object, names: tuple[str, ...], where: str) -> None:
    for name in names:
        if not 0 <= getattr(thresholds, name) <= 1:
            value = getattr(thresholds, name)
            raise UsageError(f"{where}{name} is a share of the reference, 0..1, not {value}")


TRADED = Thresholds(0.0, 0.85, 0.0, 0.0, RobustThresholds(0.0, 0.75, 0.0))
"""The constraint where movement is traded against balance, whatever the profile: under objective `net_throughput`."""


@dataclass(frozen=True)
class Timing:
    """How long a candidate is timed.

    Attributes:
        pairs_fast: candidate/reference pairs for a candidate below `slow_ms`; doubled when they scatter
        pairs_slow: pairs for a slower one
        slow_ms: milliseconds per call from which on a candidate counts as slow
        max_seconds: cap on the timed seconds of one evaluation
        triage_pairs: pairs after which a search gives up on a candidate much worse than its best
    """

    pairs_fast: int = 40
    pairs_slow: int = 12
    slow_ms: float = 10.0
    max_seconds: float = 8.0
    triage_pairs: int = 3

    def __post_init__(self) -> None:
        if min(self.pairs_fast, self.pairs_slow, self.triage_pairs) < 2:
            raise UsageError("timing: an estimate needs two pairs at least")
        for name in ("pairs_fast", "pairs_slow", "triage_pairs", "max_seconds"):
            positive(getattr(self, name), f"timing: {name}", most=1e6)
        if not 0 <= self.slow_ms <= 1e6:
            raise UsageError(f"timing: slow_ms is a number of milliseconds, 0 to 1e6, not {self.slow_ms}")

    def shared_by(self, workloads: int) -> "Timing":
        """Pairs for each of several workloads, so that their mean is as sure as one workload's figure."""
        share = 1 / math.sqrt(workloads)
        fast, slow = (max(2, math.ceil(pairs * share)) for pairs in (self.pairs_fast, self.pairs_slow))
        return replace(self, pairs_fast=fast, pairs_slow=slow, max_seconds=self.max_seconds * share)


@dataclass(frozen=True)
class Settings:
    """Everything about an evaluation that is not the program and not the data.

    Attributes:
        device: where candidates run
        objective: what the score of a feasible candidate rewards, a name of `objectives`
        serving: the server that net throughput is computed for
        minimum_sandbox_level: refuse to run candidates where the machine allows less
    """

    thresholds: Thresholds = field(default_factory=Thresholds)
    timing: Timing = field(default_factory=Timing)
    limits: Limits = field(default_factory=Limits)
    device: Device = "cpu"
    objective: str = "time"
    serving: Serving = field(default_factory=Serving)
    minimum_sandbox_level: Level = "rlimits"
