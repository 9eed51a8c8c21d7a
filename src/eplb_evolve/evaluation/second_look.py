"""A search's new best is measured again, side by side with the old one, and only this second look counts.

The best of many noisy figures is too good: the first look chose it for its luck. So candidate, incumbent and reference
are called once more on the same fresh inputs. The candidate's figures are those of this block. Whether it is better
beyond doubt is decided beside the incumbent, in the same block, and recorded; its score is chained to the incumbent's.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from eplb_evolve.errors import CandidateFailure
from eplb_evolve.evaluation.bench import Bench
from eplb_evolve.evaluation.block import CANDIDATE, RIVAL, Block, RivalFailed, run_block
from eplb_evolve.evaluation.calls import Caller, warm
from eplb_evolve.evaluation.objectives import Gain, Incumbent, objective
from eplb_evolve.evaluation.sampling import enough, rows_that_count
from eplb_evolve.evaluation.task import Task
from eplb_evolve.evaluation.timed import Timed


@dataclass(frozen=True)
class Outcome:
    """The second look at a candidate: what it gained, and what was measured on each workload."""

    gain: Gain
    found: Sequence[Timed]


def second_look(
    candidate: Callable[[Task], Caller], incumbent: Incumbent, task: Task, bench: Bench, rng: np.random.Generator
) -> Outcome:
    """Measure candidate, incumbent and reference in a fresh block for each workload.

    An incumbent that fails now, having answered before, is no peer: then the stored figures are compared.
    """

    def measured(beside: bool) -> Outcome:
        peers = [_rival(incumbent, one, bench, rng) if beside else None for one in task.each]
        own: list[Timed] = []
        rival: list[Timed] = []
        for one, peer in zip(task.each, peers, strict=True):
            block = _block(candidate(one), peer, one, bench, rng)
            counting = rows_that_count(block, one.settings.timing)
            own.append(Timed.of(block, one, CANDIDATE, counting))
            rival += [Timed.of(block, one, RIVAL, counting)] if beside else []
        return Outcome(objective(task.settings.objective).second_look(own, rival, incumbent), own)

    try:
        return measured(beside=True)
    except RivalFailed:
        bench.drop_incumbent()
        return measured(beside=False)


def _block(candidate: Caller, rival: Caller | None, task: Task, bench: Bench, rng: np.random.Generator) -> Block:
    callers = {CANDIDATE: candidate} | ({RIVAL: rival} if rival is not None else {})
    return run_block(callers, task, bench, rng, lambda block: enough(block, task.settings.timing))


def _rival(incumbent: Incumbent, task: Task, bench: Bench, rng: np.random.Generator) -> Caller:
    workload, worker = task.workload, bench.incumbent_worker(incumbent.program)
    try:
        if worker is None:
            worker = bench.zygote.spawn(incumbent.program, task.settings.limits)
            bench.keep_incumbent(incumbent.program, worker)
            warm(worker, workload.windows.shape[1:], workload.topology, rng)
    except (CandidateFailure, OSError) as failure:
        raise RivalFailed(str(failure)) from failure
    return Caller(worker, workload.topology, workload.name, rng)
