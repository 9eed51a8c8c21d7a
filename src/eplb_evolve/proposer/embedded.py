"""The model `embedded`: answers OpenEvolve's prompts with `engine.propose`, one after the other, with a log."""

import hashlib
import json
import threading
import time
from pathlib import Path

from .engine import NothingToPropose, Proposal, propose
from .program import UnreadableProgram
from .prompt import UnknownPrompt, read_prompt, write_answer


class CannotAnswer(ValueError):
    """The prompt cannot be answered; the message says why in one sentence."""


class EmbeddedModel:
    """Never proposes the same program twice if it can help it; thread-safe.

    seed: the same seed and the same prompts in the same order give the same answers, in any process.
    log_path: gets one JSON line per proposal.
    """

    def __init__(self, seed: int, log_path: Path | None = None) -> None:
        self.seed = seed
        self.count = 0
        self._known: set[str] = set()
        self._log_path = log_path
        self._lock = threading.Lock()

    def answer(self, prompt_text: str, requested_seed: object = None) -> str:
        """The reply to a user message of OpenEvolve's; raises CannotAnswer."""
        try:
            prompt = read_prompt(prompt_text)
            with self._lock:
                started = time.perf_counter()
                seed = self._next_seed(prompt.program, requested_seed)
                failed = prompt.fitness is not None and prompt.fitness <= 0
                proposal = propose(prompt.program, prompt.inspirations, seed, failed=failed, known=self._known)
                self._known.add(proposal.fingerprint)
                self._log(seed, proposal, time.perf_counter() - started)
            return write_answer(prompt, proposal.source, proposal.note)
        except (UnknownPrompt, UnreadableProgram, NothingToPropose) as error:
            raise CannotAnswer(str(error)) from None

    def _next_seed(self, program: str, requested: object) -> int:
        self.count += 1
        origin = json.dumps([self.seed, requested, self.count, program])
        return int.from_bytes(hashlib.sha256(origin.encode()).digest()[:8], "big")

    def _log(self, seed: int, proposal: Proposal, seconds: float) -> None:
        if self._log_path is None:
            return
        line = {
            "counter": self.count,
            "seed": seed,
            "operators": "+".join(proposal.operators),
            "tier": proposal.tier,
            "milliseconds": round(seconds * 1000, 1),
        }
        with self._log_path.open("a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")
