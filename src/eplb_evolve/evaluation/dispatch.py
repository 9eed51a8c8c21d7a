"""What a placement is worth under other ways to spread an expert's tokens over its replicas than equal shares.

A server chooses a replica for each token. EPLB plans as if every replica of an expert got an equal share; a dispatch by
linear program can do better, and sending each token to the nearest replica does worse.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from eplb_evolve.errors import EnvironmentProblem
from eplb_evolve.evaluation.calls import Call
from eplb_evolve.evaluation.result import DispatchFigures
from eplb_evolve.placement import Floats, Ints, Placement, Topology, balancedness, gpu_loads

FIRST, LAST = 1, 11
"""The second to the eleventh of a program's calls are judged, on the same windows as any other program's: a linear
program takes longer than most plans. The first call goes on from no plan."""
SEED = 0
"""Of the choice among replicas that are equally far."""


def sampled(calls: Sequence[Call], pairs: int) -> Sequence[Call]:
    """The calls that are judged. pairs: how many every program makes, at least."""
    return calls[FIRST : min(LAST, pairs)] or calls[:1]


def dispatch_figures(calls: Sequence[Call]) -> DispatchFigures:
    """Means over these calls, each on its next window."""
    rows = [_of(call.inputs.next_load, call.placement, call.topology) for call in calls]
    even, bound, nearest = np.mean(rows, axis=0).tolist()
    return DispatchFigures(even, bound, nearest, len(rows))


def _of(load: Floats, placement: Placement, topology: Topology) -> tuple[float, float, float]:
    even = gpu_loads(load, placement, topology.gpus)
    total, peaks = even.mean(axis=1).sum(), least_peaks(load, placement, topology.gpus)
    nearest = balancedness(nearest_loads(load, placement, topology))
    return balancedness(even), float(total / peaks.sum()) if total > 0 else 1.0, nearest


def least_peaks(load: Floats, placement: Placement, gpus: int) -> Floats:
    """The largest GPU load of each layer, [L], if load [L, E] is spread over the replicas as well as can be.

    DeepSeek's LPLB: minimise the peak, where the shares of an expert's replicas sum to its load. No peak of a layer
    bears on another's, so one program finds all of them by their sum. EnvironmentProblem where the solver fails.
    """
    even = gpu_loads(load, placement, gpus)
    mean, most = even.mean(axis=1), even.max(axis=1)
    scale = np.where(mean > 0, mean, 1.0)
    least: Floats = np.clip(_solve(load / scale[:, None], placement, gpus) * scale, mean, most)  # beyond its tolerance
    return least


def _solve(load: Floats, placement: Placement, gpus: int) -> Floats:
    """[L]; the unknowns are the share of each expert on each of its GPUs, then the peaks."""
    from scipy.optimize import linprog  # here: importing it takes a moment, and not every command needs it
    from scipy.sparse import coo_array

    layers, experts = load.shape
    held = np.unique(_experts(placement, experts) * gpus + _gpus(placement, gpus))  # copies on one GPU are as one
    expert, gpu = np.divmod(held, gpus)
    bin_ = expert // experts * gpus + gpu
    free = np.bincount(expert, minlength=layers * experts)[expert] > 1
    fixed = np.bincount(bin_[~free], load.ravel()[expert[~free]], minlength=layers * gpus)
    several, row = np.unique(expert[free], return_inverse=True)
    unknowns, peaks = len(row), np.arange(layers * gpus)
    whole = coo_array((np.ones(unknowns), (row, np.arange(unknowns))), shape=(len(several), unknowns + layers))
    under = coo_array(
        (
            np.concatenate([np.ones(unknowns), -np.ones(layers * gpus)]),
            (np.concatenate([bin_[free], peaks]), np.concatenate([np.arange(unknowns), unknowns + peaks // gpus])),
        ),
        shape=(layers * gpus, unknowns + layers),
    )
    found = linprog(
        np.concatenate([np.zeros(unknowns), np.ones(layers)]),
        A_ub=under.tocsr(),
        b_ub=-fixed,
        A_eq=whole.tocsr() if len(several) else None,
        b_eq=load.ravel()[several] if len(several) else None,
        method="highs-ds",
    )
    if not found.success:
        raise EnvironmentProblem(f"scipy could not solve the linear program of lp_bound: {found.message}")
    result: Floats = found.x[unknowns:]
    return result


def nearest_loads(load: Floats, placement: Placement, topology: Topology, always: bool = False) -> Floats:
    """Load of each GPU, [L, G], under SGLang's static dispatch (0.5.23, `--ep-dispatch-algorithm static`).

    Every GPU is the source of an equal share of each expert's tokens, and sends all of it to one replica: the first on
    its own GPU, else the first on its node if there are others elsewhere. The GPUs that are left are dealt out evenly
    among all replicas of the expert, and to some drawn ones where that does not come out even.

    always: the first on its node even if there are no others elsewhere, as in SGLang 0.5.15: that replica then serves
    the whole node but for the GPUs that have one.
    """
    (layers, experts), gpus, nodes = load.shape, topology.gpus, topology.nodes
    cells = layers * experts
    expert, gpu = _experts(placement, experts), _gpus(placement, gpus)
    at_node = expert * nodes + gpu // (gpus // nodes)
    own, on_node = _first(expert * gpus + gpu), _first(at_node)
    copies = placement.logcnt.ravel()
    here = np.bincount(at_node, minlength=cells * nodes).reshape(cells, nodes)
    serving = np.bincount(at_node, own, cells * nodes).reshape(cells, nodes)
    chosen = (here > 0) & (always | (here < copies[:, None]))
    near = np.where(chosen, gpus // nodes - serving, 0)
    left = gpus - (serving + near).sum(axis=1)
    sources = own + on_node * near.ravel()[at_node] + left[expert] // copies[expert]
    sources += _drawn_rank(placement) < (left % copies)[expert]
    share = sources / gpus * load.ravel()[expert]
    result: Floats = share.reshape(layers, gpus, -1).sum(axis=2)
    return result


def _experts(placement: Placement, experts: int) -> Ints:
    """Layer * E + expert of each slot, [L * R]."""
    layers = len(placement.phy2log)
    found: Ints = (np.arange(layers)[:, None] * experts + placement.phy2log).ravel()
    return found


def _gpus(placement: Placement, gpus: int) -> Ints:
    """GPU of each slot, [L * R]."""
    layers, replicas = placement.phy2log.shape
    return np.tile(np.arange(replicas) // (replicas // gpus), layers)


def _first(keys: Ints) -> NDArray[np.int64]:
    """1 where a key comes for the first time, else 0."""
    found = np.zeros(len(keys), dtype=np.int64)
    found[np.unique(keys, return_index=True)[1]] = 1
    return found


def _drawn_rank(placement: Placement) -> Ints:
    """A rank among its expert's replicas for each slot, drawn but the same for equal placements, [L * R]."""
    phy2log, logcnt = placement.phy2log, placement.logcnt
    order = np.argsort(phy2log + np.random.default_rng(SEED).random(phy2log.shape), axis=1)
    start = np.cumsum(logcnt, axis=1) - logcnt
    sorted_start = np.take_along_axis(start, np.take_along_axis(phy2log, order, axis=1), axis=1)
    rank = np.empty_like(phy2log)
    np.put_along_axis(rank, order, np.arange(phy2log.shape[1]) - sorted_start, axis=1)
    return rank.ravel()
