"""Writes the prompts of a run, out of its folder: ledger, exchanges, and the words about its task."""

import functools
import random
import sys
import threading
from pathlib import Path

from eplb_evolve.evaluation.objectives import objective as named
from eplb_evolve.evaluation.result import Evaluation
from eplb_evolve.gateway.author import Written
from eplb_evolve.gateway.parsing import sha256
from eplb_evolve.gateway.settings import PromptSettings
from eplb_evolve.llm.history import History, Row
from eplb_evolve.llm.prompt import LEAST_BESIDE_TASK, compose
from eplb_evolve.llm.task_file import read_task
from eplb_evolve.runs.ledger import Ledger
from eplb_evolve.runs.models import shares
from eplb_evolve.runs.proposals import Proposals

MUCH_WORSE = 2.0
"""Times the best one's ratio from which on a program is far behind."""
_SHARE_OF_GAIN = 0.5
"""The same under another objective: of what the best one has gained on the first program, in points of score."""


@functools.cache
def _stock_system_message() -> str:
    import openevolve  # takes a second

    folder = Path(openevolve.__file__).parent / "prompts" / "defaults"
    return (folder / "system_message.txt").read_text(encoding="utf-8").strip()


class RunAuthor:
    """The author of one run's prompts. seed: of the choice between a program and the best one."""

    def __init__(self, run: Path, settings: PromptSettings, objective: str, seed: int = 0) -> None:
        self._run, self._settings, self._objective = run, settings, objective
        self._ledger, self._proposals = Ledger(run), Proposals(run)
        self._said = False
        self._coin, self._lock = random.Random(seed), threading.Lock()

    def write(self, parent: str, system: str = "") -> Written | None:
        """The prompt for OpenEvolve's parent, or for the run's best where that one is far ahead.

        system: a system message of the user's own stands at the end of the task.
        """
        with self._lock:
            task = read_task(self._run)
            if task is None:
                return None
            if system.strip() not in ("", _stock_system_message()):
                task += self._notes(system.strip(), self._settings.budget - len(task.encode()) - LEAST_BESIDE_TASK)
            history = self._history()
            best = self._text(history.best)
            base, row = parent, history.row(sha256(parent))
            if best is not None and self._behind(row, history) and self._coin.random() < self._settings.rebase:
                base, row = best, history.best
            sections = compose(task, history, base, row, best, self._objective, self._settings)
            return Written(sections.messages, base, sections.sizes)

    def number_of(self, program: str) -> str:
        """The proposal, or seed, that this program is; "" for a new one."""
        with self._lock:
            row = self._history().row(sha256(program))
        return row.called if row is not None else ""

    def _notes(self, words: str, room: int) -> str:
        """The user's own words, as many as the budget has room for."""
        head = "\n## Notes\n"
        whole = f"{head}{words}\n".encode()
        if len(whole) > room and not self._said:
            self._said = True
            print(
                f"eplb gateway: the system message has {len(whole)} bytes, and eplb.prompt.budget leaves "
                f"{max(room, 0)}: the rest is not told; shorten it, or raise the budget",
                file=sys.stderr,
                flush=True,
            )
        kept = whole[:room].decode("utf-8", "ignore") if room > len(head) else ""
        return kept if not kept or kept.endswith("\n") else kept + "\n"

    def gains(self) -> dict[str, float | None]:
        """What each model's programs gained on the best before them."""
        with self._lock:
            entries = [each for each in self._ledger.entries() if each.evaluation.conditions.split == "search"]
            return {each.model: each.gain for each in shares(self._proposals.all(), entries, self._objective)}

    def _history(self) -> History:
        return History(self._ledger.entries(), self._proposals.all())

    def _text(self, row: Row | None) -> str | None:
        if row is None or row.evaluation is None:
            return None
        try:
            return (self._run / row.evaluation.program).read_bytes().decode("utf-8", "surrogateescape")
        except OSError:
            return None

    def _behind(self, row: Row | None, history: History) -> bool:
        """Whether a program is far behind the run's best."""
        best = history.best.evaluation if history.best is not None else None
        if best is None or row is None or row.evaluation is None or row is history.best:
            return False
        if not row.evaluation.feasible:
            return True
        return self._slower(row.evaluation, best) if named(self._objective).races else self._worse(row, best, history)

    def _slower(self, evaluation: Evaluation, best: Evaluation) -> bool:
        mine, ahead = evaluation.figure("ratio_to_reference"), best.figure("ratio_to_reference")
        return bool(mine is not None and ahead is not None and mine > MUCH_WORSE * ahead)

    def _worse(self, row: Row, best: Evaluation, history: History) -> bool:
        first = next((each.evaluation for each in history.rows if each.evaluation is not None), best)
        gained = best.combined_score - first.combined_score
        behind = best.combined_score - (row.evaluation.combined_score if row.evaluation is not None else 0.0)
        return gained > 0 and behind > _SHARE_OF_GAIN * gained
