"""Arguments of `rebalance_experts` that make no sense, each as a few plain values, and what a program may answer."""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from hypothesis import strategies as st

from eplb_evolve.errors import CandidateFailure, UsageError
from eplb_evolve.placement import initial_phy2log, verify_groups, verify_maps
from eplb_evolve.topology import Topology, topology_for

ARGUMENTS = ("weight", "num_replicas", "num_groups", "num_nodes", "num_gpus", "old_phy2log")
MOST_LOAD, MOST_REPLICAS = 1e20, 10_000
"""Programs may refuse more: the sum of larger loads may be infinite in float32, and nobody has so many slots."""
FLOATS = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
DTYPES = (*FLOATS, torch.int64, torch.int32, torch.uint8, torch.bool)
LAYOUTS = {
    "plain": lambda weight: weight,
    "transposed": lambda weight: weight.T.contiguous().T,
    "every other": lambda weight: weight.repeat_interleave(2, 1)[:, ::2],
    "one row for all": lambda weight: weight[:1].expand(weight.shape),
    "one dimension": torch.flatten,
    "three dimensions": lambda weight: weight[None],
    "no tensor": lambda weight: weight.tolist(),
    "None": lambda _: None,
}
OLD = {
    "in force": lambda old: old,
    "transposed": lambda old: old.T.contiguous().T,
    "turned round": lambda old: old.flip(1),
    "groups torn": lambda old: old.roll(1, 1),
    "half of the experts": lambda old: old // 2,
    "one expert": torch.zeros_like,
    "None": lambda _: None,
    "no tensor": lambda old: old.tolist(),
    "fewer slots": lambda old: old[:, :-1],
    "more slots": lambda old: old.repeat(1, 2),
    "fewer layers": lambda old: old[1:],
    "more layers": lambda old: old.repeat(2, 1),
    "one dimension": torch.flatten,
    "out of range": lambda old: old + 1,
    "far out of range": lambda old: old + 10**12,
    "negative": lambda old: old - 1,
    "floats": lambda old: old.double(),
    "int32": lambda old: old.int(),
}
SOUND_LAYOUTS, SOUND_OLD = list(LAYOUTS)[:4], list(OLD)[:6]
"""What a program must plan for: tensors of the right shape, and placements in force of any experts."""


@dataclass(frozen=True)
class Case:
    """Loads [layers, experts] that repeat `values`, a topology, and the placement in force; this one makes sense."""

    layers: int = 2
    experts: int = 4
    values: tuple[float, ...] = (3.0, 1.0, 2.0, 5.0)
    dtype: torch.dtype = torch.float32
    layout: str = "plain"
    replicas: object = 8
    groups: object = 2
    nodes: object = 2
    gpus: object = 4
    old: str = "in force"

    def weight(self):
        """The loads."""
        plain = np.resize(np.array(self.values), (self.layers, self.experts))
        return LAYOUTS[self.layout](torch.from_numpy(plain).to(self.dtype))

    def arguments(self, with_old):
        """What the program is called with."""
        given = [self.weight(), self.replicas, self.groups, self.nodes, self.gpus]
        if with_old:
            slots = self.replicas if isinstance(self.replicas, int) and 0 < self.replicas < 100 else 8
            given.append(OLD[self.old](torch.from_numpy(initial_phy2log(self.layers, max(self.experts, 1), slots))))
        return given

    def topology(self):
        """What a placement must fit; UsageError if none can."""
        if isinstance(self.nodes, int) and self.nodes > 0 and self.groups % self.nodes:
            return Topology(self.replicas, 1, 1, self.gpus)  # then neither groups nor nodes matter
        return Topology(self.replicas, self.groups, self.nodes, self.gpus)

    def makes_sense(self, with_old):
        """Whether a program must plan for it."""
        numbers = self.replicas, self.groups, self.nodes, self.gpus
        if self.layout not in SOUND_LAYOUTS or (with_old and self.old not in SOUND_OLD) or not self.layers:
            return False
        try:
            topology_for(self.experts, *numbers)
        except UsageError:
            return False
        load = self.weight().float()
        return self.replicas <= MOST_REPLICAS and bool(((load >= 0) & (load <= MOST_LOAD)).all())


def answer(program, with_old, case):
    """What the program does: ("placed", ""), ("refused", message), or a fault in words."""
    try:
        made = program(*case.arguments(with_old))
    except ValueError as error:
        return "refused", str(error)
    except Exception as error:
        return "raised", f"{type(error).__name__}: {str(error)[:150]}"
    try:
        shape, topology = (case.layers, case.experts), case.topology()
        placement = verify_maps(*(part.numpy() for part in made), shape, topology.replicas)
        if topology.binds_groups and "\nGroups: ignored" not in program.__globals__["__doc__"]:
            verify_groups(placement.phy2log, shape, topology)
    except (CandidateFailure, UsageError, ValueError) as error:
        return "placed wrongly", str(error)
    return "placed", ""


