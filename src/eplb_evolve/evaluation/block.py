"""A block of timed calls: candidate and reference, side by side on the same inputs, in random order."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from eplb_evolve.errors import CandidateFailure
from eplb_evolve.evaluation.bench import Bench, ReferenceCall
from eplb_evolve.evaluation.calls import Caller, CandidateCall
from eplb_evolve.evaluation.constraint import CallBalance, Verdict, judge, measure
from eplb_evolve.evaluation.inputs import CallInputs
from eplb_evolve.evaluation.processors import Processors
from eplb_evolve.evaluation.task import Task
from eplb_evolve.evaluation.timing import NullCall
from eplb_evolve.placement import Floats

WAIT_FLOOR_S, WAIT_SHARE = 2e-4, 0.05
"""A call that waited longer for a processor than this, and than this share of its time, was disturbed."""


@dataclass
class Block:
    """Timed calls; entry i of each list had the same input.

    Attributes:
        null: the clock's overhead, measured just before
        rival: empty unless an incumbent took part
    """

    null: NullCall
    candidate: list[CandidateCall] = field(default_factory=list)
    reference: list[ReferenceCall] = field(default_factory=list)
    rival: list[CandidateCall] = field(default_factory=list)
    balance: list[CallBalance] = field(default_factory=list)

    def seconds(self, who: str) -> Floats:
        """Wall-clock seconds of `candidate`, `reference` or `rival`."""
        return np.array([call.seconds for call in getattr(self, who)])

    def quiet(self) -> NDArray[np.bool_]:
        """Which rows had a processor whenever the reference wanted one, and lost none to a quota or a hypervisor.

        Only its waiting counts, which no candidate has in hand: one whose own threads wait for each other on chosen
        inputs would choose the pairs that count.
        """
        waited = np.array([call.waited for call in self.reference])
        kept = ~np.array([call.robbed for call in self.reference], dtype=bool)
        rows: NDArray[np.bool_] = kept & (waited <= np.maximum(WAIT_FLOOR_S, WAIT_SHARE * self.seconds("reference")))
        return rows

    def of_rival(self, gpus: int) -> "Block":
        """The same calls as if the rival had been the candidate."""
        balance = [measure(call.placement, call.inputs, gpus) for call in self.rival]
        return Block(self.null, self.rival, self.reference, [], balance)

    def judge(self, task: Task) -> Verdict:
        """The hard constraint on these calls."""
        return judge(self.balance, [call.balance for call in self.reference], task.settings.thresholds)


class RivalFailed(Exception):
    """The incumbent, not the candidate, failed in a block."""


def run_block(
    candidate: Caller,
    task: Task,
    bench: Bench,
    rng: np.random.Generator,
    done: Callable[[Block], bool],
    rival: Caller | None = None,
) -> Block:
    """Call until `done` says so, windows in trace order, one timed block at a time on this machine."""
    workload, processors = task.workload, Processors(rng)
    pairs, threads = workload.pairs(task.split), task.settings.limits.threads
    with bench.timing_lock():
        block = Block(bench.measure_null_call(processors.choose(threads)))
        while not done(block):
            inputs = candidate.draw(workload, pairs[len(block.candidate) % len(pairs)])
            cpus = processors.choose(threads)
            for turn in rng.permutation(2 if rival is None else 3):
                if turn == 0:
                    block.candidate.append(candidate.call(inputs, cpus=cpus))
                elif turn == 1:
                    block.reference.append(bench.call_reference(inputs, workload.topology, cpus))
                elif rival is not None:
                    block.rival.append(_call_rival(rival, inputs, cpus))
            block.balance.append(measure(block.candidate[-1].placement, inputs, workload.topology.gpus))
    return block


def _call_rival(rival: Caller, inputs: CallInputs, cpus: list[int]) -> CandidateCall:
    try:
        return rival.call(inputs, cpus=cpus)
    except CandidateFailure as failure:
        raise RivalFailed(str(failure)) from failure
