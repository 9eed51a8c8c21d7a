"""What a search is told about an evaluation: floats for OpenEvolve, sentences for a proposer, a line for people."""

from collections.abc import Sequence

from eplb_evolve.board.metrics import BY_NAME, METRICS
from eplb_evolve.evaluation.result import Evaluation
from eplb_evolve.evaluation.settings import Objective
from eplb_evolve.hostile_text import printable
from eplb_evolve.runs.ledger import Entry

TOLD = tuple(metric.name for metric in METRICS if metric.name not in ("samples", "time_ms_low", "time_ms_high"))
COUNTS: dict[Objective, str] = {
    "time": "speed",
    "balance": "balancedness on the next window",
    "net_throughput": "net throughput",
}
SHOWN: dict[Objective, tuple[str, str]] = {
    "time": ("speedup_over_seed", "x seed"),
    "balance": ("balancedness", " balanced"),
    "net_throughput": ("net_throughput", "x never"),
}
"""What a progress line shows beside the time, and its unit."""


def metrics(evaluation: Evaluation, features: Sequence[str] = ()) -> dict[str, float]:
    """Every measured figure as a plain Python float; OpenEvolve's checkpoints break on anything else.

    features: figures by which OpenEvolve sorts programs. It drops a program that lacks one, so that they are 0 where
    nothing was measured.
    """
    told = {name: value for name in TOLD if (value := getattr(evaluation, name)) is not None}
    flags = {"valid": evaluation.valid, "feasible": evaluation.feasible}
    if evaluation.evaluator_failed:
        flags["evaluator_failed"] = True
    sorted_by = {name: getattr(evaluation, name) or 0.0 for name in features if name in BY_NAME}
    return {name: float(value) for name, value in (told | flags | sorted_by).items()}


def artifacts(evaluation: Evaluation, objective: Objective = "time") -> dict[str, str]:
    """What was wrong, slow or unbalanced, in words. Nothing in here is hidden from a candidate."""
    told = {"verdict": _verdict(evaluation, objective)}
    if evaluation.time_ms is not None:
        told["time"] = _time(evaluation)
        told["balance"] = _balance(evaluation)
        if objective == "net_throughput":
            told["net throughput"] = _net(evaluation)
    if evaluation.log.strip():
        told["output"] = evaluation.log
    return told


def _verdict(evaluation: Evaluation, objective: Objective) -> str:
    if evaluation.feasible:
        return f"Valid, and the load is as balanced as it must be. Only {COUNTS[objective]} counts from here."
    if evaluation.evaluator_failed:
        return f"Not judged, the evaluator failed: {evaluation.reason}. This says nothing about the program."
    if evaluation.valid:
        return f"Valid, but not balanced enough: {evaluation.reason}."
    return f"Invalid: {evaluation.reason}."


def _time(evaluation: Evaluation) -> str:
    text = (
        f"{evaluation.time_ms:.3g} ms per call, {evaluation.ratio_to_reference:.3g} x the time of the reference "
        "(exact greedy, vectorised over layers)"
    )
    if evaluation.speedup_over_seed is not None:
        text += f", {evaluation.speedup_over_seed:.1f} x as fast as the plain Python loops"
    if evaluation.on:
        each = [f"{one.ratio_to_reference:.3g} x on {one.workload} ({one.time_ms:.3g} ms)" for one in evaluation.on]
        text += f"; these are geometric means over the workloads: {', '.join(each)}"
    if evaluation.floor_ms is not None:
        text += (
            f". For comparison: a call that only fills three new tensors takes {evaluation.floor_ms:.2g} ms "
            f"({evaluation.floor_ratio:.2g} x)"
        )
    text += f". Import and first call took {(evaluation.first_call_ms or 0) / 1e3:.1f} s and are not counted"
    if evaluation.raced:
        text += f". Timing stopped after {evaluation.samples} calls: clearly behind the best program of this search"
    return text + "."


def _balance(evaluation: Evaluation) -> str:
    return (
        f"Balancedness {evaluation.balancedness:.4f} on the next window (the reference reaches "
        f"{evaluation.balancedness_reference:.4f}), {evaluation.balancedness_same:.4f} on the window planned on, "
        f"{evaluation.balancedness_worst_layer:.4f} in its worst layer. Of the replicas, "
        f"{(evaluation.transfers or 0) * 100:.0f} % changed GPU."
    )


def _net(evaluation: Evaluation) -> str:
    return (
        f"{evaluation.net_throughput:.4f} times the throughput of never rebalancing ({evaluation.serving}). A "
        "rebalance costs the plan's time, a fixed time unless nothing moves at all, and time for the slots that the "
        "busiest GPU receives in each layer; the steps after it are as slow as the next window's balance makes them."
    )


def progress_line(number: int, entry: Entry, best: bool, objective: Objective = "time") -> str:
    """One line per evaluation, for the person who watches the search."""
    return printable(_line(number, entry, best, objective))


def _line(number: int, entry: Entry, best: bool, objective: Objective) -> str:
    evaluation = entry.evaluation
    how = " ".join(f"{entry.tier} {'+'.join(entry.operators)}".split())
    if evaluation.time_ms is None:
        reason = " ".join(evaluation.reason.split())
        return f"eplb {number:4d}  {evaluation.status.replace('_', ' ')}: {reason}"[:150]
    name, unit = SHOWN[objective]
    figure = BY_NAME[name].show(getattr(evaluation, name))
    mark = "  <- best so far" if best else ""
    return f"eplb {number:4d}  {evaluation.status:10s} {evaluation.time_ms:8.2f} ms  {figure:>6s}{unit}  {how}{mark}"
