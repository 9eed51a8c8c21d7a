"""The first draft of a record's README: everything that is known without thinking."""

from collections.abc import Sequence

from eplb_evolve.board.metrics import BY_NAME
from eplb_evolve.board.records import Record
from eplb_evolve.evaluation.result import Evaluation
from eplb_evolve.runs.lineage import Step, summary

FIGURES = (
    *("time_ms", "ratio_to_reference", "ratio_spread", "speedup_over_seed", "balancedness", "balancedness_reference"),
    *("transfers", "net_blocking_3000", "samples"),
)
TO_WRITE = "(To be written: what changed in the program, and why it is faster or balances better.)"


def draft(record: Record, chain: Sequence[Step]) -> str:
    """README.md of a record."""
    found = f"Found by `{record.search}`." if record.search else "Not found by a search: kept for comparison."
    parts = [f"# {record.name}", f"{found} {TO_WRITE}"]
    if len(chain) > 1:
        steps = [f"{number}. {step.how} {_tier(step)}{_gain(step)}".rstrip() for number, step in enumerate(chain)][1:]
        parts += [f"The way from the seed, {summary(chain)}:", "\n".join(steps)]
    parts += [_table(record.evaluations)]
    if record.worth:
        parts.append(record.worth)
    machine = record.evaluations[0].conditions.machine if record.evaluations else ""
    versions = ", ".join(f"{name} {version}" for name, version in record.versions.items())
    parts.append(f"Measured {record.when} by `{record.command}`; {machine}; {versions}.")
    return "\n\n".join(parts) + "\n"


def _tier(step: Step) -> str:
    return f"({step.tier})" if step.tier else ""


def _gain(step: Step) -> str:
    return f", {step.gain:.2f} x" if step.gain is not None else ""


def _table(evaluations: Sequence[Evaluation]) -> str:
    headings = ("workload", "windows", *(BY_NAME[name].heading for name in FIGURES))
    rows = [headings, ["---"] * len(headings)]
    for each in evaluations:
        rows.append(
            (
                each.conditions.workload,
                each.conditions.split,
                *(BY_NAME[name].show(each.figure(name)) for name in FIGURES),
            )
        )
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
