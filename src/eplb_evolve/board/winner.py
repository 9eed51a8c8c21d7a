"""Which program a run has found: the one rule for leaderboard and report."""

from collections.abc import Sequence

from eplb_evolve.board.ranking import reach
from eplb_evolve.evaluation.objectives import objective
from eplb_evolve.evaluation.result import Evaluation
from eplb_evolve.runs.ledger import Entry, best


def winner(entries: Sequence[Entry], goal: str | None) -> tuple[Entry | None, Evaluation | None]:
    """The best program with its search entry, and its holdout evaluation, each None where there is none.

    It is the search's own best, unless on the holdout windows another one is better beyond the intervals of both, or it
    is infeasible there.
    goal: the objective, `time` where it is not known.
    """
    feasible = [each for each in entries if each.evaluation.feasible and each.evaluation.conditions.split == "search"]
    searched = {
        each.evaluation.sha256: each for each in sorted(feasible, key=lambda each: each.evaluation.combined_score)
    }
    confirmed = [each for each in entries if each.evaluation.conditions.split == "holdout"]
    champion = best(searched.values())
    if champion is None:
        found = best(confirmed)
        return found, found.evaluation if found is not None else None
    known = [each for each in confirmed if each.evaluation.sha256 in searched]
    top = best(known)
    if top is None:
        return champion, None
    own = next((each for each in reversed(known) if each.evaluation.sha256 == champion.evaluation.sha256), None)
    if own is None:
        return champion, None
    if own.evaluation.feasible and _tie(own.evaluation, top.evaluation, goal or "time"):
        top = own
    return searched[top.evaluation.sha256], top.evaluation


def _tie(one: Evaluation, other: Evaluation, goal: str) -> bool:
    mine, theirs = (reach(each, objective(goal).figure) for each in (one, other))
    return mine is None or theirs is None or not theirs.beats(mine)
