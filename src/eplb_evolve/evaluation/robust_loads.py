"""Loads of the timed shape that the timed workload does not have: what a server may meet, and a search must not forget.

A program that is specialised to the timed loads runs its specialised path here. Each evaluation draws its own.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eplb_evolve.placement import Floats, Topology
from eplb_evolve.workload.card import Composition
from eplb_evolve.workload.composition import layout
from eplb_evolve.workload.windows import Workload

TAILS = (2.5, 5.6, 10.0, 17.0)
"""Largest load / mean load, median over the layers. The totals of DeepSeek-V3 servers: 6.1, p95 10.9."""
GROUP_SPREAD = 0.34
"""Coefficient of variation of the groups' loads, as in those totals."""
DRIFT, REACH = 0.2, 0.3
"""Standard deviations of an expert's log load: from one window to the next, and around its mean over all windows."""
UNIFORM_SPREAD = 0.03
DOMINANT_SHARE = 1 / 3
LARGEST_SKEW = 0.6
"""No tail is heavier than this share of the experts: all load on one expert would be a skew of their number."""
ASSIGNMENTS = 400_000.0
"""Load of a layer in a window; no program may depend on the scale."""


@dataclass(frozen=True)
class RobustLoad:
    """One kind of load.

    Attributes:
        name: in words
        windows: endless, each [layers, experts], in the order in which a program meets them
        unjudged: how many calls pass before the first that is judged
        unjudged_movement_aware: the same for a program that is told the old placement and may keep much of it
    """

    name: str
    windows: Iterator[Floats]
    unjudged: int = 0
    unjudged_movement_aware: int = 1


def robust_loads(
    layers: int, experts: int, topology: Topology, others: Sequence[Workload], split: str, rng: np.random.Generator
) -> Iterator[RobustLoad]:
    """Every kind, for one shape. others: recorded workloads; one that divides the experts is composed to the shape."""
    shape = (layers, experts, topology.groups)
    for tail in TAILS:
        yield RobustLoad(f"log-normal loads, largest/mean {tail:g}", _drifting(_log_normal(*shape, tail, rng), rng))
    uniform = 1 + UNIFORM_SPREAD * rng.standard_normal((layers, experts))
    yield RobustLoad("near-uniform loads", _drifting(_scaled(uniform), rng, UNIFORM_SPREAD))
    yield RobustLoad("one expert with a third of each layer's load", _drifting(_dominated(*shape, rng), rng))
    before = _log_normal(*shape, TAILS[1], rng)
    yield RobustLoad("ranks reversed from one window to the next", _reversal(before, topology.groups, rng), 1, 2)
    for other in others:
        recorded = other.windows.shape[2]
        side_by_side = experts // recorded
        if experts % recorded == 0 and 1 < side_by_side <= other.windows.shape[1]:
            yield RobustLoad(f"{other.name} composed to this shape", _composed(other, *shape, split, rng))
            break


def _log_normal(layers: int, experts: int, groups: int, tail: float, rng: np.random.Generator) -> Floats:
    """Loads [layers, experts] whose median largest/mean is `tail`, in groups of unequal load."""
    normal = rng.standard_normal((layers, experts))
    group = np.repeat(np.exp(GROUP_SPREAD * rng.standard_normal((layers, groups))), experts // groups, axis=1)
    wanted = min(tail, LARGEST_SKEW * experts)
    low, high = 0.0, 16.0
    for _ in range(40):
        middle = (low + high) / 2
        loads = _grouped(np.exp(middle * normal), group, groups)
        skew = float(np.median(loads.max(axis=1) / loads.mean(axis=1)))
        low, high = (middle, high) if skew < wanted else (low, middle)
    return _scaled(loads)


def _grouped(loads: Floats, group: Floats, groups: int) -> Floats:
    """The loads with each group's sum as `group` [layers, experts] has it, up to a factor."""
    if groups == 1:
        return loads
    sums = loads.reshape(len(loads), groups, -1).sum(axis=2)
    result: Floats = loads / np.repeat(sums, loads.shape[1] // groups, axis=1) * group
    return result


def _dominated(layers: int, experts: int, groups: int, rng: np.random.Generator) -> Floats:
    loads = _log_normal(layers, experts, groups, TAILS[0], rng)
    row, hottest = np.arange(layers), rng.integers(0, experts, layers)
    rest = loads.sum(axis=1) - loads[row, hottest]
    loads[row, hottest] = rest * DOMINANT_SHARE / (1 - DOMINANT_SHARE)
    return _scaled(loads)


def _reversal(loads: Floats, groups: int, rng: np.random.Generator) -> Iterator[Floats]:
    """A window, and then windows in which every group's most loaded expert has become its least loaded, and so on."""
    yield loads
    grouped = loads.reshape(len(loads), groups, -1)
    order = np.argsort(grouped, axis=2)
    turned = np.empty_like(grouped)
    np.put_along_axis(turned, order, np.take_along_axis(grouped, order[:, :, ::-1], axis=2), axis=2)
    yield from _drifting(turned.reshape(loads.shape), rng)


def _composed(
    other: Workload, layers: int, experts: int, groups: int, split: str, rng: np.random.Generator
) -> Iterator[Floats]:
    """Windows of another recording in trace order, its layers side by side, again and again."""
    windows = list(other.card.split.windows(split))
    rule = Composition(other.name, int(rng.integers(2**31)), experts // other.windows.shape[2], groups, 0.45)
    placed = layout(other.windows[windows].sum(axis=0), layers, rule)
    while True:
        for window in windows:
            yield other.redraw(window, rng).ravel()[placed]


def _drifting(loads: Floats, rng: np.random.Generator, drift: float = DRIFT) -> Iterator[Floats]:
    """The loads, and then windows that wander around them without getting far: an autoregressive log load."""
    reach = drift / DRIFT * REACH
    kept = 1 - (drift / reach) ** 2 / 2
    away = np.zeros(loads.shape)
    while True:
        yield _scaled(loads * np.exp(away))
        away = kept * away + reach * np.sqrt(1 - kept**2) * rng.standard_normal(loads.shape)


def _scaled(loads: NDArray[np.float64]) -> Floats:
    result: Floats = np.maximum(loads, 0) * (ASSIGNMENTS / np.maximum(loads.sum(axis=1, keepdims=True), 1e-300))
    return result
