"""How far a search is, from its folder alone: what the live view shows of a run, whoever started it."""

import bisect
import contextlib
import datetime
import json
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from eplb_evolve.ending import read_ending
from eplb_evolve.evaluation.objectives.time import at_floor
from eplb_evolve.evaluation.result import Status
from eplb_evolve.gateway.usage import FILE_NAME as USAGE_NAME
from eplb_evolve.growing_file import GrowingFile
from eplb_evolve.runs.ledger import FILE_NAME as LEDGER_NAME
from eplb_evolve.runs.ledger import Entry, parse
from eplb_evolve.runs.models import ModelShare, shares
from eplb_evolve.runs.origin import Origins
from eplb_evolve.runs.proposals import Proposals
from eplb_evolve.runs.run_info import FILE_NAME as RUN_INFO_NAME
from eplb_evolve.runs.run_info import RunInfo, read_starts

State = Literal["waiting", "running", "standing still", "ended"]

KEPT = 100
"""How many of the last evaluations a look tells in full."""
PACE_OVER = 20
"""How many of the last evaluations the pace is a mean over."""
STILL_S = 300.0
"""Seconds without an evaluation that are nothing unusual: two compilations, a patient LLM."""
STILL_GAPS = 5
"""And so are this many times the usual gap."""
_WRITTEN_AT_THE_END = Path("best", "best_program_info.json")
"""By OpenEvolve, once, after its last iteration or a stop that it was asked for."""


@dataclass(frozen=True)
class Seen:
    """One evaluation on the search windows: its number, from 1, and whether it was the best until then."""

    number: int
    entry: Entry
    best: bool


@dataclass(frozen=True)
class Progress:
    """A run at one moment.

    Attributes:
        state: `waiting` before anything is known of it; `standing still` when nothing came for unusually long
        workload: what candidates are timed on, "" when not known
        objective: what the score rewards
        proposer: who proposes, in words, "" when not known
        done: evaluations on the search windows, over all starts
        expected: how many these will be if every proposal is evaluated; None when the run does not say
        feasible: how many of them are feasible
        invalid: how many are invalid
        evaluator_failed: in how many the evaluator failed; what is left is valid and infeasible
        best: the first of the feasible ones with the highest score
        nothing_found: whether that is the program that the search started from
        recent: the last ones, oldest first
        per_minute: pace of the last ones of this start; None before there is one
        elapsed_s: seconds since the last start, until the end if that is known
        idle_s: seconds since the last evaluation or start
        left_s: seconds until `expected` at this pace; None when nobody can tell
        why_ended: what kept it from its last iteration, in a sentence; "" when nothing did
        cost_usd: what the models have cost; None when a price is unknown or nothing costs anything
        models: what each took and brought, as far as exchanges are recorded
        at_floor: whether a search by time has a best program as fast as the mark measured beside it
    """

    state: State
    workload: str
    objective: str
    proposer: str
    done: int
    expected: int | None
    feasible: int
    invalid: int
    evaluator_failed: int
    best: Seen | None
    nothing_found: bool
    recent: tuple[Seen, ...]
    per_minute: float | None
    elapsed_s: float
    idle_s: float
    left_s: float | None
    cost_usd: float | None
    why_ended: str = ""
    models: tuple[ModelShare, ...] = ()
    at_floor: bool = False

    @property
    def feasible_share(self) -> float | None:
        """0..1, of the programs that were judged; None before the first."""
        judged = self.done - self.evaluator_failed
        return self.feasible / judged if judged else None


