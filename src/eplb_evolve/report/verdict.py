"""The answer in words, and the figures that go with it."""

from collections import Counter
from dataclasses import dataclass

from eplb_evolve.board.doubts import doubts
from eplb_evolve.board.metrics import BY_NAME
from eplb_evolve.board.ranking import reach
from eplb_evolve.board.terminal import conditions_in_words
from eplb_evolve.evaluation.result import Evaluation, Status
from eplb_evolve.report.gather import Run

FIGURES = {
    "ratio_to_reference": "of the reference's time",
    "speedup_over_seed": "DeepSeek's form in plain loops is 1",
    "balancedness_ratio": "of the reference's",
    "transfers": "of the slots",
    "net_gain": "beside the reference",
}
"""Metrics that have a card, and the note below one without an interval."""


@dataclass(frozen=True)
class Card:
    """One figure: what it is, the value, and a note below it."""

    label: str
    value: str
    note: str = ""


def verdict(run: Run) -> list[str]:
    """Sentences: what was found, how much better, how sure, on which windows and machine."""
    judged = run.judged
    if not run.entries:
        return ["No program has been evaluated in this run yet."]
    if judged is None:
        return [f"Nothing feasible was found in {len(run.entries)} evaluations: there is no best program to speak of."]
    digits = judged.sha256[:10]
    pair = _beside(run, judged)
    if run.is_start(judged.sha256):
        sentences = ["The search found nothing better than the program that it started from.", *_own_best(run)]
    else:
        sentences = VERDICTS.get(run.fitting, _time)(digits, judged, pair)
    sentences.append(_where(run, judged))
    sentences += doubts(judged.at(f"results/runs/{run.name}/{judged.program}"))
    if judged.figure("ratio_to_reference") is not None and run.fitting != "ratio_to_reference":
        sentences.append(f"A plan takes {_ms(judged)} ms, {_times_reference(judged)}.")
    return sentences


def _own_best(run: Run) -> list[str]:
    """What the search itself took for its best, where holdout windows say otherwise."""
    feasible = [each for each in run.searched() if each.feasible]
    own = max(feasible, key=lambda each: each.combined_score, default=None)
    if own is None or run.is_start(own.sha256):
        return []
    shown = BY_NAME[run.fitting]
    there = run.of(own.sha256, "holdout")
    value, start = (_show(each, run.fitting) for each in (own, run.of(run.started_from, "search") or own))
    outcome = f" and {_show(there, run.fitting)} on holdout windows" if there is not None else ""
    return [
        f"On the search windows {own.sha256[:10]} came out ahead, with {shown.heading} {value} where the start has "
        f"{start}{outcome}, which is not enough to call it better."
    ]


def _beside(run: Run, judged: Evaluation) -> tuple[Evaluation, Evaluation] | None:
    """The start and the best program on the same windows, those of the verdict if possible; None without both."""
    for split in (judged.conditions.split, "search"):
        start, best = run.of(run.started_from, split), run.of(judged.sha256, split)
        if start is not None and best is not None and start.feasible:
            return start, best
    return None


def _time(digits: str, judged: Evaluation, pair: tuple[Evaluation, Evaluation] | None) -> list[str]:
    sentences = [f"The best program, {digits}, plans in {_ms(judged)} ms, {_times_reference(judged)}."]
    if judged.figure("speedup_over_seed") is not None:
        sentences.append(
            f"That is {_show(judged, 'speedup_over_seed')} times as fast as DeepSeek's form in plain loops."
        )
    ends = BY_NAME["ratio_to_reference"].ends(judged)
    if ends is not None:
        if ends[1] < 1:
            sentences.append("The interval lies below 1: it is faster than the reference.")
        elif ends[0] > 1:
            sentences.append("The interval lies above 1: it is slower than the reference.")
        else:
            sentences.append("The interval holds 1: these figures do not tell it from the reference.")
    if pair is not None:
        start, best = (BY_NAME["ratio_to_reference"].ends(each) for each in pair)
        if start is not None and best is not None:
            sentences.append(
                f"Against the program that the search started from, on {pair[1].conditions.split} windows, it is "
                f"{start[0] / best[1]:,.3g} to {start[1] / best[0]:,.3g} times as fast, by the ends of both intervals."
            )
    return sentences


