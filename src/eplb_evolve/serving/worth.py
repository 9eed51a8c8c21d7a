"""What rebalances that were measured are worth to one server: the figures of a leaderboard's row."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from eplb_evolve.errors import UsageError
from eplb_evolve.serving.cost import (
    MODES,
    Interval,
    Mode,
    best_interval,
    break_even_steps,
    drift_s_per_step,
    net_throughput,
    perfect,
)
from eplb_evolve.serving.presets import Deployment, deployment

MOST_STEPS = 10**9
VLLM_STEPS = 3000
"""vLLM's default interval, at which every program is shown."""


@dataclass(frozen=True)
class Serving:
    """The server that a program is judged for.

    Attributes:
        preset: name of a deployment
        interval: steps between two rebalances
        mode: whether serving waits for a rebalance
    """

    preset: str = "deepseek-v3-decode"
    interval: int = VLLM_STEPS
    mode: Mode = "blocking"

    def __post_init__(self) -> None:
        deployment(self.preset)
        if not 1 <= self.interval <= MOST_STEPS:
            bound = "1 at least" if self.interval < 1 else f"{MOST_STEPS:,} at most"
            raise UsageError(f"serving: interval is a number of steps, {bound}, not {self.interval}")
        if self.mode not in MODES:
            raise UsageError(f"serving: mode is {' or '.join(MODES)}, not '{self.mode}'")

    @property
    def deployment(self) -> Deployment:
        """The preset itself."""
        return deployment(self.preset)

    def __str__(self) -> str:
        return f"{self.preset}, a rebalance every {self.interval} steps, {self.mode}"


@dataclass(frozen=True)
class Worth:
    """Throughput / that of never rebalancing, by the model of `cost`.

    Attributes:
        net_blocking_3000: serving waits for a rebalance every 3000 steps
        net_background_3000: serving goes on meanwhile
        net_blocking_best: at the best interval if load drifts on as in the trace
        net_background_best: likewise
        best_interval_steps: of blocking rebalances
        break_even_steps: steps that pay for a blocking rebalance; None when it never pays
        of_perfect: share of the gain of perfect balance at no cost that blocking at 3000 steps reaches
    """

    net_blocking_3000: float
    net_background_3000: float
    net_blocking_best: float
    net_background_best: float
    best_interval_steps: int
    break_even_steps: float | None
    of_perfect: float


def worth(served: Deployment, intervals: Sequence[Interval], window_steps: int) -> Worth:
    """The figures of these intervals, each as long as `window_steps` recorded steps."""
    drift = drift_s_per_step(served, intervals, window_steps)
    blocking = net_throughput(served, intervals, VLLM_STEPS, "blocking")
    steps, best = best_interval(served, intervals, "blocking", drift)
    even = break_even_steps(served, intervals)
    most = net_throughput(served, perfect(intervals), VLLM_STEPS, "blocking")
    return Worth(
        net_blocking_3000=blocking,
        net_background_3000=net_throughput(served, intervals, VLLM_STEPS, "background"),
        net_blocking_best=best,
        net_background_best=best_interval(served, intervals, "background", drift)[1],
        best_interval_steps=steps,
        break_even_steps=even if math.isfinite(even) else None,
        of_perfect=share_of_perfect(blocking, most),
    )


def share_of_perfect(net: float, most: float) -> float:
    """Share of the gain of perfect balance, whose net throughput is `most`, that `net` reaches."""
    return (net - 1) / (most - 1) if most > 1 else 0.0


def sentence(served: Deployment, workload: str, name: str, interval: int, blocking: float, background: float) -> str:
    """What a reader can quote of a balancer, with its assumptions."""
    return (
        f"If a balanced step takes {1e3 * served.step_s:.0f} ms, {served.load_share:.0%} of which wait for the fullest "
        f"GPU, and moving weights takes {1e3 * served.layer_overhead_s:.1f} ms a layer beside the bytes, then with "
        f"load as in {workload} a rebalance by {name} every {interval:,} steps gives {blocking:.3f} times the "
        f"throughput of never rebalancing while serving waits for it, and {background:.3f} times in the background."
    )