class Follower:
    """Looks at a run again and again, and reads what is new in its ledger each time."""

    def __init__(self, run: Path) -> None:
        self.run = run
        self._ledger, self._proposals = GrowingFile(run / LEDGER_NAME), Proposals(run)
        self._starts: list[RunInfo] = []
        self._starts_changed_ns = 0
        self._forget()

    def _forget(self) -> None:
        self._ended_at: list[float] = []
        self._feasible = self._invalid = self._evaluator_failed = 0
        self._best: Seen | None = None
        self._recent: deque[Seen] = deque(maxlen=KEPT)
        self._entries: list[Entry] = []

    def look(self, at: float | None = None) -> Progress:
        """The run now. at: seconds since the epoch instead of the clock's.

        Raises UsageError when run.json is broken.
        """
        at = time.time() if at is None else at
        self._read_ledger()
        self._read_starts()
        last = self._starts[-1] if self._starts else None
        begun = _seconds(last.started) if last else self._ended_at[0] if self._ended_at else at
        newest = max(begun, self._ended_at[-1]) if self._ended_at else begun
        earlier = bisect.bisect_left(self._ended_at, begun)
        done = len(self._ended_at)
        starting = 0 if last is None or last.resumed else len(last.seeds)
        expected = earlier + last.iterations + starting if last else None
        marks = ([begun] if last else []) + self._ended_at[earlier:]
        span, gaps = _span(marks[-PACE_OVER - 1 :])
        written, ending = self._end_written(begun if last else newest), read_ending(self.run)
        state: State = "running"
        if last is None and not done:
            state = "waiting"
        elif ending is not None or written is not None or (expected is not None and done >= expected):
            state = "ended"
        elif at - newest > max(STILL_S, STILL_GAPS * span / max(gaps, 1)):
            state = "standing still"
        until = at if state in ("waiting", "running") else max(newest, written or 0.0)
        pace = None
        if gaps and span:  # waiting for longer than usual counts: a slow evaluation shows before it has ended
            pace = 60 * gaps / max(span, span + until - newest - span / gaps)
        left = (expected - done) * 60 / pace if expected is not None and pace and state == "running" else None
        workload, objective, proposer = self._about(last)
        return Progress(
            state=state,
            workload=workload,
            objective=objective,
            proposer=proposer,
            done=done,
            expected=expected,
            feasible=self._feasible,
            invalid=self._invalid,
            evaluator_failed=self._evaluator_failed,
            best=self._best,
            nothing_found=self._nothing_found(),
            recent=tuple(self._recent),
            per_minute=pace,
            elapsed_s=max(0.0, until - begun),
            idle_s=max(0.0, at - newest),
            left_s=left,
            cost_usd=_cost_usd(self.run / USAGE_NAME),
            why_ended=ending.sentence if ending is not None else "",
            models=shares(self._proposals.all(), self._entries, objective),
            at_floor=objective == "time" and self._best is not None and at_floor(self._best.entry.evaluation),
        )

    def _nothing_found(self) -> bool:
        if self._best is None:
            return False
        first = [self._recent[0].entry] if len(self._ended_at) <= KEPT else []
        return Origins(self.run, first, {}).of(self._best.entry.evaluation) is not None

    def _about(self, last: RunInfo | None) -> tuple[str, str, str]:
        """Workload, objective, proposer."""
        if last is not None:
            return last.workload, last.objective, last.proposer
        if not self._recent:
            return "", "time", ""
        evaluation = self._recent[-1].entry.evaluation
        return evaluation.conditions.workload, evaluation.objective, ""

    def _read_ledger(self) -> None:
        """Take in the lines that were completed since the last look; a torn last line waits for its rest."""
        lines = self._ledger.new_lines()
        if self._ledger.replaced:
            self._forget()
        for line in lines:
            entry = parse(line)
            if entry is not None and entry.evaluation.conditions.split == "search":
                with contextlib.suppress(ValueError):  # a time that is none: not a line of ours
                    self._take_in(entry)

    def _take_in(self, entry: Entry) -> None:
        evaluation = entry.evaluation
        self._ended_at.append(_seconds(entry.when))
        self._feasible += evaluation.feasible
        self._invalid += evaluation.status is Status.INVALID
        self._evaluator_failed += evaluation.status is Status.EVALUATOR_FAILED
        better = evaluation.outranks(self._best.entry.evaluation if self._best else None)
        seen = Seen(len(self._ended_at), entry, better)
        self._recent.append(seen)
        self._entries.append(entry)
        if seen.best:
            self._best = seen

    def _read_starts(self) -> None:
        try:
            changed = (self.run / RUN_INFO_NAME).stat().st_mtime_ns
        except FileNotFoundError:
            return
        if changed != self._starts_changed_ns:
            self._starts, self._starts_changed_ns = read_starts(self.run), changed

    def _end_written(self, since: float) -> float | None:
        """When OpenEvolve wrote down its end, if it did so after the last start."""
        try:
            written = (self.run / _WRITTEN_AT_THE_END).stat().st_mtime
        except FileNotFoundError:
            return None
        return written if written >= since else None


def _span(marks: list[float]) -> tuple[float, int]:
    """Seconds from the first to the last mark, and the gaps between."""
    return (marks[-1] - marks[0], len(marks) - 1) if marks else (0.0, 0)


def _seconds(when: str) -> float:
    return datetime.datetime.fromisoformat(when).timestamp()


def _cost_usd(usage: Path) -> float | None:
    try:
        models = json.loads(usage.read_text(encoding="utf-8"))["models"].values()
        costs = [model["cost_usd"] for model in models]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # nothing was forwarded; a damaged file is the gateway's to complain about
    return None if None in costs else sum(costs) or None
