"""Whether an evolved program is worth a record."""

from collections.abc import Callable, Iterable, Sequence

from eplb_evolve.board.rows import Row
from eplb_evolve.evaluation.comparison import Comparison
from eplb_evolve.evaluation.result import Evaluation

Beside = Callable[[Evaluation, Row], Comparison | None]
"""Measures the program of an evaluation (`first`) beside that of a row (`second`), on the same calls; None where that
is not possible."""

FAR_IN_BALANCE, FAR_IN_TRANSFERS = 0.05, 0.2
"""Figures that were measured apart differ by chance, but not by more than this: balancedness as a share of the
reference's, and transfers. A row that is further behind cannot beat a program."""


def refusal(evaluations: Sequence[Evaluation], peers: Iterable[Row], beside: Beside) -> str:
    """Why a program is not recorded: infeasible, or beaten everywhere; "" when it may be.

    peers: rows that it is held against; only those of the same workload, windows, device and machine count. Stored
    figures only tell which rows may beat the program; whether one does is measured on the same calls.
    """
    for each in evaluations:
        if not each.feasible:
            return f"on {each.workload}, {each.split} windows: {each.reason}"
    known, beaten = list(peers), []
    for own in evaluations:
        rivals = [row for row in known if _comparable(own, row.evaluation)]
        if not rivals:
            continue
        better = next((row for row in _suspects(own, rivals) if _beats(beside(own, row))), None)
        if better is None:
            return ""
        beaten.append(
            f"on {own.workload}, {own.split} windows, {better.name} is at least as good in time, balance and transfers "
            "and better in one of them"
        )
    return "; ".join(beaten)


def _comparable(own: Evaluation, other: Evaluation) -> bool:
    fields = ("workload", "split", "device", "machine", "sandbox_level")
    return own.sha256 != other.sha256 and all(getattr(own, name) == getattr(other, name) for name in fields)


def _suspects(own: Evaluation, rows: Iterable[Row]) -> list[Row]:
    """The rows that may beat a program, the fastest first."""
    ours = _figures(own)
    if ours is None:
        return []
    found = []
    for row in {row.evaluation.sha256: row for row in rows}.values():  # a text may be known from several places
        theirs = _figures(row.evaluation)
        if theirs is None:
            continue
        slower = theirs[0] > ours[1]
        far = theirs[2] < ours[2] - FAR_IN_BALANCE or theirs[3] > ours[3] + FAR_IN_TRANSFERS
        if not slower and not far:
            found.append((theirs[0], row))
    return [row for _, row in sorted(found, key=lambda each: each[0])]


def _figures(run: Evaluation) -> tuple[float, float, float, float] | None:
    """Low and high of the ratio, balancedness as a share of the reference's, transfers; None where one is unknown."""
    low, high, moved = run.ratio_low, run.ratio_high, run.transfers
    if low is None or high is None or moved is None or run.balancedness is None or not run.balancedness_reference:
        return None
    return low, high, run.balancedness / run.balancedness_reference, moved


def _beats(found: Comparison | None) -> bool:
    """Whether the second program is not worse in any figure, as far as can be told, and better beyond doubt in one."""
    if found is None:
        return False
    better = (found.time.low > 1, found.balance.high < 0, found.moved.low > 0)
    worse = (found.time.high < 1, found.balance.low > 0, found.moved.high < 0)
    return any(better) and not any(worse)