def _balance(digits: str, judged: Evaluation, _pair: tuple[Evaluation, Evaluation] | None) -> list[str]:
    ratio = judged.figure("balancedness_ratio")
    if ratio is None:
        return [f"The best program is {digits}; its balancedness is not known."]
    ends = BY_NAME["balancedness_ratio"].ends(judged)
    between = f" (95 % interval {ends[0]:.4f} to {ends[1]:.4f})" if ends is not None else ""
    sure = ends is not None and not ends[0] <= 1 <= ends[1]
    return [
        f"The best program, {digits}, reaches {ratio:.4f} times the exact greedy's balancedness on the next window"
        f"{between}, on the same calls.",
        "The interval does not hold 1." if sure else "That does not tell it from the exact greedy.",
    ]


def _net(digits: str, judged: Evaluation, pair: tuple[Evaluation, Evaluation] | None) -> list[str]:
    ends = BY_NAME["net_gain"].ends(judged)
    between = f" (95 % interval {100 * ends[0]:+.2f} to {100 * ends[1]:+.2f} %)" if ends is not None else ""
    sentences = [
        f"With the best program, {digits}, throughput is {_show(judged, 'net_throughput')} times that of never "
        f"rebalancing, computed for {judged.figure('serving')}. Beside the reference on the same calls that is a gain "
        f"of {_show(judged, 'net_gain')} % of never rebalancing{between}."
    ]
    if pair is not None:
        start, best = (reach(each, "net_gain") for each in pair)
        if start is not None and best is not None:
            apart = best.beats(start)
            sure = "do not overlap" if apart else "overlap, so the difference may be chance"
            sentences.append(
                f"On {pair[1].conditions.split} windows it gains {_show(pair[1], 'net_gain')} % and the program that "
                f"the search started from {_show(pair[0], 'net_gain')} %; their intervals {sure}."
            )
    return sentences


VERDICTS = {"balancedness_ratio": _balance, "net_gain": _net}
"""By the metric that a search is after; any other is shown by its time."""


def _where(run: Run, judged: Evaluation) -> str:
    if judged.conditions.split == "holdout":
        seen = "measured on holdout windows, which the search never saw"
    else:
        seen = (
            "measured on the search windows alone, so it may be too good (eplb leaderboard measures it on holdout "
            "windows)"
        )
    return f"Workload {run.workload}, {seen}; {conditions_in_words(judged.conditions)}."


def _ms(judged: Evaluation) -> str:
    return _show(judged, "time_ms")


def _times_reference(judged: Evaluation) -> str:
    ratio, ends = _show(judged, "ratio_to_reference"), BY_NAME["ratio_to_reference"].ends(judged)
    bound = "at most " if judged.figure("at_bound") else ""
    return f"{bound}{ratio} times the reference's time{_interval(ends)}"


def _interval(ends: tuple[float, float] | None) -> str:
    return f" (95 % interval {ends[0]:.3g} to {ends[1]:.3g})" if ends is not None else ""


def _show(judged: Evaluation, name: str) -> str:
    return BY_NAME[name].show(judged.figure(name))


def cards(run: Run) -> list[Card]:
    """The best program's figures, then what the search did; a figure that is not known has no card."""
    judged, found = run.judged, []
    if judged is not None:
        names = dict.fromkeys((run.fitting, *FIGURES))  # what the search was after comes first
        found = [_card(judged, name, FIGURES.get(name, "")) for name in names]
    searched = run.searched()
    of = Counter(each.status for each in searched)
    told = len(searched) - of[Status.EVALUATOR_FAILED]
    counts = [Card("evaluations", f"{len(searched):,}", "on search windows")]
    if told:
        counts.append(Card("feasible", f"{of[Status.FEASIBLE] / told:.0%}", f"{of[Status.FEASIBLE]:,} programs"))
        counts.append(Card("invalid", f"{of[Status.INVALID]:,}", f"{of[Status.INFEASIBLE]:,} more infeasible"))
    if failed := of[Status.EVALUATOR_FAILED]:
        counts.append(Card("evaluator failed", f"{failed:,}", "not counted against the programs"))
    return [card for card in found if card is not None] + counts


def _card(judged: Evaluation, name: str, note: str) -> Card | None:
    if judged.figure(name) is None:
        return None
    metric = BY_NAME[name]
    unit, ends = {"x": " x", "%": " %"}.get(metric.unit, ""), metric.ends(judged)
    between = f"95 % interval {metric.show(ends[0])} to {metric.show(ends[1])}" if ends is not None else ""
    return Card(metric.heading, _show(judged, name) + unit, between or note)
