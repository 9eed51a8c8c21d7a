"""What one evaluation found."""

import enum
import functools
from collections.abc import Mapping
from dataclasses import MISSING, Field, asdict, dataclass, fields, replace
from typing import Any


class Status(enum.StrEnum):
    """What an evaluation ends with; the last is the machine's or our own fault, and says nothing about the program."""

    FEASIBLE = "feasible"
    INFEASIBLE = "infeasible"
    INVALID = "invalid"
    EVALUATOR_FAILED = "evaluator_failed"


@dataclass(frozen=True)
class Conditions:
    """What figures were measured on; only those of equal conditions compare.

    Attributes:
        workload: its name; of several, their names with `+` between them
        sandbox_level: what kept the program in, see eplb doctor
    """

    workload: str
    split: str
    device: str
    machine: str
    sandbox_level: str


@dataclass(frozen=True)
class TimeFigures:
    """How long the calls took. Of several workloads times and ratios are geometric means.

    Attributes:
        time_ms: median milliseconds per call, net of the clock's overhead; low and high are its 95 % interval
        ratio_to_reference: the pessimistic of two robust ratios to the reference's time; low and high its interval
        estimators_apart: by how much the two estimators differ, as a share of the larger
        speedup_over_seed: the DeepSeek form's ratio / this ratio
        samples: timed pairs of candidate and reference that count
        undisturbed: timed pairs in which nothing waited for a processor
        at_bound: the time is shorter than the clock can tell; time_ms and ratio_to_reference are upper bounds
        floor_ms: what a call takes that only fills three new tensors, as small as a plan's can be; a mark, no limit
        floor_ratio: the same / the reference's time
        ready_ms: what a call takes that returns three tensors which it has ready
        clocks: SM and memory clock of the GPU just after the timed calls, such as `1980/2619 MHz`; empty on a CPU
        throttled: pairs in which a quota or a hypervisor took processor time
        raced: whether the search stopped timing early because this program was clearly worse than its best
    """

    time_ms: float
    ratio_to_reference: float
    time_ms_low: float | None = None
    time_ms_high: float | None = None
    time_p99_ms: float | None = None
    ratio_low: float | None = None
    ratio_high: float | None = None
    estimators_apart: float | None = None
    speedup_over_seed: float | None = None
    samples: int = 0
    undisturbed: int = 0
    at_bound: bool = False
    floor_ms: float | None = None
    floor_ratio: float | None = None
    ready_ms: float | None = None
    clocks: str = ""
    throttled: int = 0
    raced: bool = False

    @property
    def ratio_spread(self) -> float | None:
        """Half the width of the ratio's 95 % interval / the ratio."""
        if self.ratio_low is None or self.ratio_high is None:
            return None
        return (self.ratio_high - self.ratio_low) / 2 / self.ratio_to_reference


@dataclass(frozen=True)
class BalanceFigures:
    """How balanced the load was, and what had to move for it. Of several workloads these are means.

    Attributes:
        balancedness: vLLM's figure on the next window, mean over calls, 0..1
        balancedness_ratio: the same / the reference's on the same calls; low and high its 95 % interval
        balancedness_sglang: SGLang's figure (mean over layers of mean / max) on the next window
        transfers: share of slots whose expert was not on that GPU before, 0..1
        transfers_more: the same less the reference's on the same calls; low and high its interval
    """

    balancedness: float
    balancedness_same: float | None = None
    balancedness_worst_layer: float | None = None
    balancedness_sglang: float | None = None
    balancedness_reference: float | None = None
    balancedness_ratio: float | None = None
    balancedness_ratio_low: float | None = None
    balancedness_ratio_high: float | None = None
    transfers: float | None = None
    transfers_more: float | None = None
    transfers_more_low: float | None = None
    transfers_more_high: float | None = None


@dataclass(frozen=True)
class DispatchFigures:
    """Balancedness on the next window by how an expert's tokens choose a replica, mean over a few calls, see dispatch.

    A search does not look, and nothing ranks by it. Of several workloads these are means.

    Attributes:
        balancedness_even: equal shares, as everywhere else, but on these calls
        lp_bound: the best that any dispatch reaches with the program's placements
        balancedness_nearest: each GPU sends to the nearest replica, as SGLang's static dispatch
        dispatch_calls: how many calls
    """

    balancedness_even: float
    lp_bound: float
    balancedness_nearest: float
    dispatch_calls: int = 0


