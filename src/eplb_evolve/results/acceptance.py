"""Whether an evolved program is worth a record."""

from collections.abc import Iterable, Sequence

from eplb_evolve.evaluation.result import Evaluation
from eplb_evolve.results.board import Row

BALANCE_NOISE = 0.002
"""Balancedness as a share of the reference's on the same calls: differences up to this are chance."""
TRANSFER_NOISE = 0.01


def refusal(evaluations: Sequence[Evaluation], peers: Iterable[Row]) -> str:
    """Why a program is not recorded: infeasible, or beaten everywhere; "" when it may be.

    peers: rows that it is held against; only those of the same workload, windows, device and machine count.
    """
    for each in evaluations:
        if not each.feasible:
            return f"on {each.workload}, {each.split} windows: {each.reason}"
    known = list(peers)
    beaten = [(own, _better_one(own, known)) for own in evaluations if _peers(own, known)]
    if not beaten or not all(other for _, other in beaten):
        return ""
    return "; ".join(
        f"on {own.workload}, {own.split} windows, {other} is at least as good in time, balance and transfers and "
        "better in one of them"
        for own, other in beaten
    )


def _peers(own: Evaluation, rows: Iterable[Row]) -> list[Row]:
    return [row for row in rows if _comparable(own, row.evaluation)]


def _better_one(own: Evaluation, rows: Iterable[Row]) -> str:
    """Name of a row that beats the program, "" when none does."""
    return next((row.name for row in _peers(own, rows) if _beats(row.evaluation, own)), "")


def _comparable(own: Evaluation, other: Evaluation) -> bool:
    fields = ("workload", "split", "device", "machine", "sandbox_level")
    return own.sha256 != other.sha256 and all(getattr(own, name) == getattr(other, name) for name in fields)


def _beats(other: Evaluation, own: Evaluation) -> bool:
    """Whether `other` is not worse in any figure, as far as can be told, and better beyond doubt in one."""
    theirs, ours = _figures(other), _figures(own)
    if theirs is None or ours is None:
        return False
    better = [high < low for (_, high), (low, _) in zip(theirs, ours, strict=True)]
    worse = [low > high for (low, _), (_, high) in zip(theirs, ours, strict=True)]
    return any(better) and not any(worse)


def _figures(run: Evaluation) -> list[tuple[float, float]] | None:
    """Time, balance and transfers as intervals, lower is better; None where one is unknown."""
    low, high, moved = run.ratio_low, run.ratio_high, run.transfers
    if low is None or high is None or moved is None or run.balancedness is None or run.balancedness_reference is None:
        return None
    lost = -run.balancedness / run.balancedness_reference
    return [
        (low, high),
        (lost - BALANCE_NOISE / 2, lost + BALANCE_NOISE / 2),
        (moved - TRANSFER_NOISE / 2, moved + TRANSFER_NOISE / 2),
    ]
