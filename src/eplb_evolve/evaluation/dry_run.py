"""A dry run: does a program answer small synthetic inputs with valid placements, the same for the same input, that are
not hopelessly unbalanced? No clock, a tenth of a second.

A proposer asks before it hands a program to a search. What numba would compile is interpreted here, since compiling
takes seconds; so a program that passes may still fail to compile in its evaluation.
"""

import tempfile
from pathlib import Path

import numpy as np

from eplb_evolve import reference
from eplb_evolve.errors import CandidateFailure, EnvironmentProblem, machine_refuses
from eplb_evolve.evaluation.balance import measure
from eplb_evolve.evaluation.calls import Caller
from eplb_evolve.evaluation.checks import check_small_shapes
from eplb_evolve.evaluation.inputs import as_they_are
from eplb_evolve.evaluation.replay import repeat_here
from eplb_evolve.placement import Placement, Topology
from eplb_evolve.sandbox import Level, Limits, Worker, Zygote

LIMITS = Limits(first_call_s=3, call_s=2, memory_mb=4096)
INTERPRETED = {"NUMBA_DISABLE_JIT": "1"}

HOPELESS = 0.8
"""Least balancedness, as a share of the exact greedy's on the same loads; the real constraint asks for more."""

LAYERS, EXPERTS = 3, 48
TOPOLOGIES = (Topology(64, groups=4, nodes=2, gpus=8), Topology(64, groups=1, nodes=1, gpus=8))


class DryRun:
    """Runs programs on small inputs in a sandbox of its own, which is started with the first one."""

    def __init__(self, highest: Level = "full") -> None:
        self._highest = highest
        self._zygote: Zygote | None = None
        self._rng = np.random.default_rng(0)

    def __call__(self, source: str) -> str | None:
        """Why the program fails, None when it does not. After an EnvironmentProblem the next call starts anew."""
        try:
            return self._reason(source)
        except EnvironmentProblem:
            self.close()
            raise

    def _reason(self, source: str) -> str | None:
        if self._zygote is None:
            self._zygote = Zygote(self._highest, environment=INTERPRETED)
        with (
            machine_refuses("a program cannot be tried"),
            tempfile.TemporaryDirectory(prefix="eplb-dry-run-") as folder,
        ):
            program = Path(folder) / "program.py"
            program.write_text(source, encoding="utf-8")
            try:
                worker = self._zygote.spawn(program, LIMITS)
            except CandidateFailure as failure:
                return str(failure)
        try:
            check_small_shapes(worker, self._rng)
            for topology in TOPOLOGIES:
                self._check_balance(worker, topology)
        except CandidateFailure as failure:
            return str(failure)
        finally:
            worker.close()
        return None

    def _check_balance(self, worker: Worker, topology: Topology) -> None:
        load = self._rng.lognormal(4, 1, (LAYERS, EXPERTS))
        inputs = as_they_are(load, load)
        caller = Caller(worker, topology, "small synthetic loads", self._rng)
        call = caller.call(inputs)
        repeat_here(worker, [call], topology, self._rng)
        phy2log, _, logcnt = reference.plan(load, *topology.as_arguments())
        reached = measure(call.placement, inputs, topology.gpus).same_window
        greedy = measure(Placement(phy2log, logcnt), inputs, topology.gpus).same_window
        if reached < HOPELESS * greedy:
            raise CandidateFailure(f"balancedness {reached:.3f} where the exact greedy reaches {greedy:.3f}")

    def close(self) -> None:
        """End the sandbox."""
        if self._zygote is not None:
            self._zygote.close()
            self._zygote = None
