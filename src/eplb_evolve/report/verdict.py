"""The answer in words, and the figures that go with it."""

import math
from collections import Counter
from dataclasses import dataclass

from eplb_evolve.board.metrics import BY_NAME
from eplb_evolve.evaluation.result import Evaluation
from eplb_evolve.report.gather import Run

OBJECTIVES = {
    "time": "time",
    "balance": "balancedness on the next window",
    "net_throughput": "net throughput",
}


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
    if judged.sha256 == run.started_from:
        sentences = ["The search found nothing better than the program that it started from.", *_own_best(run)]
    elif run.objective == "balance":
        sentences = _balance(digits, judged)
    elif run.objective == "net_throughput":
        sentences = _net(digits, judged, pair)
    else:
        sentences = _time(digits, judged, pair)
    sentences.append(_where(run, judged))
    if judged.ratio_to_reference is not None and run.objective not in ("time", None):
        sentences.append(f"A plan takes {_ms(judged)} ms, {_times_reference(judged)}.")
    return sentences


def _own_best(run: Run) -> list[str]:
    """What the search itself took for its best, where holdout windows say otherwise."""
    feasible = [each for each in run.searched() if each.feasible]
    own = max(feasible, key=lambda each: each.combined_score, default=None)
    if own is None or own.sha256 == run.started_from:
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
    for split in (judged.split, "search"):
        start, best = run.of(run.started_from, split), run.of(judged.sha256, split)
        if start is not None and best is not None and start.feasible:
            return start, best
    return None


def _time(digits: str, judged: Evaluation, pair: tuple[Evaluation, Evaluation] | None) -> list[str]:
    sentences = [f"The best program, {digits}, plans in {_ms(judged)} ms, {_times_reference(judged)}."]
    if judged.speedup_over_seed is not None:
        sentences.append(
            f"That is {_show(judged, 'speedup_over_seed')} times as fast as DeepSeek's form in plain loops."
        )
    low, high = judged.ratio_low, judged.ratio_high
    if low is not None and high is not None:
        if high < 1:
            sentences.append("The interval lies below 1: it is faster than the reference.")
        elif low > 1:
            sentences.append("The interval lies above 1: it is slower than the reference.")
        else:
            sentences.append("The interval holds 1: these figures do not tell it from the reference.")
    if pair is not None:
        start, best = pair
        ends = start.ratio_low, start.ratio_high, best.ratio_low, best.ratio_high
        if all(ends):
            least, most = (ends[0] or 0.0) / (ends[3] or 1.0), (ends[1] or 0.0) / (ends[2] or 1.0)
            sentences.append(
                f"Against the program that the search started from, on {best.split} windows, it is {least:,.3g} to "
                f"{most:,.3g} times as fast, by the ends of both intervals."
            )
    return sentences


def _balance(digits: str, judged: Evaluation) -> list[str]:
    reached, reference = judged.balancedness, judged.balancedness_reference
    if reached is None or reference is None:
        return [f"The best program is {digits}; its balancedness is not known."]
    gain = 100 * (reached / reference - 1)
    return [
        f"The best program, {digits}, reaches balancedness {reached:.4f} on the next window, {abs(gain):.2f} % "
        f"{'more' if gain >= 0 else 'less'} than the exact greedy's {reference:.4f} on the same inputs.",
        "No interval is kept for balancedness, so a small difference may be chance.",
    ]


def _net(digits: str, judged: Evaluation, pair: tuple[Evaluation, Evaluation] | None) -> list[str]:
    low, high = _show(judged, "net_throughput_low"), _show(judged, "net_throughput_high")
    sentences = [
        f"With the best program, {digits}, throughput is {_show(judged, 'net_throughput')} times that of never "
        f"rebalancing (95 % interval {low} to {high}), computed for {judged.serving}."
    ]
    if pair is not None:
        start, best = pair
        apart = (best.net_throughput_low or 0.0) > (start.net_throughput_high or math.inf)
        sure = "their intervals do not overlap" if apart else "their intervals overlap, so the difference may be chance"
        sentences.append(
            f"On {best.split} windows it gives {_show(best, 'net_throughput')} and the program that the search started "
            f"from {_show(start, 'net_throughput')}; {sure}."
        )
    return sentences


def _where(run: Run, judged: Evaluation) -> str:
    if judged.split == "holdout":
        seen = "measured on holdout windows, which the search never saw"
    else:
        seen = (
            "measured on the search windows alone, so it may be too good (eplb leaderboard measures it on holdout "
            "windows)"
        )
    return f"Workload {run.workload}, {seen}; {judged.device}, {judged.machine}, sandbox {judged.sandbox_level}."


def _ms(judged: Evaluation) -> str:
    return _show(judged, "time_ms")


def _times_reference(judged: Evaluation) -> str:
    ratio = _show(judged, "ratio_to_reference")
    bound = "at most " if judged.at_bound else ""
    return f"{bound}{ratio} times the reference's time{_interval(judged.ratio_low, judged.ratio_high)}"


def _interval(low: float | None, high: float | None) -> str:
    return f" (95 % interval {low:.3g} to {high:.3g})" if low is not None and high is not None else ""


def _show(judged: Evaluation, name: str) -> str:
    return BY_NAME[name].show(getattr(judged, name))


def cards(run: Run) -> list[Card]:
    """The best program's figures, then what the search did; a figure that is not known has no card."""
    judged, found = run.judged, []
    if judged is not None:
        net = "net_throughput" if run.objective == "net_throughput" else "net_blocking_3000"
        found = [
            _card(judged, "ratio_to_reference", _interval(judged.ratio_low, judged.ratio_high).strip(" ()")),
            _card(judged, "speedup_over_seed", "DeepSeek's form in plain loops is 1"),
            _card(judged, "balancedness", f"the reference: {_show(judged, 'balancedness_reference')}"),
            _card(judged, "transfers", "of the slots"),
        ]
        found.append(_card(judged, net, judged.serving if net == "net_throughput" else "every 3,000 steps"))
        if run.objective in ("balance", "net_throughput"):  # what the search was after comes first
            found.insert(0, found.pop(2 if run.objective == "balance" else 4))
    searched = run.searched()
    of = Counter(each.status for each in searched)
    told = len(searched) - of["evaluator_failed"]
    counts = [Card("evaluations", f"{len(searched):,}", "on search windows")]
    if told:
        counts.append(Card("feasible", f"{of['feasible'] / told:.0%}", f"{of['feasible']:,} programs"))
        counts.append(Card("invalid", f"{of['invalid']:,}", f"{of['infeasible']:,} more infeasible"))
    if of["evaluator_failed"]:
        counts.append(Card("evaluator failed", f"{of['evaluator_failed']:,}", "not counted against the programs"))
    return [card for card in found if card is not None] + counts


def _card(judged: Evaluation, name: str, note: str) -> Card | None:
    if getattr(judged, name) is None:
        return None
    metric = BY_NAME[name]
    unit = {"x": " x", "%": " %"}.get(metric.unit, "")
    return Card(metric.heading, _show(judged, name) + unit, note)
