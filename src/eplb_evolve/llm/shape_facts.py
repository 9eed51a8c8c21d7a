"""What a program's author must know of the load: its shape, the greedy's replica counts, how skewed it is."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eplb_evolve import reference
from eplb_evolve.workload.windows import Workload

_MOST_WINDOWS = 60


@dataclass(frozen=True)
class ShapeFacts:
    """Of one workload, from its search windows alone.

    Attributes:
        rows: rows that can be planned apart from each other: a layer and a node of it where groups keep to nodes
        row_experts, row_slots, row_gpus: of one such row
        most_replicas: the largest replica count of an expert in the exact greedy's plans
        median_most: median over layers and windows of the largest count in the layer
        share_median, share_largest: of the heaviest expert in the load of its row
    """

    name: str
    layers: int
    experts: int
    replicas: int
    groups: int
    nodes: int
    gpus: int
    rows: int
    row_experts: int
    row_slots: int
    row_gpus: int
    most_replicas: int
    median_most: float
    share_median: float
    share_largest: float


def shape_facts(workload: Workload) -> ShapeFacts:
    """A look at up to 60 of the search windows."""
    windows = [planned for planned, _ in workload.pairs("search")]
    chosen = [windows[at] for at in np.unique(np.linspace(0, len(windows) - 1, _MOST_WINDOWS).astype(int))]
    most, shares = [], []
    top = workload.topology
    nodes = top.nodes if top.hierarchical else 1
    layers, experts = workload.windows.shape[1:]
    for window in chosen:
        load = np.array(workload.windows[window])
        phy2log, _, counts = reference.plan(load, *top.as_arguments())
        most.append(counts.max(axis=1))
        shares.append(_heaviest(load, phy2log, nodes))
    largest, share = np.concatenate(most), np.concatenate(shares)
    return ShapeFacts(
        workload.name,
        *(layers, experts, top.replicas, top.groups, top.nodes, top.gpus),
        *(layers * nodes, experts // nodes, top.replicas // nodes, top.gpus // nodes),
        *(int(largest.max()), float(np.median(largest)), float(np.median(share)), float(share.max())),
    )


def _heaviest(load: NDArray[np.float64], phy2log: NDArray[np.int64], nodes: int) -> NDArray[np.float64]:
    """Of each layer and node the heaviest expert's share of the load there. load [L, E], phy2log [L, R]."""
    found = []
    for layer, slots in zip(load, phy2log.reshape(len(load), nodes, -1), strict=True):
        for there in slots:
            experts = layer[np.unique(there)]
            found.append(experts.max() / max(experts.sum(), 1e-30))
    return np.array(found)