@dataclass(frozen=True)
class ServingFigures:
    """What the calls are worth to a server; nothing is said where there are several workloads.

    Attributes:
        serving: that server, in words
        net_throughput: its throughput / that of never rebalancing; low and high its 95 % interval
        net_gain: the same less the reference's on the same calls, so as a share of never rebalancing
        net_blocking_3000 to of_perfect: see serving.worth, for the same deployment
    """

    serving: str = ""
    net_throughput: float | None = None
    net_throughput_low: float | None = None
    net_throughput_high: float | None = None
    net_gain: float | None = None
    net_gain_low: float | None = None
    net_gain_high: float | None = None
    net_blocking_3000: float | None = None
    net_background_3000: float | None = None
    net_blocking_best: float | None = None
    net_background_best: float | None = None
    best_interval_steps: int | None = None
    break_even_steps: float | None = None
    of_perfect: float | None = None


@dataclass(frozen=True)
class SecondLook:
    """A search's second measurement of a program, beside its best one; the figures of this one count.

    Attributes:
        first_look_ratio: ratio_to_reference before
        won: whether it was found better than the incumbent beyond doubt
        beside: sha256 of that incumbent
        gain: what it gained beside it, low and high its 95 % interval. Under the objective `time` this is the
            incumbent's time / its own, otherwise points of combined_score
    """

    first_look_ratio: float
    won: bool = False
    beside: str = ""
    gain: float | None = None
    gain_low: float | None = None
    gain_high: float | None = None


@dataclass(frozen=True)
class Margin:
    """How a figure of the hard constraint stands to its threshold.

    Attributes:
        on: the load, in words
        figure: next_window, same_window, each_call or worst_layer, see settings.Thresholds
        share: balancedness / the reference's on the same calls
        least: what is asked of it
    """

    on: str
    figure: str
    share: float
    least: float


@dataclass(frozen=True)
class OnWorkload:
    """What a program that is timed on several workloads did on one of them; see the figures of the same names."""

    workload: str
    feasible: bool
    time_ms: float
    ratio_to_reference: float
    ratio_low: float
    ratio_high: float
    balancedness: float
    balancedness_reference: float
    transfers: float


_PARTS: dict[str, Any] = {
    "timing": TimeFigures,
    "balance": BalanceFigures,
    "dispatch": DispatchFigures,
    "serving": ServingFigures,
    "second_look": SecondLook,
}


_SEARCHED = [kind for kind in _PARTS.values() if kind is not DispatchFigures]
NUMBERS = frozenset(
    {each.name for kind in _SEARCHED for each in fields(kind) if each.type not in (bool, str)}
    | {"ratio_spread", "ratio_worst", "combined_score", "first_call_ms"}
)
"""Names of the figures that a search has and that are numbers, where they were measured."""


