"""The models that answer here, without an LLM: the one place that constructs them."""

import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from eplb_evolve.proposer.embedded import EMBEDDED, RANDOM_EDITS, EmbeddedModel

BEHAVIOURS = {"embedded": EMBEDDED, "random-edits": RANDOM_EDITS}
"""By model name."""

DryRun = Callable[[str], str | None]


class LocalModels:
    """Each made at its first request. They compute in one thread of their own, in which dry runs start processes.

    seed: of all proposals. run: the search's folder, whose ledger they learn from. dry_run: says why a program fails on
    small inputs, None when it does not; proposals are handed to it first.
    """

    def __init__(self, seed: int, run: Path | None, dry_run: DryRun | None = None) -> None:
        self.thread = ThreadPoolExecutor(1, "local-models")
        self._make: Callable[[str], EmbeddedModel] = functools.cache(
            lambda name: EmbeddedModel(seed, run, BEHAVIOURS[name], dry_run)
        )
        self.proposals = 0

    def answer(self, name: str, prompt_text: str, requested_seed: object) -> str:
        """The reply to a user message of OpenEvolve's, CPU-bound; raises CannotAnswer."""
        reply = self._make(name).answer(prompt_text, requested_seed)
        self.proposals += 1
        return reply
