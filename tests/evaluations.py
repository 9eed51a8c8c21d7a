"""Evaluations made up for tests, from the flat names that ledgers and JSON have."""

from eplb_evolve.evaluation.objectives.time import time_score
from eplb_evolve.evaluation.result import Evaluation

ABOUT = {
    "program": "p.py",
    "sha256": "ab" * 32,
    "workload": "w",
    "split": "search",
    "device": "cpu",
    "machine": "m",
    "sandbox_level": "rlimits",
}
FLAGS = {"valid", "feasible", "evaluator_failed"}


def evaluated(ratio=None, **flat):
    """Feasible with a ratio to the reference, which is its time in milliseconds too; else invalid, unless flags say."""
    given = ABOUT | _feasible(ratio) | flat
    given["valid"] = given.get("valid", False) or given.get("feasible", False)
    return Evaluation.from_dict(given)


def changed(evaluation, **flat):
    """The same evaluation with other flat figures."""
    told = {name: value for name, value in evaluation.as_dict().items() if name != "status" or not FLAGS & set(flat)}
    return Evaluation.from_dict(told | flat)


def _feasible(ratio):
    if ratio is None:
        return {"reason": "call: it raised ValueError"}
    return {
        "valid": True,
        "feasible": True,
        "time_ms": ratio,
        "ratio_to_reference": ratio,
        "combined_score": time_score(ratio),
        "balancedness": 0.8,
    }
