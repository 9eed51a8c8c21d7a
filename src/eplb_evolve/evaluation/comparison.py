"""Two programs measured against each other: called in turn on the same inputs, each from its own last placement."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eplb_evolve.errors import CandidateFailure
from eplb_evolve.evaluation.bench import Bench
from eplb_evolve.evaluation.block import Block, RivalFailed, run_block
from eplb_evolve.evaluation.calls import Caller, warm
from eplb_evolve.evaluation.objective import difference
from eplb_evolve.evaluation.sampling import enough, rows_that_count
from eplb_evolve.evaluation.serving_figures import ratio_of_sums, served_intervals
from eplb_evolve.evaluation.task import Task
from eplb_evolve.evaluation.timing import bootstrap_interval, geometric_mean, mean_ratio
from eplb_evolve.placement import Floats
from eplb_evolve.serving.cost import seconds

ROUNDS = 16
"""Through the pairs of windows at least, for balance and net throughput, unless that takes too long."""
LONGEST = 4.0
"""... which is so many times the timed seconds of an evaluation."""


@dataclass(frozen=True)
class Gap:
    """A figure of the first program against the second's, with its 95 % interval."""

    value: float
    low: float
    high: float

    def excludes(self, tie: float) -> bool:
        """Whether a tie is outside of the interval."""
        return not self.low <= tie <= self.high


@dataclass(frozen=True)
class Side:
    """One of the two: milliseconds a call (median), balancedness on the next window, transfers, net throughput."""

    program: str
    feasible: bool
    reason: str
    time_ms: float
    balancedness: float
    transfers: float
    net_throughput: float


@dataclass(frozen=True)
class Comparison:
    """What was found.

    Attributes:
        time: the first's time / the second's; the mean of two robust estimators
        balance: the first's mean balancedness on the next window less the second's
        net: the same of net throughput, for `serving`
        moved: the same of transfers, share of slots
        samples: pairs of calls
    """

    first: Side
    second: Side
    time: Gap
    balance: Gap
    net: Gap
    moved: Gap
    samples: int
    workload: str
    split: str
    device: str
    machine: str
    sandbox_level: str
    serving: str

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def time_overall(found: Sequence[Comparison]) -> Gap:
    """The geometric mean of the first's time / the second's over workloads."""
    return Gap(*geometric_mean([(each.time.value, each.time.low, each.time.high) for each in found]))


def compare(first: Path, second: Path, task: Task, bench: Bench) -> Comparison:
    """Measure two programs; raises CandidateFailure, which names the program, when one of them fails."""
    block = _called(first, second, task, bench)
    other = block.of_rival(task.workload.topology.gpus)
    rows = rows_that_count(block, task.settings.timing)
    times, others = (block.null.net(block.seconds(who)[rows]) for who in ("candidate", "rival"))
    balance, others_balance = (np.array([row.next_window for row in each.balance]) for each in (block, other))
    moved, others_moved = (np.array([call.moved for call in each.candidate[1:]]) for each in (block, other))
    courses = (*_course(block, task), *_course(other, task))
    return Comparison(
        first=_side(first, block, times, task),
        second=_side(second, other, others, task),
        time=Gap(*mean_ratio([(times, others)])),
        balance=Gap(
            float(_mean_gap(balance, others_balance)), *bootstrap_interval(_mean_gap, (balance, others_balance))
        ),
        net=Gap(float(difference(*courses)), *bootstrap_interval(difference, courses)),
        moved=Gap(float(_mean_gap(moved, others_moved)), *bootstrap_interval(_mean_gap, (moved, others_moved))),
        samples=len(times),
        workload=task.workload.name,
        split=task.split,
        device=task.settings.device,
        machine=bench.machine,
        sandbox_level=bench.level,
        serving=str(task.settings.serving),
    )


def _called(first: Path, second: Path, task: Task, bench: Bench) -> Block:
    rng, workload, plan = np.random.default_rng(), task.workload, task.settings.timing
    calls, seconds_at_most = ROUNDS * len(workload.pairs(task.split)), LONGEST * plan.max_seconds

    def done(block: Block) -> bool:
        spent = sum(block.seconds(who).sum() for who in ("candidate", "reference", "rival"))
        return enough(block, plan) and (len(block.candidate) >= calls or spent >= seconds_at_most)

    at = first
    try:
        with closing(bench.zygote.spawn(first, task.settings.limits)) as worker:
            warm(worker, workload.windows.shape[1:], workload.topology, rng)
            at = second
            with closing(bench.zygote.spawn(second, task.settings.limits)) as rival:
                warm(rival, workload.windows.shape[1:], workload.topology, rng)
                at = first
                callers = [Caller(each, workload.topology, workload.name, rng) for each in (worker, rival)]
                return run_block(callers[0], task, bench, rng, done, callers[1])
    except RivalFailed as failure:
        raise CandidateFailure(f"{second}: {failure}") from None
    except CandidateFailure as failure:
        raise CandidateFailure(f"{at}: {failure}") from None


def _side(program: Path, block: Block, net: Floats, task: Task) -> Side:
    verdict = block.judge(task)
    return Side(
        program=str(program),
        feasible=verdict.feasible,
        reason=verdict.reason,
        time_ms=1e3 * float(np.median(net)),
        balancedness=float(np.mean([row.next_window for row in block.balance])),
        transfers=float(np.mean([call.moved for call in block.candidate[1:]])),
        net_throughput=float(ratio_of_sums(*_course(block, task))),
    )


def _course(block: Block, task: Task) -> tuple[Floats, Floats]:
    """What each interval takes a server that never rebalances, and what it takes with the program; seconds."""
    serving = task.settings.serving
    spent, never = seconds(serving.deployment, served_intervals(block, task), serving.interval, serving.mode)
    return never, spent


def _mean_gap(first: Floats, second: Floats, axis: int = -1) -> Floats:
    result: Floats = first.mean(axis=axis) - second.mean(axis=axis)
    return result
