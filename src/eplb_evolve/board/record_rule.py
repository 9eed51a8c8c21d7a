"""Whether an evolved program is worth a record."""

from collections.abc import Callable, Iterable, Sequence

from eplb_evolve.board.metrics import BY_NAME
from eplb_evolve.board.ranking import reaches
from eplb_evolve.board.rows import Row
from eplb_evolve.evaluation.comparison import Comparison
from eplb_evolve.evaluation.result import Evaluation

Beside = Callable[[Evaluation, Row], Comparison | None]
"""Measures the program of an evaluation (`first`) beside that of a row (`second`), on the same calls; None where that
is not possible."""


def refusal(evaluations: Sequence[Evaluation], peers: Iterable[Row], beside: Beside) -> str:
    """Why a program is not recorded: infeasible, or beaten everywhere; "" when it may be.

    peers: rows that it is held against; only those of the same workload, windows, device and machine count. Stored
    figures only tell which rows may beat the program; whether one does is measured on the same calls.
    """
    for each in evaluations:
        if not each.feasible:
            return f"on {each.conditions.workload}, {each.conditions.split} windows: {each.reason}"
    known, beaten = list(peers), []
    for own in evaluations:
        rivals = [row for row in known if _comparable(own, row.evaluation)]
        if not rivals:
            continue
        better = next((row for row in _suspects(own, rivals) if _beats(beside(own, row))), None)
        if better is None:
            return ""
        where = own.conditions
        beaten.append(
            f"on {where.workload}, {where.split} windows, {better.name} is at least as good in time, balance and "
            "transfers and better in one of them"
        )
    return "; ".join(beaten)


def _comparable(own: Evaluation, other: Evaluation) -> bool:
    return own.sha256 != other.sha256 and own.conditions == other.conditions


def _suspects(own: Evaluation, rows: Iterable[Row]) -> list[Row]:
    """The rows that may beat a program, the fastest first: none of their figures is worse beyond the intervals."""
    mine = reaches(own)
    if mine is None:
        return []
    found = []
    for row in {row.evaluation.sha256: row for row in rows}.values():  # a text may be known from several places
        theirs = reaches(row.evaluation)
        if theirs is not None and not any(one.beats(other) for one, other in zip(mine, theirs, strict=True)):
            found.append((theirs[0].value, row))
    return [row for _, row in sorted(found, key=lambda each: each[0])]


def _beats(found: Comparison | None) -> bool:
    """Whether the second program is not worse in any figure, as far as can be told, and better beyond doubt in one."""
    if found is None:
        return False
    slots = BY_NAME["transfers_more"].negligible
    better = (found.time.low > 1, found.balance.high < 1, found.moved.low > slots)
    worse = (found.time.high < 1, found.balance.low > 1, found.moved.high < -slots)
    return any(better) and not any(worse)
