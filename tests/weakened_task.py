"""What weakened evaluators judge on: small synthetic loads, in layers of unequal load."""

from types import SimpleNamespace

import numpy as np

from eplb_evolve.evaluation.settings import RobustThresholds, Settings, Thresholds, Timing
from eplb_evolve.evaluation.task import Task
from eplb_evolve.placement import Topology
from eplb_evolve.sandbox import Limits
from eplb_evolve.workload.card import Split
from eplb_evolve.workload.windows import Workload

TIMED_LOADS_ONLY = RobustThresholds(0.0, 0.0, 0.0)
THRESHOLDS, PAIRS = Thresholds(robust=TIMED_LOADS_ONLY), 3
LIMITS = Limits(first_call_s=1.0, call_s=1.0)
TOPOLOGY = Topology(replicas=24, groups=4, nodes=2, gpus=8)
SPLIT = Split(search=((0, 1), (3, 4), (6, 7)), holdout=((9, 10),))


def _workload():
    """Three windows in a row are alike; then the experts of each group change places, as where the domain shifts."""
    rng, windows = np.random.default_rng(106), []
    load = rng.lognormal(9, 0.9, (4, 4, 4)) * np.array([1.0, 2.0, 3.0, 0.02])[:, None, None]  # layers, groups, experts
    for _ in range(4):
        load = rng.permuted(load, axis=2)
        windows += [load.reshape(4, 16) * rng.lognormal(0, 0.03, (4, 16)) for _ in range(3)]
    card = SimpleNamespace(name="synthetic", interval_steps=1, split=SPLIT)
    return Workload(card, TOPOLOGY, np.round(windows), np.round(windows).astype(np.uint32), None)


WORKLOAD = _workload()


def task():
    """Few calls, short limits."""
    timing = Timing(pairs_fast=PAIRS, pairs_slow=PAIRS, triage_pairs=PAIRS, max_seconds=1e-3)
    return Task(WORKLOAD, "search", [], Settings(THRESHOLDS, timing, LIMITS))
