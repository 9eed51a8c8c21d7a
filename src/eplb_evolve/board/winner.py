"""Which program a run has found: the one rule for leaderboard and report."""

from collections.abc import Sequence

from eplb_evolve.evaluation.result import Evaluation
from eplb_evolve.evaluation.settings import Objective
from eplb_evolve.runs.ledger import Entry


def winner(entries: Sequence[Entry], objective: Objective | None) -> tuple[Entry | None, Evaluation | None]:
    """The best program with its search entry, and its holdout evaluation, each None where there is none.

    It is the search's own best unless on the holdout windows another one is better; for time, beyond the intervals of
    both.
    """
    feasible = [entry for entry in entries if entry.evaluation.feasible]
    searched = {
        entry.evaluation.sha256: entry
        for entry in sorted(feasible, key=lambda entry: entry.evaluation.combined_score)
        if entry.evaluation.split == "search"
    }
    holdout = {entry.evaluation.sha256: entry for entry in feasible if entry.evaluation.split == "holdout"}
    if not searched:
        best = max(holdout.values(), key=lambda entry: entry.evaluation.combined_score, default=None)
        return best, best.evaluation if best is not None else None
    champion = max(searched.values(), key=lambda entry: entry.evaluation.combined_score)
    confirmed = [entry for sha, entry in holdout.items() if sha in searched]
    if not confirmed:
        return champion, None
    best = max(confirmed, key=lambda entry: entry.evaluation.combined_score)
    own = holdout.get(champion.evaluation.sha256)
    if own is not None and objective in ("time", None) and _tie(own.evaluation, best.evaluation):
        best = own
    return searched[best.evaluation.sha256], best.evaluation


def _tie(one: Evaluation, other: Evaluation) -> bool:
    return (one.ratio_low or 0.0) <= (other.ratio_high or float("inf"))
