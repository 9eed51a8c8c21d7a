"""An evaluation in a few words: its figure, how it stands to another, what is wrong with it."""

import math

from eplb_evolve.board.metrics import BY_NAME
from eplb_evolve.evaluation.objectives import objective as named
from eplb_evolve.evaluation.result import Evaluation, Status
from eplb_evolve.evaluation.timing import NORMAL_95, PROCESS_SHARE
from eplb_evolve.hostile_text import sentence

_MOST_REASON = 120


def figure(evaluation: Evaluation | None, objective: str, interval: bool = True) -> str:
    """The figure that the objective goes by, with its 95 % interval; "-" where it was not measured."""
    metric = BY_NAME[named(objective).figure]
    value = evaluation.figure(metric.name) if evaluation is not None else None
    if evaluation is None or value is None:
        return "-"
    ends = metric.ends(evaluation) if interval else None
    percent = "%" if metric.unit == "%" else ""
    return metric.show(value) + percent + (f" [{metric.show(ends[0])}, {metric.show(ends[1])}]" if ends else "")


def standing(evaluation: Evaluation, other: Evaluation, who: str, objective: str) -> str:
    """How a program stands to another: by the calls that both were measured on, else by their intervals."""
    look = evaluation.second_look
    if look is not None and look.beside == other.sha256 and look.gain is not None:
        ends = f" [{_gain(look.gain_low, objective)}, {_gain(look.gain_high, objective)}]"
        verdict = "better than" if look.won else "not proven better than"
        return f"{verdict} {who} on the same calls: {_gain(look.gain, objective)}{ends}"
    metric = BY_NAME[named(objective).figure]
    mine, theirs = _widened(metric.ends(evaluation), objective), _widened(metric.ends(other), objective)
    if mine is None or theirs is None or not (mine[1] < theirs[0] or theirs[1] < mine[0]):
        return f"not distinguishable from {who}"
    better = (mine[1] < theirs[0]) == (metric.better == "lower")
    value, base = evaluation.figure(metric.name), other.figure(metric.name)
    if objective == "time":
        return f"{_times(base / value)} x as fast as {who}" if better else f"{_times(value / base)} x as slow as {who}"
    return f"{'better' if better else 'worse'} than {who}"


def verdict(evaluation: Evaluation, best: Evaluation | None, objective: str) -> str:
    """Against the run's best, in a few words."""
    if evaluation.status is not Status.FEASIBLE:
        return failure(evaluation)
    if best is None or best.sha256 == evaluation.sha256:
        return "the best"
    if evaluation.timing is not None and evaluation.timing.raced:
        return f"given up after {evaluation.timing.samples} calls"
    return standing(evaluation, best, "the best", objective)


def failure(evaluation: Evaluation) -> str:
    """What keeps a program from being feasible."""
    word = {Status.INFEASIBLE: "unbalanced", Status.EVALUATOR_FAILED: "not judged, the evaluator failed"}
    return f"{word.get(evaluation.status, 'invalid')}: {sentence(evaluation.reason, _MOST_REASON)}"


def _times(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def _gain(value: float | None, objective: str) -> str:
    if value is None or not math.isfinite(value):
        return "?"
    return f"{value:.3g} x as fast" if objective == "time" else f"{value:+.2g} points"


def _widened(ends: tuple[float, float] | None, objective: str) -> tuple[float, float] | None:
    """Of figures from different processes: those of time differ by more than their calls scatter."""
    if ends is None or objective != "time":
        return ends
    share = NORMAL_95 * PROCESS_SHARE
    return ends[0] * (1 - share), ends[1] * (1 + share)
