"""Where the replicas of experts may go: the numbers, whether they fit each other, and the nearest ones that do."""

import math
from dataclasses import dataclass

from eplb_evolve.checked import whole_number
from eplb_evolve.errors import UsageError

FIELDS = ("replicas", "groups", "nodes", "gpus")
MOST = 1_000_000
"""No number of a topology is larger: far beyond any server, and small enough to be refused by a candidate's limits."""


@dataclass(frozen=True)
class Topology:
    """Where replicas can go: R slots on G GPUs in N nodes, with experts in groups that may not be torn apart.

    The placement is hierarchical when the groups divide among the nodes, else global (one group, one node), as in
    DeepSeek's published `rebalance_experts`.
    """

    replicas: int
    groups: int
    nodes: int
    gpus: int

    def __post_init__(self) -> None:
        for name in FIELDS:
            _check_range(name, getattr(self, name))
        if self.replicas % self.gpus:
            below, above = self.replicas // self.gpus * self.gpus, -(-self.replicas // self.gpus) * self.gpus
            fits = [f"{multiple} for up to {multiple} experts" for multiple in (below, above) if 0 < multiple <= MOST]
            raise UsageError(
                f"topology: {_undivided(self.replicas, self.gpus)}; use {', '.join(fits)}, or another multiple "
                f"of {self.gpus}"
            )
        if self.gpus % self.nodes:
            nodes = _divisor(self.gpus, self.nodes)
            raise UsageError(f"topology: {_unseated(self.gpus, self.nodes)}; use {nodes}, a divisor of {self.gpus}")

    @property
    def hierarchical(self) -> bool:
        """Whether every group must stay on one node."""
        return self.groups % self.nodes == 0

    @property
    def grouped(self) -> bool:
        """Whether that forbids anything: there are several nodes."""
        return self.hierarchical and self.nodes > 1

    def check_experts(self, experts: int) -> None:
        """Raise UsageError, with a topology that does fit, unless `experts` logical experts fit this one."""
        topology_for(experts, *self.as_arguments())

    def as_arguments(self) -> tuple[int, int, int, int]:
        """(num_replicas, num_groups, num_nodes, num_gpus), the order of the candidate's signature."""
        return self.replicas, self.groups, self.nodes, self.gpus


def topology_for(
    experts: int, replicas: int, groups: int, nodes: int, gpus: int, form: str = "{name} {value}"
) -> Topology:
    """The topology of these numbers if `experts` logical experts fit it.

    Else UsageError with the nearest one that does, each of its numbers written by `form`.
    """
    for name, value in zip(FIELDS, (replicas, groups, nodes, gpus), strict=True):
        _check_range(name, value)
    whole_number(experts, "the number of logical experts", most=MOST // 2)  # so there always is a topology that fits
    faults = [_undivided(replicas, gpus)] if replicas % gpus else []
    faults += [_unseated(gpus, nodes)] if gpus % nodes else []
    faults += [f"{experts} experts do not divide into {groups} groups"] if experts % groups else []
    faults += [f"{replicas} replicas cannot hold {experts} experts"] if replicas < experts else []
    if not faults:
        return Topology(replicas, groups, nodes, gpus)
    near = nearest_topology(experts, replicas, groups, nodes, gpus)
    written = " ".join(form.format(name=name, value=getattr(near, name)) for name in FIELDS)
    raise UsageError(f"topology: {', and '.join(faults)}; this fits {experts} experts: {written}")


def nearest_topology(experts: int, replicas: int, groups: int, nodes: int, gpus: int) -> Topology:
    """A topology that `experts` logical experts fit, made from these numbers by changing as few as need be.

    The GPUs stay, and so does the kind of placement: groups that divide among the nodes still do.
    """
    fewer_groups = _divisor(experts, groups)
    seated = math.gcd(gpus, fewer_groups) if groups % nodes == 0 else gpus
    least = max(replicas, experts)
    slots = -(-least // gpus) * gpus
    return Topology(slots if slots <= MOST else MOST // gpus * gpus, fewer_groups, _divisor(seated, nodes), gpus)


def _check_range(name: str, value: object) -> None:
    whole_number(value, f"topology: {name}", most=MOST)
    if type(value) is not int:
        raise UsageError(f"topology: {name} must be an int, not {type(value).__name__}; convert it first")


def _divisor(number: int, most: int) -> int:
    """The largest divisor of `number` that is at most `most`."""
    return next(divisor for divisor in range(min(number, most), 0, -1) if number % divisor == 0)


def _undivided(replicas: int, gpus: int) -> str:
    return f"{replicas} replicas do not divide among {gpus} GPUs"


def _unseated(gpus: int, nodes: int) -> str:
    return f"{gpus} GPUs do not divide among {nodes} nodes"
