"""The bench: the zygote, the reference's worker and the null call, kept warm from one evaluation to the next."""

import contextlib
import fcntl
import statistics
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eplb_evolve import reference
from eplb_evolve.errors import CandidateFailure, EnvironmentProblem
from eplb_evolve.evaluation.constraint import CallBalance, measure
from eplb_evolve.evaluation.inputs import CallInputs
from eplb_evolve.placement import Placement, Topology
from eplb_evolve.sandbox import Limits, Zygote

NULL_CALLS = 30
TRUSTED = Limits()
"""The reference and the null call run under the default limits, whatever a candidate's are."""


@dataclass(frozen=True)
class ReferenceCall:
    """Seconds that the reference took, and the balance it reached."""

    seconds: float
    balance: CallBalance


class Bench:
    """Where candidates are measured. Keep one per process; `close` ends its child processes."""

    def __init__(self, lock_file: Path) -> None:
        try:
            lock_file.parent.mkdir(parents=True, exist_ok=True)
            lock_file.touch()
        except OSError as problem:
            raise EnvironmentProblem(
                f"cannot write {lock_file}: {problem.strerror}; make it writable, or set XDG_CACHE_HOME"
            ) from problem
        self._lock_file = lock_file
        self.zygote = Zygote()
        try:
            self._reference = self.zygote.spawn(Path(reference.__file__), TRUSTED)
            with closing(self.zygote.spawn(Path(__file__).with_name("null_program.py"), TRUSTED)) as null:
                smallest = np.ones((1, 1), np.float32)
                calls = [null.call(smallest, Topology(1, 1, 1, 1)).seconds for _ in range(NULL_CALLS)]
        except CandidateFailure as problem:
            self.zygote.close()
            raise EnvironmentProblem(f"the reference does not run in the sandbox: {problem}") from problem
        self.overhead = statistics.median(calls[NULL_CALLS // 3 :])

    def call_reference(self, inputs: CallInputs, topology: Topology) -> ReferenceCall:
        """Time the reference on the same inputs as a candidate, and measure its balance."""
        try:
            answer = self._reference.call(inputs.weight, topology)
        except CandidateFailure as problem:
            raise EnvironmentProblem(f"the reference's process failed: {problem}") from problem
        placement = Placement(answer.phy2log, answer.logcnt)
        return ReferenceCall(answer.seconds, measure(placement, inputs, topology.gpus))

    @contextlib.contextmanager
    def timing_lock(self) -> Iterator[None]:
        """Only one timed section at a time on this machine, whatever process asks."""
        with self._lock_file.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def close(self) -> None:
        """End the reference's worker and the zygote."""
        self._reference.close()
        self.zygote.close()


def random_loads(rng: np.random.Generator, layers: int, experts: int) -> NDArray[np.float64]:
    """Synthetic loads [layers, experts] with what traces rarely hold: ties, zeros, an idle layer, one huge expert."""
    loads = rng.integers(0, 6, (layers, experts)).astype(np.float64)
    loads[0] = 0
    loads[-1, 0] = 1e6
    return loads
