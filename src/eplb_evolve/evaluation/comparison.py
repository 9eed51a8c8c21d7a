"""Two programs measured against each other: called in turn on the same inputs, each from its own last placement."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eplb_evolve.errors import CandidateFailure
from eplb_evolve.evaluation.bench import Bench
from eplb_evolve.evaluation.block import CANDIDATE, RIVAL, Block, RivalFailed, run_block
from eplb_evolve.evaluation.calls import Caller, warm
from eplb_evolve.evaluation.gap import Gap
from eplb_evolve.evaluation.paired import balance_ratio, net_gain, net_throughput, transfers_more
from eplb_evolve.evaluation.result import Conditions
from eplb_evolve.evaluation.sampling import enough, rows_that_count
from eplb_evolve.evaluation.task import Task
from eplb_evolve.evaluation.timed import Timed
from eplb_evolve.evaluation.timing import geometric_mean, ratio_of_processes

ROUNDS = 16
"""Through the pairs of windows at least, for balance and net throughput, unless that takes too long."""
LONGEST = 4.0
"""... which is so many times the timed seconds of an evaluation."""


@dataclass(frozen=True)
class Compared:
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
        time: the first's time / the second's; the mean of two robust estimators, for any processes of the two
        balance: the first's balancedness on the next window / the second's, both over the same calls
        net: the first's net throughput, for `serving`, less the second's
        moved: the same of transfers, share of slots
        samples: pairs of calls
    """

    first: Compared
    second: Compared
    time: Gap
    balance: Gap
    net: Gap
    moved: Gap
    samples: int
    conditions: Conditions
    serving: str

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        nested = asdict(self)
        for name in ("time", "balance", "net", "moved"):
            nested[name] |= dict(zip(("low", "high"), getattr(self, name).known, strict=True))
        conditions: dict[str, Any] = nested.pop("conditions")
        return nested | conditions


def time_overall(found: Sequence[Comparison]) -> Gap:
    """The geometric mean of the first's time / the second's over workloads."""
    return Gap(*geometric_mean([(each.time.value, each.time.low, each.time.high) for each in found]))


def compare(first: Path, second: Path, task: Task, bench: Bench) -> Comparison:
    """Measure two programs; raises CandidateFailure, which names the program, when one of them fails."""
    block = _called(first, second, task, bench)
    counting = rows_that_count(block, task.settings.timing)
    one, other = (Timed.of(block, task, who, counting) for who in (CANDIDATE, RIVAL))
    return Comparison(
        first=_compared(first, one),
        second=_compared(second, other),
        time=Gap(*ratio_of_processes(one.own.net, other.own.net)),
        balance=balance_ratio(one.own, other.own),
        net=net_gain(one, other.own),
        moved=transfers_more(one.own, other.own),
        samples=len(one.own.net),
        conditions=task.conditions(bench.machine, bench.level),
        serving=str(task.settings.serving),
    )


def _called(first: Path, second: Path, task: Task, bench: Bench) -> Block:
    rng, workload, plan = np.random.default_rng(), task.workload, task.settings.timing
    calls, seconds_at_most = ROUNDS * len(workload.pairs(task.split)), LONGEST * plan.max_seconds

    def done(block: Block) -> bool:
        return enough(block, plan) and (block.rows() >= calls or block.spent_s >= seconds_at_most)

    at = first
    try:
        with closing(bench.zygote.spawn(first, task.settings.limits)) as worker:
            warm(worker, workload.windows.shape[1:], workload.topology, rng)
            at = second
            with closing(bench.zygote.spawn(second, task.settings.limits)) as rival:
                warm(rival, workload.windows.shape[1:], workload.topology, rng)
                at = first
                callers = {
                    who: Caller(each, workload.topology, workload.name, rng)
                    for who, each in ((CANDIDATE, worker), (RIVAL, rival))
                }
                return run_block(callers, task, bench, rng, done)
    except RivalFailed as failure:
        raise CandidateFailure(f"{second}: {failure}") from None
    except CandidateFailure as failure:
        raise CandidateFailure(f"{at}: {failure}") from None


def _compared(program: Path, timed: Timed) -> Compared:
    return Compared(
        program=str(program),
        feasible=timed.verdict.feasible,
        reason=timed.verdict.reason,
        time_ms=1e3 * float(np.median(timed.own.net)),
        balancedness=float(timed.own.next_window.mean()),
        transfers=float(timed.own.moved.mean()),
        net_throughput=net_throughput(timed).value,
    )
