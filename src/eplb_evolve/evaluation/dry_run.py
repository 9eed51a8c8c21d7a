"""A dry run: does a program answer small inputs with valid placements? No clock, no balance, a tenth of a second.

A proposer asks before it hands a program to a search. What numba would compile is interpreted here, since compiling
takes seconds; so a program that passes may still fail to compile in its evaluation.
"""

import tempfile
from pathlib import Path

import numpy as np

from eplb_evolve.errors import CandidateFailure
from eplb_evolve.evaluation.checks import check_small_shapes
from eplb_evolve.sandbox import Level, Limits, Zygote

LIMITS = Limits(first_call_s=10, call_s=3, memory_mb=4096)
INTERPRETED = {"NUMBA_DISABLE_JIT": "1"}


class DryRun:
    """Runs programs on small inputs in a sandbox of its own, which is started with the first one."""

    def __init__(self, highest: Level = "full") -> None:
        self._highest = highest
        self._zygote: Zygote | None = None
        self._rng = np.random.default_rng(0)

    def __call__(self, source: str) -> str | None:
        """Why the program fails, None when it does not."""
        if self._zygote is None:
            self._zygote = Zygote(self._highest, environment=INTERPRETED)
        with tempfile.TemporaryDirectory(prefix="eplb-dry-run-") as folder:
            program = Path(folder) / "program.py"
            program.write_text(source, encoding="utf-8")
            try:
                worker = self._zygote.spawn(program, LIMITS)
            except CandidateFailure as failure:
                return str(failure)
        try:
            check_small_shapes(worker, self._rng)
        except CandidateFailure as failure:
            return str(failure)
        finally:
            worker.close()
        return None

    def close(self) -> None:
        """End the sandbox."""
        if self._zygote is not None:
            self._zygote.close()
            self._zygote = None