def fault(case, with_old, kind, text):
    """What is wrong with an answer; "" if nothing is."""
    if kind == "refused" and case.makes_sense(with_old):
        return f"refused what makes sense: {text}"
    if kind == "refused" and not is_clear(text):
        return f"an unclear ValueError: {text}"
    return "" if kind in ("refused", "placed") else f"{kind}: {text}"


def is_clear(message):
    """Whether it is one line that names an argument and says what it must be."""
    return any(name in message for name in ARGUMENTS) and " must " in message and message.isprintable()


def _named():
    base = Case()
    yield "nothing wrong", base
    for value in (math.nan, math.inf, -math.inf, -1.0, 3e38, 1e300, -0.0, 1e-45, 1e20, 1e30):
        yield f"a load of {value}", replace(base, values=(3.0, 1.0, value, 5.0), dtype=torch.float64)
        yield f"all loads {value}", replace(base, values=(value,))
    yield "all zeros", replace(base, values=(0.0,))
    for dtype in DTYPES:
        yield f"loads of {dtype}", replace(base, dtype=dtype)
    for layout in LAYOUTS:
        yield f"loads: {layout}", replace(base, layout=layout)
    for layers, experts in ((1, 4), (0, 4), (2, 0), (0, 0)):
        yield f"loads [{layers}, {experts}]", replace(base, layers=layers, experts=experts)
    yield "one expert", replace(base, experts=1, groups=1, nodes=1)
    yield "one expert, two groups", replace(base, experts=1)
    yield "one of each", Case(1, 1, (3.0,), replicas=1, groups=1, nodes=1, gpus=1)
    yield "fewer replicas than experts", replace(base, experts=12, groups=4)
    yield "replicas not divisible by GPUs", replace(base, replicas=10)
    yield "GPUs not divisible by nodes", replace(base, gpus=4, replicas=12, nodes=3, groups=3, experts=6)
    yield "GPUs not divisible by nodes, one group", replace(base, nodes=3, groups=1)
    yield "experts not divisible by groups", replace(base, experts=6, groups=4)
    yield "experts not divisible by groups, globally", replace(base, groups=3)
    yield "more GPUs than replicas", replace(base, gpus=16)
    yield "more nodes than GPUs", replace(base, nodes=8, groups=8, experts=8)
    for name in ("replicas", "groups", "nodes", "gpus"):
        for number in (0, -1, -8, 10**6, 2**31, 2**63, 10**30, None, 8.0, "8", [8]):
            yield f"{number!r} {name}", replace(base, **{name: number})
    for old in OLD:
        yield f"a placement in force: {old}", replace(base, old=old)


NAMED = dict(_named())

_SANE_LOADS = st.lists(st.integers(0, 50).map(float), min_size=1, max_size=6)
_ODD_LOADS = st.sampled_from((0.0, -0.0, 1.0, -1.0, math.nan, math.inf, -math.inf, 1e-45, 1e20, 1e30, 3e38, 1e300))
_LOADS = st.lists(_ODD_LOADS | st.floats(), min_size=1, max_size=6)
_NUMBERS = st.integers(-2, 30) | st.sampled_from((10**6, 2**31, 2**63, 2**64 + 8, 10**30, None, 4.0))


@st.composite
def cases(draw):
    """Cases that make sense, three arguments of each changed or none."""
    nodes, gpus_per_node, size = (draw(st.integers(1, 3)) for _ in range(3))
    groups = draw(st.integers(1, 2)) * nodes if draw(st.booleans()) else draw(st.integers(1, 4))
    gpus, experts = nodes * gpus_per_node, groups * size
    replicas = gpus * (-(-experts // gpus) + draw(st.integers(0, 2)))
    case = Case(
        draw(st.integers(1, 3)),
        experts,
        tuple(draw(_SANE_LOADS)),
        layout=draw(st.sampled_from(SOUND_LAYOUTS)),
        replicas=replicas,
        groups=groups,
        nodes=nodes,
        gpus=gpus,
        old=draw(st.sampled_from(SOUND_OLD)),
    )
    odd = {
        "layers": st.integers(0, 3),
        "experts": st.integers(0, 12),
        "values": _LOADS.map(tuple),
        "dtype": st.sampled_from(DTYPES),
        "layout": st.sampled_from(list(LAYOUTS)),
        "old": st.sampled_from(list(OLD)),
        **dict.fromkeys(("replicas", "groups", "nodes", "gpus"), _NUMBERS),
    }
    changed = draw(st.lists(st.sampled_from(list(odd)), max_size=3, unique=True))
    return replace(case, **{name: draw(odd[name]) for name in changed})
