"""What a search is told about an evaluation: floats for OpenEvolve, sentences for a proposer, a line for people."""

from collections.abc import Sequence

from eplb_evolve.board.metrics import BY_NAME, METRICS
from eplb_evolve.evaluation.objectives import objective as named
from eplb_evolve.evaluation.result import NUMBERS, BalanceFigures, Evaluation, ServingFigures, Status, TimeFigures
from eplb_evolve.hostile_text import printable
from eplb_evolve.runs.ledger import Entry

TOLD = tuple(
    metric.name
    for metric in METRICS
    if metric.name in NUMBERS and metric.name not in ("samples", "time_ms_low", "time_ms_high")
)


def metrics(evaluation: Evaluation, features: Sequence[str] = ()) -> dict[str, float]:
    """Every measured figure as a plain Python float; OpenEvolve's checkpoints break on anything else.

    features: figures by which OpenEvolve sorts programs. It drops a program that lacks one, so that they are 0 where
    nothing was measured.
    """
    told = {name: value for name in TOLD if (value := evaluation.figure(name)) is not None}
    flags = {"valid": evaluation.valid, "feasible": evaluation.feasible}
    if evaluation.status is Status.EVALUATOR_FAILED:
        flags["evaluator_failed"] = True
    sorted_by = {name: evaluation.figure(name) or 0.0 for name in features if name in NUMBERS}
    return {name: float(value) for name, value in (told | flags | sorted_by).items()}


def artifacts(evaluation: Evaluation, objective: str = "time") -> dict[str, str]:
    """What was wrong, slow or unbalanced, in words. Nothing in here is hidden from a candidate."""
    told = {"verdict": _verdict(evaluation, objective)}
    if evaluation.timing is not None:
        told["time"] = _time(evaluation, evaluation.timing)
    if evaluation.balance is not None:
        told["balance"] = _balance(evaluation.balance)
    if evaluation.serving is not None and named(objective).serves:
        told["net throughput"] = _net(evaluation.serving)
    if evaluation.log.strip():
        told["output"] = evaluation.log
    return told


def _verdict(evaluation: Evaluation, objective: str) -> str:
    if evaluation.feasible:
        counts = named(objective).counts
        return f"Valid, and the load is as balanced as it must be. Only {counts} counts from here."
    if evaluation.status is Status.EVALUATOR_FAILED:
        return f"Not judged, the evaluator failed: {evaluation.reason}. This says nothing about the program."
    if evaluation.valid:
        return f"Valid, but not balanced enough: {evaluation.reason}."
    return f"Invalid: {evaluation.reason}."


def _time(evaluation: Evaluation, timing: TimeFigures) -> str:
    text = (
        f"{timing.time_ms:.3g} ms per call, {timing.ratio_to_reference:.3g} x the time of the reference "
        "(exact greedy, vectorised over layers)"
    )
    if timing.speedup_over_seed is not None:
        text += f", {timing.speedup_over_seed:.1f} x as fast as the plain Python loops"
    if evaluation.on:
        each = [f"{one.ratio_to_reference:.3g} x on {one.workload} ({one.time_ms:.3g} ms)" for one in evaluation.on]
        text += f"; these are geometric means over the workloads: {', '.join(each)}"
    if timing.floor_ms is not None:
        text += (
            f". For comparison: a call that only fills three new tensors takes {timing.floor_ms:.2g} ms "
            f"({timing.floor_ratio:.2g} x)"
        )
    text += f". Import and first call took {(evaluation.first_call_ms or 0) / 1e3:.1f} s and are not counted"
    if timing.raced:
        text += f". Timing stopped after {timing.samples} calls: clearly behind the best program of this search"
    return text + "."


def _balance(balance: BalanceFigures) -> str:
    return (
        f"Balancedness {balance.balancedness:.4f} on the next window (the reference reaches "
        f"{balance.balancedness_reference:.4f}), {balance.balancedness_same:.4f} on the window planned on, "
        f"{balance.balancedness_worst_layer:.4f} in its worst layer. Of the replicas, "
        f"{(balance.transfers or 0) * 100:.0f} % changed GPU."
    )


def _net(serving: ServingFigures) -> str:
    return (
        f"{serving.net_throughput:.4f} times the throughput of never rebalancing ({serving.serving}); that is "
        f"{100 * (serving.net_gain or 0):+.2f} % of it beside the reference on the same calls. A rebalance costs the "
        "plan's time, a fixed time unless nothing moves at all, and time for the slots that the busiest GPU receives "
        "in each layer; the steps after it are as slow as the next window's balance makes them."
    )


def progress_line(number: int, entry: Entry, best: bool, objective: str = "time") -> str:
    """One line per evaluation, for the person who watches the search."""
    return printable(_line(number, entry, best, objective))


def _line(number: int, entry: Entry, best: bool, objective: str) -> str:
    evaluation, goal = entry.evaluation, named(objective)
    how = " ".join(f"{entry.tier} {'+'.join(entry.operators)}".split())
    if evaluation.timing is None:
        reason = " ".join(evaluation.reason.split())
        return f"eplb {number:4d}  {evaluation.status.replace('_', ' ')}: {reason}"[:150]
    figure = BY_NAME[goal.shown].show(evaluation.figure(goal.shown))
    mark = "  <- best so far" if best else ""
    ms = evaluation.timing.time_ms
    return f"eplb {number:4d}  {evaluation.status:10s} {ms:8.2f} ms  {figure:>6s}{goal.unit}  {how}{mark}"
