"""What a search is told about an evaluation: floats for OpenEvolve, sentences for a proposer, a line for people."""

from eplb_evolve.evaluation.result import Evaluation
from eplb_evolve.evaluation.settings import Objective
from eplb_evolve.results.ledger import Entry
from eplb_evolve.results.metrics import BY_NAME, METRICS

TOLD = tuple(metric.name for metric in METRICS if metric.name not in ("samples", "time_ms_low", "time_ms_high"))


def metrics(evaluation: Evaluation) -> dict[str, float]:
    """Every measured figure as a plain Python float; OpenEvolve's checkpoints break on anything else."""
    told = {name: value for name in TOLD if (value := getattr(evaluation, name)) is not None}
    flags = {"valid": evaluation.valid, "feasible": evaluation.feasible}
    return {name: float(value) for name, value in (told | flags).items()}


def artifacts(evaluation: Evaluation, objective: Objective = "time") -> dict[str, str]:
    """What was wrong, slow or unbalanced, in words. Nothing in here is hidden from a candidate."""
    told = {"verdict": _verdict(evaluation, objective)}
    if evaluation.time_ms is not None:
        told["time"] = _time(evaluation)
        told["balance"] = _balance(evaluation)
    if evaluation.log.strip():
        told["output"] = evaluation.log
    return told


def _verdict(evaluation: Evaluation, objective: Objective) -> str:
    if evaluation.feasible:
        counts = "Only speed counts" if objective == "time" else "Only balancedness on the next window counts"
        return f"Valid, and the load is as balanced as it must be. {counts} from here."
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


def progress_line(number: int, entry: Entry, best: bool) -> str:
    """One line per evaluation, for the person who watches the search."""
    evaluation = entry.evaluation
    how = f"{entry.tier} {'+'.join(entry.operators)}".strip()
    if evaluation.time_ms is None:
        return f"eplb {number:4d}  {'invalid' if not evaluation.valid else 'infeasible'}: {evaluation.reason}"[:150]
    verdict = "feasible" if evaluation.feasible else "infeasible"
    speedup = BY_NAME["speedup_over_seed"].show(evaluation.speedup_over_seed)
    mark = "  <- best so far" if best else ""
    return f"eplb {number:4d}  {verdict:10s} {evaluation.time_ms:8.2f} ms  {speedup:>6s}x seed  {how}{mark}"
