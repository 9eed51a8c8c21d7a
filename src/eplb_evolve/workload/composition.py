"""The rule of a composite: wide layers assembled from recorded ones, with expert groups of unequal load.

Each composed layer puts `side_by_side` different recorded layers side by side, in another combination for
each layer. Its experts are ordered by the logarithm of their load plus Gaussian noise and cut into groups, so
that groups differ in load as those of a server do; group order within the layer and expert order within each
group are then shuffled, so that position reveals nothing. Only search windows decide the order: the holdout
never shapes the workload.
"""

import hashlib

import numpy as np
from numpy.typing import NDArray

from eplb_evolve.errors import UsageError
from eplb_evolve.workload.card import Composition
from eplb_evolve.workload.counts import Sums

MAX_DRAWS = 1000


def layout(search_load: NDArray[np.float64], layers: int, rule: Composition) -> NDArray[np.int64]:
    """Which recorded expert each composed expert is, [layers, side_by_side * E], as layer * E + expert.

    search_load [recorded layers, E] is the load summed over the search windows.
    """
    recorded, experts = search_load.shape
    width = rule.side_by_side * experts
    if rule.side_by_side > recorded:
        raise UsageError(f"composition: side_by_side is {rule.side_by_side}, but {rule.source} has {recorded} layers")
    if width % rule.groups:
        raise UsageError(f"composition: {width} experts do not divide into {rule.groups} groups")
    rng = np.random.default_rng(rule.seed)
    log_load = np.log(search_load + 0.5).ravel()  # half an assignment keeps experts without load finite
    used: set[frozenset[int]] = set()
    rows = []
    for _ in range(layers):
        chosen = _another_combination(rng, recorded, rule.side_by_side, used)
        members = (chosen[:, None] * experts + np.arange(experts)).ravel()
        noisy = log_load[members] + rng.normal(0.0, rule.noise_sd, width)
        groups = members[np.argsort(noisy, kind="stable")].reshape(rule.groups, width // rule.groups)
        rows.append(rng.permuted(rng.permutation(groups), axis=1).ravel())
    return np.stack(rows)


def compose(recorded: Sums, placed: NDArray[np.int64]) -> Sums:
    """Composed windows [windows, layers, side_by_side * E] from recorded ones [windows, recorded layers, E].

    `placed` is the layout; it may depend on the windows of the source's search split only.
    """
    return np.ascontiguousarray(recorded.reshape(len(recorded), -1)[:, placed])


def digest(windows: Sums) -> str:
    """sha256 of the windows, C order, little-endian uint32 (uint64 if one is larger): what a composite has."""
    stored = "<u4" if windows.max() < 2**32 else "<u8"
    return hashlib.sha256(np.ascontiguousarray(windows, dtype=stored).tobytes()).hexdigest()


def _another_combination(
    rng: np.random.Generator, recorded: int, size: int, used: set[frozenset[int]]
) -> NDArray[np.int64]:
    """`size` different recorded layers, in random order, that no earlier composed layer put together."""
    for _ in range(MAX_DRAWS):
        chosen = rng.choice(recorded, size, replace=False)
        if (combination := frozenset(chosen.tolist())) not in used:
            used.add(combination)
            return chosen
    raise UsageError(
        f"composition: {recorded} recorded layers do not give {len(used) + 1} combinations of {size}; "
        "ask for fewer layers or another side_by_side"
    )
