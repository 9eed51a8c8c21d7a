"""What a block says of one program: made once at its end, and only read afterwards."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eplb_evolve.evaluation.block import CANDIDATE, REFERENCE, Block
from eplb_evolve.evaluation.calls import Call
from eplb_evolve.evaluation.constraint import Verdict
from eplb_evolve.evaluation.intervals import intervals
from eplb_evolve.evaluation.sampling import rows_that_count
from eplb_evolve.evaluation.task import Task
from eplb_evolve.evaluation.timing import Estimate, estimate
from eplb_evolve.placement import Floats
from eplb_evolve.serving.cost import Interval, seconds


@dataclass(frozen=True)
class Side:
    """The program, or the reference beside it, in the same rows.

    Attributes:
        calls: [rows]
        net: seconds less the clock's overhead, [rows that count]
        course: what each call is to a server, [intervals]
        spent: seconds that each interval takes the configured server, its rebalance included, [intervals]
    """

    calls: Sequence[Call]
    net: Floats
    course: Sequence[Interval]
    spent: Floats

    @property
    def next_window(self) -> Floats:
        """Balancedness on the next window, [rows]."""
        return np.array([call.balance.next_window for call in self.calls])

    @property
    def moved(self) -> Floats:
        """Share of slots that moved, [rows - 1]: the first call starts from no plan."""
        return np.array([call.moved for call in self.calls[1:] or self.calls])


@dataclass(frozen=True)
class Timed:
    """One program on one workload, beside the reference.

    Attributes:
        task: what it was called on
        own, reference: the two
        never: seconds that each interval takes a server that never rebalances, [intervals]
        undisturbed: rows in which nothing waited for a processor
        robbed: rows in which a quota or a hypervisor took processor time
        estimate: of the time and of its ratio to the reference's
        verdict: the hard constraint
        ready_ms, floor_ms: net milliseconds of calls that plan nothing, see TimeFigures
    """

    task: Task
    own: Side
    reference: Side
    never: Floats
    undisturbed: int
    robbed: int
    estimate: Estimate
    verdict: Verdict
    ready_ms: float
    floor_ms: float

    @classmethod
    def of(cls, block: Block, task: Task, who: str = CANDIDATE, counting: NDArray[np.bool_] | None = None) -> "Timed":
        """Of one program of a block. counting: [rows], those that count; by default as the program's own time says."""
        rows, null = block.rows(who), block.null
        counting = rows_that_count(block, task.settings.timing, who) if counting is None else counting
        gross = {name: block.seconds(name)[:rows] for name in (who, REFERENCE)}
        serving = task.settings.serving
        sides, never = [], np.empty(0)
        for name in (who, REFERENCE):
            calls, net = block.calls[name][:rows], null.net(gross[name])
            course = intervals(calls, np.where(counting, net, np.median(net[counting])), task)
            spent, never = seconds(serving.deployment, course, serving.interval, serving.mode)
            sides.append(Side(calls, net[counting], course, spent))
        return cls(
            task=task,
            own=sides[0],
            reference=sides[1],
            never=never,
            undisturbed=int(block.quiet()[:rows].sum()),
            robbed=sum(block.robbed[:rows]),
            estimate=estimate(gross[who][counting], gross[REFERENCE][counting], null),
            verdict=block.judge(task, who),
            ready_ms=block.mark_ms("ready"),
            floor_ms=block.mark_ms("filled"),
        )
