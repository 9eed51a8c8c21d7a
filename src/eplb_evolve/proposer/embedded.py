"""The models that need no LLM: they answer OpenEvolve's prompts with `engine.propose`, and learn from the ledger."""

import hashlib
import json
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from .bandit import Bandit, reward
from .engine import Base, NothingToPropose, Proposal, Style, propose
from .header import RESTART
from .history import History
from .lineages import choose
from .operators import edits
from .program import UnreadableProgram
from .prompt import Prompt, UnknownPrompt, read_prompt, write_answer
from .study import study

Trial = Callable[[str], str | None]
"""Why a program fails a dry run, None when it does not."""

LOG_NAME = "proposer.jsonl"
_TRIES = 36
_INSISTENCE = 12
"""Places that the operators of a failed child are tried at before others are drawn: what is hard to place right would
otherwise lose to what never fails and never matters."""
_FROM_SEED = 0.08
_FROM_LINEAGE = 0.45
_FROM_LINEAGE_AFTER_FAILURE = 0.8


class CannotAnswer(ValueError):
    """The prompt cannot be answered; the message says why in one sentence."""


@dataclass(frozen=True)
class Behaviour:
    """What tells one local model from another.

    Attributes:
        style: how its engine draws
        learns: whether it weighs operators by what they brought, changes other programs than the prompt's, and dry-runs
    """

    style: Style = field(default_factory=Style)
    learns: bool = True


EMBEDDED = Behaviour()
RANDOM_EDITS = Behaviour(Style(edits.OPERATORS, {1: 1.0}, 0.0), learns=False)
"""The blind mutation of genetic improvement: one edit of a statement, expression, constant or comparison at a time."""


@dataclass(frozen=True)
class _Start:
    """What is changed, None for the prompt's own program, and how."""

    base: Base | None
    style: Style


@dataclass(frozen=True)
class _Tried:
    """A proposal that was handed out: its operators, and the fingerprint of what it was made from."""

    operators: tuple[str, ...]
    parent: str


class EmbeddedModel:
    """Never proposes the same program twice; thread-safe.

    seed: the same seed, prompts and ledger give the same answers, in any process. run: the search's folder, whose
    ledger is read and whose proposer.jsonl gets one line per proposal. trial: a dry run; what fails it is not proposed.
    """

    def __init__(
        self, seed: int, run: Path | None = None, behaviour: Behaviour = EMBEDDED, trial: Trial | None = None
    ) -> None:
        self.seed = seed
        self.count = 0
        self._behaviour = behaviour
        self._trial = trial if behaviour.learns else None
        self._known: set[str] = set()
        self._tried: dict[str, _Tried] = {}
        self._bandit = Bandit()
        self._history = History(run) if run is not None else None
        self._log_path = run / LOG_NAME if run is not None else None
        self._lock = threading.Lock()

    def answer(self, prompt_text: str, requested_seed: object = None) -> str:
        """The reply to a user message of OpenEvolve's; raises CannotAnswer."""
        try:
            prompt = read_prompt(prompt_text)
            with self._lock:
                self._learn()
                proposal = self._proposal(prompt, requested_seed)
            return write_answer(prompt, proposal.source, proposal.note)
        except (UnknownPrompt, UnreadableProgram, NothingToPropose) as error:
            raise CannotAnswer(str(error)) from None

    def _learn(self) -> None:
        for outcome in self._history.news() if self._history is not None else ():
            self._known.add(outcome.fingerprint)
            tried = self._tried.pop(outcome.fingerprint, None)
            if tried is not None and self._history is not None:
                parent = self._history.outcomes.get(tried.parent)
                earned = reward(outcome.score, parent.score if parent else None, outcome.feasible)
                self._bandit.learn(tried.operators, earned)

    def _proposal(self, prompt: Prompt, requested_seed: object) -> Proposal:
        """Draw until one passes the dry run."""
        self.count += 1
        began = time.perf_counter()
        parent = study(prompt.program).fingerprint
        proposing, trying = time.perf_counter() - began, 0.0
        failures: list[str] = []
        start = _Start(None, self._behaviour.style)
        insisted: Style | None = None
        for attempt in range(_TRIES):
            seed = self._seed(prompt.program, requested_seed, attempt)
            started = time.perf_counter()
            if attempt % _INSISTENCE == 0:
                start, insisted = self._start(parent, random.Random(seed)), None
            try:
                proposal = self._draw(prompt, parent, start.base, seed, insisted or start.style)
            except NothingToPropose:
                if insisted is None:
                    raise
                insisted = None  # those operators have no other place here
                continue
            self._known.add(proposal.fingerprint)
            drawn = time.perf_counter()
            reason = self._trial(proposal.source) if self._trial is not None else None
            proposing, trying = proposing + drawn - started, trying + time.perf_counter() - drawn
            if reason is None:
                origin = study(start.base.source).fingerprint if start.base is not None else parent
                self._tried[proposal.fingerprint] = _Tried(_without_restart(proposal), origin)
                self._log(seed, proposal, failures, proposing, trying)
                return proposal
            failures.append("+".join(proposal.operators))
            self._bandit.failed_dry(_without_restart(proposal))
            insisted = start.style.only(proposal.operators)
        raise NothingToPropose(f"each of {_TRIES} changed programs failed on small inputs")

    def _draw(self, prompt: Prompt, parent: str, base: Base | None, seed: int, style: Style) -> Proposal:
        known = self._history.outcomes.get(parent) if self._history is not None else None
        return propose(
            prompt.program,
            prompt.inspirations,
            seed,
            base=base,
            origin=known.sha256[:12] if known is not None else "",
            known=self._known,
            weights=self._bandit.weights() if self._behaviour.learns else None,
            style=style,
        )

    def _start(self, parent: str, rng: random.Random) -> _Start:
        """Often a lineage's program, and now and then the seed, is changed instead of the prompt's."""
        style = self._behaviour.style
        if not self._behaviour.learns or self._history is None:
            return _Start(None, style)
        first, known = self._history.first(), self._history.outcomes.get(parent)
        failed = known is not None and not known.feasible
        draw = rng.random()
        if first is not None and (draw < _FROM_SEED or first.fingerprint == parent):
            return _Start(Base(first.source, first.sha256[:12]), style.afresh())
        if draw < _FROM_SEED + (_FROM_LINEAGE_AFTER_FAILURE if failed else _FROM_LINEAGE):
            chosen = choose(self._history.outcomes.values(), rng)
            return _Start(Base(chosen.source, chosen.sha256[:12]) if chosen is not None else None, style)
        return _Start(None, style)

    def _seed(self, program: str, requested: object, attempt: int) -> int:
        origin = json.dumps([self.seed, requested, self.count, attempt, program])
        return int.from_bytes(hashlib.sha256(origin.encode()).digest()[:8], "big")

    def _log(self, seed: int, proposal: Proposal, failures: list[str], proposing: float, trying: float) -> None:
        if self._log_path is None:
            return
        line = {
            "counter": self.count,
            "seed": seed,
            "operators": "+".join(proposal.operators),
            "tier": proposal.tier,
            "failed_dry_runs": failures,
            "proposing_ms": round(proposing * 1000, 1),
            "dry_runs_ms": round(trying * 1000, 1),
        }
        self._log_path.parent.mkdir(parents=True, exist_ok=True)
        with self._log_path.open("a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")


def _without_restart(proposal: Proposal) -> tuple[str, ...]:
    return tuple(name for name in proposal.operators if name != RESTART)