@dataclass(frozen=True)
class Evaluation:
    """One program on one split of one workload, or of several. A part is None where it did not get that far.

    Attributes:
        program: path as given
        sha256: of the program's text
        objective: what combined_score rewards
        reason: in words, why it is invalid or infeasible, or why the evaluator failed; empty when feasible
        combined_score: what a search ranks by; chained: a winner's is the incumbent's and what it gained beside it
        first_call_ms: import and first call together, milliseconds; compilation shows here
        replayed: whether another process gave the same phy2log, bit for bit
        twin_start_s: seconds that this other process took for import and first call
        wall_s: seconds that the whole evaluation took
        log: the end of what the program printed
        on: the figures of each of several workloads
        margins: of the timed loads every figure; of each other load that was judged the one nearest to its threshold
        profile: where a call's time goes, in a few lines: the candidate's own word but for the first
    """

    program: str
    sha256: str
    conditions: Conditions
    status: Status = Status.INVALID
    reason: str = ""
    objective: str = "time"
    combined_score: float = 0.0
    timing: TimeFigures | None = None
    balance: BalanceFigures | None = None
    dispatch: DispatchFigures | None = None
    serving: ServingFigures | None = None
    second_look: SecondLook | None = None
    first_call_ms: float | None = None
    replayed: bool = False
    twin_start_s: float = 0.0
    wall_s: float = 0.0
    log: str = ""
    on: tuple[OnWorkload, ...] = ()
    margins: tuple[Margin, ...] = ()
    profile: str = ""

    def __post_init__(self) -> None:
        if self.feasible and (self.timing is None or self.balance is None or self.reason):
            raise ValueError("a feasible evaluation has times, balance and no reason against it")
        parts = [getattr(self, name) for name in _PARTS]
        if not self.valid and (any(part is not None for part in parts) or self.on):
            raise ValueError(f"an evaluation that is {self.status} has no figures")

    @property
    def feasible(self) -> bool:
        """Whether it is valid and keeps the hard constraint."""
        return self.status is Status.FEASIBLE

    @property
    def valid(self) -> bool:
        """Whether every placement was valid."""
        return self.status in (Status.FEASIBLE, Status.INFEASIBLE)

    def outranks(self, other: "Evaluation | None") -> bool:
        """Whether a search holds it for the better program: only a feasible one is, and the first of equals stays."""
        return self.feasible and (other is None or self.combined_score > other.combined_score)

    @property
    def ratio_worst(self) -> float | None:
        """The largest ratio_to_reference of several workloads, None of one."""
        return max((each.ratio_to_reference for each in self.on), default=None)

    def figure(self, name: str) -> Any:
        """A figure by the flat name that tables and JSON have; None where it was not measured."""
        holder = getattr(self, _holder(name), None) if _holder(name) else self
        return None if holder is None else getattr(holder, name)

    def at(self, program: str) -> "Evaluation":
        """The same evaluation, of the same program found at another path."""
        return replace(self, program=program)

    def as_dict(self) -> dict[str, Any]:
        """Flat, for JSON: the ledger, `--json`, records."""
        flat = {"program": self.program, "sha256": self.sha256, **asdict(self.conditions), "status": self.status.value}
        flat |= {"valid": self.valid, "feasible": self.feasible}
        parts = ("conditions", "status", *_PARTS)
        flat |= {each.name: getattr(self, each.name) for each in fields(self) if each.name not in (*flat, *parts)}
        for name, kind in _PARTS.items():
            part = getattr(self, name)
            flat |= {each.name: _default(each) if part is None else getattr(part, each.name) for each in fields(kind)}
        several = {name: [asdict(each) for each in getattr(self, name)] for name in ("on", "margins")}
        return flat | {"ratio_worst": self.ratio_worst, **several}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Evaluation":
        """From a ledger line or record of this version or an earlier one; keys that are not known are left out.

        Raises KeyError, TypeError or ValueError for what is none.
        """
        status = status_of(data)
        valid = status in (Status.FEASIBLE, Status.INFEASIBLE)
        parts = {name: _part(kind, data) if valid else None for name, kind in _PARTS.items()}
        if (balance := parts["balance"]) is not None:
            parts["balance"] = _with_ratio(balance)
        own = {each.name: data[each.name] for each in fields(cls) if each.name in data and each.name not in _PARTS}
        on = tuple(map(_on_workload, data.get("on") or ())) if valid else ()
        conditions = Conditions(**{each.name: data[each.name] for each in fields(Conditions)})
        margins = tuple(
            Margin(**{each.name: row[each.name] for each in fields(Margin)}) for row in data.get("margins") or ()
        )
        return cls(**own | parts | {"conditions": conditions, "status": status, "on": on, "margins": margins})


def status_of(data: Mapping[str, Any]) -> Status:
    """The status that a ledger line, record or metrics of OpenEvolve tell; earlier versions had flags."""
    if "status" in data:
        return Status(data["status"])
    if data.get("evaluator_failed"):
        return Status.EVALUATOR_FAILED
    if data.get("feasible"):
        return Status.FEASIBLE
    return Status.INFEASIBLE if data.get("valid") else Status.INVALID


def _part(kind: Any, data: Mapping[str, Any]) -> Any:
    """A part, None where nothing of it is known, or not what it cannot do without."""
    known = {each.name: data[each.name] for each in fields(kind) if data.get(each.name) not in (None, "")}
    needed = {each.name for each in fields(kind) if each.default is MISSING}
    return kind(**known) if known and needed <= set(known) else None


def _on_workload(data: Mapping[str, Any]) -> OnWorkload:
    return OnWorkload(**{each.name: data[each.name] for each in fields(OnWorkload)})


def _with_ratio(balance: BalanceFigures) -> BalanceFigures:
    """Earlier versions kept both sides of the ratio, and no interval."""
    if balance.balancedness_ratio is not None or not balance.balancedness_reference:
        return balance
    return replace(balance, balancedness_ratio=balance.balancedness / balance.balancedness_reference)


def _default(field: "Field[Any]") -> Any:
    return None if field.default is MISSING else field.default


@functools.cache
def _holder(name: str) -> str:
    """The part that holds a figure; "" for the evaluation itself."""
    if name in ("workload", "split", "device", "machine", "sandbox_level"):
        return "conditions"
    found = (part for part, kind in _PARTS.items() if (name != part and hasattr(kind, name)) or name in _names(kind))
    return next(found, "")


def _names(kind: Any) -> frozenset[str]:
    return frozenset(each.name for each in fields(kind))
