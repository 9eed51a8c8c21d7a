"""The bench: zygotes, the workers of the reference, the marks and the incumbent, kept warm between evaluations."""

import contextlib
import fcntl
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from eplb_evolve import machine, reference
from eplb_evolve.errors import CandidateFailure, EnvironmentProblem, machine_refuses
from eplb_evolve.evaluation.calls import Caller, ReferenceCaller
from eplb_evolve.evaluation.inputs import CallInputs
from eplb_evolve.evaluation.settings import Device, Settings
from eplb_evolve.paths import cache_dir
from eplb_evolve.placement import Topology
from eplb_evolve.preflight import demand, evaluation_needs
from eplb_evolve.sandbox import STRONGEST_ON_GPU, Level, Limits, Worker, Zygote, at_least

Mark = Literal["null", "ready", "filled"]
MARKS = Path(__file__).with_name("marks")
TRUSTED = Limits()
"""The reference and the marks run under the default limits, whatever a candidate's are."""


class Bench:
    """Where candidates are measured. Keep one per process; `close` ends its child processes.

    highest: the strongest sandbox level to use. minimum: raise EnvironmentProblem where the machine allows less.
    device: where candidates and the reference run.
    """

    def __init__(
        self, lock_file: Path, highest: Level = "full", minimum: Level = "rlimits", device: Device = "cpu"
    ) -> None:
        self.machine = machine.describe(device)
        try:
            lock_file.parent.mkdir(parents=True, exist_ok=True)
            lock_file.touch()
        except OSError as problem:
            raise EnvironmentProblem(
                f"cannot write {lock_file}: {problem.strerror}; make it writable, or set XDG_CACHE_HOME"
            ) from problem
        self._lock_file, self._highest, self.device = lock_file, highest, device
        self._incumbent: tuple[str, Worker] | None = None
        self._twin_zygote: Zygote | None = None
        self.zygote = Zygote(highest, device)
        try:
            if not at_least(self.zygote.level, minimum):
                raise EnvironmentProblem(
                    f"the sandbox reaches level '{self.zygote.level}' here, the configuration demands '{minimum}'; "
                    f"eplb doctor says what is missing (with device cuda '{STRONGEST_ON_GPU}' is the most there is)"
                )
            self._reference = self.zygote.spawn(Path(reference.__file__), TRUSTED)
            self._marks = {name: self.zygote.spawn(MARKS / f"{name}.py", TRUSTED) for name in get_args(Mark)}
        except CandidateFailure as problem:
            self.close()
            raise EnvironmentProblem(f"the reference does not run in the sandbox: {problem}") from problem
        except EnvironmentProblem:
            self.close()
            raise

    @property
    def level(self) -> Level:
        """The sandbox level that candidates run at."""
        return self.zygote.level

    @property
    def twin_zygote(self) -> Zygote:
        """A second zygote, started when first asked for: another hash seed, addresses and process ids."""
        if self._twin_zygote is None:
            self._twin_zygote = Zygote(self._highest, self.device, twin=True)
        return self._twin_zygote

    def call_mark(self, name: Mark, inputs: CallInputs, topology: Topology, cpus: list[int] | None = None) -> float:
        """Seconds of a call that plans nothing. `null`: the clock's overhead, in the state that the machine is in."""
        try:
            return self._marks[name].call(inputs.weight, topology, cpus=cpus).seconds
        except CandidateFailure as problem:
            raise EnvironmentProblem(f"a process that measures the clock failed: {problem}") from problem

    def reference_caller(self, topology: Topology, rng: np.random.Generator) -> Caller:
        """Calls the reference, on the same inputs as a candidate."""
        return ReferenceCaller(self._reference, topology, "the reference", rng)

    def incumbent_worker(self, program: Path) -> Worker | None:
        """The worker kept from the evaluation that made `program` the incumbent, None if there is none."""
        if self._incumbent is None or self._incumbent[0] != _digest(program):
            return None
        return self._incumbent[1]

    def keep_incumbent(self, program: Path, worker: Worker) -> None:
        """Keep the worker of a search's new best program for the next comparison, instead of the old one's."""
        self.drop_incumbent()
        self._incumbent = (_digest(program), worker)

    def drop_incumbent(self) -> None:
        """End the incumbent's worker, if there is one."""
        if self._incumbent is not None:
            self._incumbent[1].close()
            self._incumbent = None

    @contextlib.contextmanager
    def timing_lock(self) -> Iterator[None]:
        """Only one timed section at a time on this machine, whatever process asks."""
        with contextlib.ExitStack() as stack:
            with machine_refuses("timed sections cannot exclude each other"):
                lock = stack.enter_context(self._lock_file.open("w"))
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def close(self) -> None:
        """End every child process."""
        for zygote in (self.zygote, self._twin_zygote):
            if zygote is not None:
                zygote.close()


def open_bench(settings: Settings) -> Bench:
    """A bench for these settings; timed sections exclude each other machine-wide, per device.

    Raises EnvironmentProblem where the machine would let every program fail.
    """
    demand(evaluation_needs(settings.limits))
    name = "timing.lock" if settings.device == "cpu" else f"timing-gpu{machine.gpu_index()}.lock"
    return Bench(cache_dir() / name, minimum=settings.minimum_sandbox_level, device=settings.device)


class LazyBench:
    """A bench that is opened when it is first asked for: much can be told without one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._bench: Bench | None = None

    def __call__(self) -> Bench:
        """The bench."""
        if self._bench is None:
            self._bench = open_bench(self._settings)
        return self._bench

    def close(self) -> None:
        """End its child processes, if it was opened."""
        if self._bench is not None:
            self._bench.close()


def _digest(program: Path) -> str:
    return hashlib.sha256(program.read_bytes()).hexdigest()
