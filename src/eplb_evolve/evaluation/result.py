"""What one evaluation found, on one workload."""

import functools
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

Status = Literal["feasible", "infeasible", "invalid", "evaluator_failed"]
"""What an evaluation ends with; the last is the machine's or our own fault, and says nothing about the program."""


@dataclass(frozen=True)
class OnWorkload:
    """What a program that is timed on several workloads did on one of them; see Evaluation."""

    workload: str
    feasible: bool
    time_ms: float
    ratio_to_reference: float
    ratio_low: float
    ratio_high: float
    balancedness: float
    balancedness_reference: float
    transfers: float

    @classmethod
    def of(cls, evaluation: "Evaluation") -> "OnWorkload":
        """From the evaluation on that workload alone."""
        return cls(**{field.name: getattr(evaluation, field.name) for field in fields(cls)})


@dataclass(frozen=True)
class Evaluation:
    """One program on one split of one workload, or of several. Figures are None where it did not get that far.

    On several, times and ratios are geometric means over them, balance and transfers are means, and nothing is said
    of a server.

    Attributes:
        workload: its name; of several, their names with `+` between them
        on: the figures of each of several workloads
        program: path as given
        sha256: of the program's text
        evaluator_failed: whether the machine or the evaluator failed, and nothing is known about the program
        reason: in words, why it is invalid or infeasible, or why the evaluator failed; empty when feasible
        time_ms: median milliseconds per call, net of the clock's overhead; low and high are its 95 % interval
        ratio_to_reference: the pessimistic of two robust ratios to the reference's time; low and high its interval
        first_call_ms: import and first call together, milliseconds; compilation shows here
        speedup_over_seed: the DeepSeek form's ratio / this ratio
        balancedness: vLLM's figure on the next window, mean over calls, 0..1
        balancedness_sglang: SGLang's figure (mean over layers of mean / max) on the next window
        transfers: share of slots whose expert was not on that GPU before, 0..1
        serving: the server that net_throughput is computed for, in words; empty before anything was computed
        net_throughput: throughput of that server / that of never rebalancing; low and high its 95 % interval
        net_blocking_3000 to of_perfect: see serving.worth, for the same deployment
        samples: timed pairs of candidate and reference that count
        first_look_ratio: ratio_to_reference before the second look, beside the incumbent, that counts instead
        won: whether the second look found it better than the incumbent beyond doubt; None without one
        beside: sha256 of that incumbent
        gain: what it gained beside it, low and high its 95 % interval. Under the objective `time` this is the
            incumbent's time / its own, otherwise points of combined_score
        undisturbed: timed pairs in which nothing waited for a processor
        at_bound: the time is shorter than the clock can tell; time_ms and ratio_to_reference are upper bounds
        floor_ms: what a call takes that only fills three new tensors, as small as a plan's can be; a mark, no limit
        floor_ratio: the same / the reference's time
        ready_ms: what a call takes that returns three tensors which it has ready
        clocks: SM and memory clock of the GPU just after the timed calls, such as `1980/2619 MHz`; empty on a CPU
        combined_score: what a search ranks by; chained: a winner's is the incumbent's and what it gained beside it
        raced: whether the search stopped timing early because this program was clearly worse than its best
        replayed: whether another process gave the same phy2log, bit for bit
        twin_start_s: seconds that this other process took for import and first call
        objective: what combined_score rewards
        sandbox_level: what kept the program in, see eplb doctor
        wall_s: seconds that the whole evaluation took
        log: the end of what the program printed
    """

    program: str
    sha256: str
    workload: str
    split: str
    device: str
    machine: str
    sandbox_level: str
    valid: bool = False
    feasible: bool = False
    evaluator_failed: bool = False
    reason: str = ""
    combined_score: float = 0.0
    time_ms: float | None = None
    time_ms_low: float | None = None
    time_ms_high: float | None = None
    time_p99_ms: float | None = None
    ratio_to_reference: float | None = None
    ratio_low: float | None = None
    ratio_high: float | None = None
    speedup_over_seed: float | None = None
    first_call_ms: float | None = None
    balancedness: float | None = None
    balancedness_same: float | None = None
    balancedness_worst_layer: float | None = None
    balancedness_sglang: float | None = None
    balancedness_reference: float | None = None
    transfers: float | None = None
    objective: str = "time"
    serving: str = ""
    net_throughput: float | None = None
    net_throughput_low: float | None = None
    net_throughput_high: float | None = None
    net_blocking_3000: float | None = None
    net_background_3000: float | None = None
    net_blocking_best: float | None = None
    net_background_best: float | None = None
    best_interval_steps: int | None = None
    break_even_steps: float | None = None
    of_perfect: float | None = None
    samples: int = 0
    undisturbed: int = 0
    first_look_ratio: float | None = None
    won: bool | None = None
    beside: str = ""
    gain: float | None = None
    gain_low: float | None = None
    gain_high: float | None = None
    at_bound: bool = False
    floor_ms: float | None = None
    floor_ratio: float | None = None
    ready_ms: float | None = None
    clocks: str = ""
    raced: bool = False
    replayed: bool = False
    twin_start_s: float = 0.0
    wall_s: float = 0.0
    log: str = ""
    on: tuple[OnWorkload, ...] = ()

    @property
    def status(self) -> Status:
        """In one word."""
        if self.evaluator_failed:
            return "evaluator_failed"
        return "feasible" if self.feasible else "infeasible" if self.valid else "invalid"

    @property
    def ratio_worst(self) -> float | None:
        """The largest ratio_to_reference of several workloads, None of one."""
        return max((each.ratio_to_reference for each in self.on), default=None)

    @property
    def ratio_spread(self) -> float | None:
        """Half the width of the ratio's 95 % interval / the ratio."""
        if self.ratio_to_reference is None or self.ratio_low is None or self.ratio_high is None:
            return None
        return (self.ratio_high - self.ratio_low) / 2 / self.ratio_to_reference

    @property
    def wall_beyond_compilers_s(self) -> float:
        """Seconds of the evaluation without the imports and first calls of the program and of its twin."""
        return self.wall_s - (self.first_call_ms or 0.0) / 1e3 - self.twin_start_s

    def at(self, program: str) -> "Evaluation":
        """The same evaluation, of the same program found at another path."""
        return replace(self, program=program)

    def as_dict(self) -> dict[str, Any]:
        """For JSON: the ledger, `--json`, records."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Evaluation":
        """From a ledger line or record; keys that this version does not know are left out."""
        known = _field_names()
        found = {key: value for key, value in data.items() if key in known}
        return cls(**found | {"on": tuple(OnWorkload(**each) for each in found.get("on", ()))})


@functools.cache
def _field_names() -> frozenset[str]:
    return frozenset(field.name for field in fields(Evaluation))
