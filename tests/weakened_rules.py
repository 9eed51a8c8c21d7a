"""What the weakened evaluators judge by: inputs, validity and balance, each with what may be missing."""

import itertools
import statistics

import numpy as np

from eplb_evolve import reference
from eplb_evolve.evaluation.constraint import measure
from eplb_evolve.evaluation.inputs import CallInputs, perturb
from eplb_evolve.placement import Placement, Topology, count_replicas

LAYERS, EXPERTS, TOPOLOGY = 4, 16, Topology(replicas=24, groups=4, nodes=2, gpus=8)
WARM_UP, TIMED = 2, 3


class Invalid(Exception):
    """The candidate broke a rule."""


def check(condition: object, reason: str) -> None:
    if not condition:
        raise Invalid(reason)


def outcome(invalid: str = "", infeasible: str = "", seconds: list[float] | None = None) -> dict[str, object]:
    """What an evaluator says of a candidate."""
    return {
        "valid": not invalid,
        "feasible": not invalid and not infeasible,
        "reason": invalid or infeasible,
        "time_ms": 1e3 * statistics.median(seconds or [0.0]),
    }


def windows() -> np.ndarray:
    """Synthetic windows [windows, L, E] that drift a little, in layers of unequal load."""
    rng = np.random.default_rng(9)
    steady = rng.lognormal(7, 1, (LAYERS, EXPERTS)) * np.array([[1.0], [2.0], [3.0], [0.02]])
    return steady * rng.lognormal(0, 0.02, (WARM_UP + TIMED + 1, LAYERS, EXPERTS))


def inputs_of_calls(missing: str) -> list[CallInputs]:
    """Inputs of all calls: permuted, scaled and with noise, unless something is missing."""
    rng = np.random.default_rng()
    fresh = [perturb(now, following, TOPOLOGY.groups, rng) for now, following in itertools.pairwise(windows())]
    if missing == "same-inputs":
        return [fresh[0]] * len(fresh)
    if missing == "close-inputs":
        noise = 1 + 1e-5 * rng.standard_normal((len(fresh), LAYERS, EXPERTS))
        return [with_weight(fresh[0], (fresh[0].weight * factor).astype(np.float32)) for factor in noise]
    return fresh


def with_weight(inputs: CallInputs, weight: np.ndarray) -> CallInputs:
    return CallInputs(weight, inputs.next_load, inputs.layer_order, inputs.expert_order)


def verify(missing: str, phy2log: np.ndarray, log2phy: np.ndarray, logcnt: np.ndarray) -> Placement:
    """Check the rules of a placement, less what is missing."""
    if missing == "shape-only":
        return Placement(np.tile(np.arange(TOPOLOGY.replicas) % EXPERTS, (LAYERS, 1)), np.ones((LAYERS, EXPERTS)))
    believed = logcnt
    phy2log, log2phy, logcnt = (x.astype(np.int64) for x in (phy2log, log2phy, logcnt))
    if missing == "narrow-ints":
        phy2log, log2phy, logcnt = (x.astype(np.int32).astype(np.int64) for x in (phy2log, log2phy, logcnt))
    if missing == "no-shape-check" and phy2log.size == LAYERS * TOPOLOGY.replicas:
        phy2log = phy2log.reshape(LAYERS, TOPOLOGY.replicas)
    check(phy2log.shape == (LAYERS, TOPOLOGY.replicas) and logcnt.shape == (LAYERS, EXPERTS), "shape")
    check(log2phy.ndim == 3 and log2phy.shape[:2] == logcnt.shape, "shape of log2phy")
    if missing == "no-range-check":
        phy2log = phy2log % EXPERTS
    check(((phy2log >= 0) & (phy2log < EXPERTS)).all(), "range")
    counted = count_replicas(phy2log, EXPERTS)
    if missing != "no-count-check":
        check((counted > 0).all() and (counted == logcnt).all(), "counts")
    if missing != "no-inverse-check":
        _check_inverse(missing, phy2log, log2phy, counted)
    node = np.arange(TOPOLOGY.replicas) // (TOPOLOGY.replicas // TOPOLOGY.nodes)
    group = phy2log // (EXPERTS // TOPOLOGY.groups)
    together = (node == node[:, None]) | (group[:, :, None] != group[:, None, :])
    check(missing == "no-group-rule" or together.all(), "groups")
    return Placement(phy2log, believed)


def _check_inverse(missing: str, phy2log: np.ndarray, log2phy: np.ndarray, counted: np.ndarray) -> None:
    used = np.arange(log2phy.shape[2]) < counted[:, :, None]
    check(used.sum() == phy2log.size, "log2phy is too narrow")
    check(missing == "no-padding-check" or (log2phy[~used] == -1).all(), "padding")
    layer, expert, _ = np.nonzero(used)
    slots = log2phy[used]
    check(((slots >= 0) & (slots < TOPOLOGY.replicas)).all(), "slots")
    check((phy2log[layer, slots] == expert).all(), "inverse")
    check(len(np.unique(layer * TOPOLOGY.replicas + slots)) == phy2log.size, "slots named twice")


def judge(missing: str, calls: list[tuple[CallInputs, Placement]]) -> str:
    """Why the placements are not balanced, compared with the reference's, or an empty string."""
    if missing in ("validity-only", "shape-only"):
        return ""
    ratios = np.array([_ratios(missing, inputs, placement) for inputs, placement in calls])
    following, same, worst = ratios.mean(axis=0)
    if following < 0.985 and missing != "same-window-only":
        return f"next window {following:.3f}"
    if same < 0.95:
        return f"same window {same:.3f}"
    if (worst < 0.80 or ratios[:, 1].min() < 0.90) and missing not in ("mean-only", "same-window-only"):
        return f"worst layer {worst:.3f}, worst call {ratios[:, 1].min():.3f}"
    return ""


def _ratios(missing: str, inputs: CallInputs, placement: Placement) -> list[float]:
    """Balance as a share of the reference's: on the next window, on the same one, of the worst layer."""
    phy2log, _, logcnt = reference.plan(inputs.weight.astype(np.float64), *TOPOLOGY.as_arguments())
    layers = 1 if missing == "first-layer-only" else LAYERS
    judged = CallInputs(inputs.weight[:layers], inputs.next_load[:layers], inputs.layer_order, inputs.expert_order)
    with np.errstate(all="ignore"):
        ours, theirs = (
            measure(Placement(plan[:layers], counts[:layers]), judged, TOPOLOGY.gpus)
            for plan, counts in ((placement.phy2log, placement.logcnt), (phy2log, logcnt))
        )
        return [getattr(ours, x) / getattr(theirs, x) for x in ("next_window", "same_window", "worst_layer")]
