"""Every rank of a server plans for itself: the same input must give the same phy2log, bit for bit, everywhere.

Inputs never repeat while a candidate is timed, but a program could still know a window again, by its sorted loads for
example, or answer at random. So calls are repeated afterwards, untimed: a few in the same process, and, before a result
counts for more than a search's scrap, a third of them in a twin, another process that has seen synthetic input only.
"""

import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from eplb_evolve.errors import CandidateFailure
from eplb_evolve.evaluation.calls import Call, warm
from eplb_evolve.placement import Topology
from eplb_evolve.sandbox import Limits, Worker, Zygote

REPEATED = 3
TWIN_SHARE = 1 / 3


def repeat_here(worker: Worker, calls: Sequence[Call], topology: Topology, rng: np.random.Generator) -> None:
    """Repeat a few calls in the same process; raises CandidateFailure if an answer differs from the first."""
    for index in rng.permutation(len(calls))[:REPEATED]:
        _repeat(worker, calls[index], topology, "when the same input came again")


def repeat_in_twin(
    zygote: Zygote,
    program: Path,
    limits: Limits,
    made: Sequence[tuple[Topology, Sequence[Call]]],
    rng: np.random.Generator,
) -> float:
    """Repeat a random third of the calls, in random order, in a process of another zygote.

    made: the calls of each workload. Returns the seconds that the twin took for import and first call. Raises
    CandidateFailure for another answer.
    """
    start = time.monotonic()
    with closing(zygote.spawn(program, limits)) as twin:
        for topology, calls in made:
            warm(twin, calls[0].inputs.weight.shape, topology, rng)
        started = time.monotonic() - start
        for topology, calls in made:
            for index in rng.permutation(len(calls))[: max(1, round(len(calls) * TWIN_SHARE))]:
                _repeat(twin, calls[index], topology, "in another process")
    return started


def _repeat(worker: Worker, call: Call, topology: Topology, where: str) -> None:
    answer = worker.call(call.inputs.weight, topology, call.old_phy2log)
    if not np.array_equal(answer.phy2log, call.placement.phy2log):
        raise CandidateFailure(
            f"phy2log was another {where}; every rank plans for itself, so equal input must give equal output "
            "(seed what is random inside the call, keep nothing of earlier calls that changes the result)"
        )
