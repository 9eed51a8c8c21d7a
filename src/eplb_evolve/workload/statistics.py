"""What a workload's load looks like: skew, drift, dispersion, groups, and what greedy placement makes of it.

Everything is measured over all windows of the trace. `windows` is [windows, layers, logical experts]
throughout; a layer without any load in a window is left out.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eplb_evolve.placement import Placement, Topology, balancedness, gpu_loads
from eplb_evolve.reference import plan

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Statistics:
    """Figures of one workload, all without unit; None where a topology has no such thing.

    Balancedness is the mean over pairs of windows of vLLM's figure (0..1): `none` has each expert once in
    index order, `same` and `next` plan with the reference on window i and judge on i and i + 1.
    """

    skew_median: float
    skew_p95: float
    gini: float
    cosine_next: float
    drift_raw: float
    drift: float
    overdispersion: float
    group_skew_median: float | None
    group_skew_p95: float | None
    group_variation: float | None
    balance_none: float
    balance_same_hierarchical: float | None
    balance_next_hierarchical: float | None
    balance_same_global: float
    balance_next_global: float


def measure(windows: Floats, topology: Topology) -> Statistics:
    """All statistics of `windows`, with the groups and GPUs of `topology`."""
    skews = skew(windows)
    drifts = drift(windows)
    grouped = group_loads(windows, topology.groups) if topology.groups > 1 else None
    groups = skew(grouped) if grouped is not None else None
    flat = Topology(topology.replicas, 1, 1, topology.gpus)
    same, after = greedy_balance(windows, flat)
    on_nodes = greedy_balance(windows, topology) if topology.hierarchical and topology.nodes > 1 else None
    return Statistics(
        skew_median=float(np.median(skews)),
        skew_p95=float(np.percentile(skews, 95)),
        gini=float(gini(windows).mean()),
        cosine_next=float(cosine_next(windows).mean()),
        drift_raw=float(drifts[0].mean()),
        drift=float(drifts[1].mean()),
        overdispersion=overdispersion(windows),
        group_skew_median=None if groups is None else float(np.median(groups)),
        group_skew_p95=None if groups is None else float(np.percentile(groups, 95)),
        group_variation=None if grouped is None else float(np.median(variation(grouped))),
        balance_none=balance_none(windows, topology.gpus),
        balance_same_hierarchical=None if on_nodes is None else on_nodes[0],
        balance_next_hierarchical=None if on_nodes is None else on_nodes[1],
        balance_same_global=same,
        balance_next_global=after,
    )


def skew(windows: Floats) -> Floats:
    """Largest load / mean load of each loaded layer and window, [n]."""
    rows = _loaded(windows)
    result: Floats = rows.max(axis=1) / rows.mean(axis=1)
    return result


def variation(windows: Floats) -> Floats:
    """Coefficient of variation, standard deviation / mean, of each loaded layer and window, [n]."""
    rows = _loaded(windows)
    result: Floats = rows.std(axis=1) / rows.mean(axis=1)
    return result


def gini(windows: Floats) -> Floats:
    """Gini coefficient over the experts of each loaded layer and window, [n]: 0 is equal, 1 is all on one."""
    rows = np.sort(_loaded(windows), axis=1)
    experts = rows.shape[1]
    weight = 2 * np.arange(1, experts + 1) - experts - 1
    result: Floats = (rows @ weight) / (experts * rows.sum(axis=1))
    return result


def group_loads(windows: Floats, groups: int) -> Floats:
    """Load of each expert group, [windows, layers, groups]."""
    result: Floats = windows.reshape(*windows.shape[:2], groups, -1).sum(axis=3)
    return result


def cosine_next(windows: Floats) -> Floats:
    """Cosine between the loads of a layer in one window and in the next, [n]."""
    before, after = _pairs(windows)
    norms = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
    result: Floats = (before * after).sum(axis=1) / norms
    return result


def drift(windows: Floats) -> tuple[Floats, Floats]:
    """Change of expert shares from one window to the next, relative to them: raw, noise-corrected, [n] each.

    With p and q the shares of a layer's N and M assignments in a window and the next: raw = |q - p| / |p|,
    Euclidean. Even with constant routing, sampling alone gives |q - p|^2 the mean s = sum p(1 - p)/N + sum
    q(1 - q)/M; the corrected drift is sqrt(max(0, |q - p|^2 - s)) / |p|.
    """
    before, after = _pairs(windows)
    totals = before.sum(axis=1), after.sum(axis=1)
    p, q = before / totals[0][:, None], after / totals[1][:, None]
    change = ((q - p) ** 2).sum(axis=1)
    sampling = (p * (1 - p)).sum(axis=1) / totals[0] + (q * (1 - q)).sum(axis=1) / totals[1]
    size = np.linalg.norm(p, axis=1)
    return np.sqrt(change) / size, np.sqrt(np.maximum(change - sampling, 0.0)) / size


def overdispersion(windows: Floats) -> float:
    """Variance over windows / mean of an expert's load, median over experts: about 1 for constant routing.

    (A multinomial sample with constant shares has 1 - share, 0.97 or more at equal shares of 32 experts.)
    """
    mean = windows.mean(axis=0)
    used = mean > 0
    return float(np.median(windows.var(axis=0, ddof=1)[used] / mean[used]))


def balance_none(windows: Floats, gpus: int) -> float:
    """Balancedness without rebalancing: each expert once, in index order over the GPUs. Mean over windows."""
    experts = windows.shape[2]
    on_gpu = (np.arange(experts) * gpus // experts)[:, None] == np.arange(gpus)
    return float(np.mean([balancedness(window @ on_gpu) for window in windows]))


def greedy_balance(windows: Floats, topology: Topology) -> tuple[float, float]:
    """Balancedness of the reference planned on each window, on that window and the next. Mean over pairs."""
    pairs, layers, experts = windows[:-1].shape
    phy2log, _, logcnt = plan(windows[:-1].reshape(pairs * layers, experts), *topology.as_arguments())
    same, after = [], []
    for i in range(pairs):
        rows = slice(i * layers, (i + 1) * layers)
        placement = Placement(phy2log[rows], logcnt[rows])
        same.append(balancedness(gpu_loads(windows[i], placement, topology.gpus)))
        after.append(balancedness(gpu_loads(windows[i + 1], placement, topology.gpus)))
    return float(np.mean(same)), float(np.mean(after))


def _loaded(windows: Floats) -> Floats:
    rows = windows.reshape(-1, windows.shape[2])
    loaded: Floats = rows[rows.sum(axis=1) > 0]
    return loaded


def _pairs(windows: Floats) -> tuple[Floats, Floats]:
    experts = windows.shape[2]
    before, after = windows[:-1].reshape(-1, experts), windows[1:].reshape(-1, experts)
    both = (before.sum(axis=1) > 0) & (after.sum(axis=1) > 0)
    return before[both], after[both]
