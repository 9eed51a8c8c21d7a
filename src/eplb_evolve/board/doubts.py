"""Reasons to mistrust a measurement, each with its number and what to do about it."""

import shlex

from eplb_evolve.evaluation.result import Evaluation, TimeFigures
from eplb_evolve.evaluation.task import WITHOUT_GROUPS
from eplb_evolve.sandbox.levels import LEVELS, STRONGEST_ON_GPU

SPREAD = 0.10
"""Half the width of the time's interval, as a share of the time."""
DISTURBED = 0.5
"""Share of the pairs in which something waited for a processor."""
NEAR_THE_FLOOR = 2.0
"""Times the floor."""


def doubts(evaluation: Evaluation) -> list[str]:
    """A sentence for each; none for a measurement that can be trusted, nor for what was not timed."""
    found = [] if evaluation.timing is None else [*_of_time(evaluation), *_near_the_floor(evaluation.timing)]
    where = evaluation.conditions
    level, strongest = where.sandbox_level, STRONGEST_ON_GPU if where.device == "cuda" else LEVELS[0]
    if evaluation.timing is not None and level != strongest:
        found.append(
            f"The sandbox reached level '{level}', not '{strongest}', so the program could see more than it should: "
            "eplb doctor says what is missing."
        )
    return found


def unsteady(evaluation: Evaluation) -> bool:
    """Whether the time itself is in doubt."""
    return bool(_of_time(evaluation))


def _of_time(evaluation: Evaluation) -> list[str]:
    timing, found = evaluation.timing, []
    if timing is None:
        return []
    again = _again(evaluation)
    if timing.time_ms_low is not None and timing.time_ms_high is not None:
        spread = (timing.time_ms_high - timing.time_ms_low) / 2 / timing.time_ms
        if spread > SPREAD:
            found.append(f"The time's interval is ± {spread:.0%} wide, over {SPREAD:.0%}: measure again with {again}.")
    disturbed = timing.samples - timing.undisturbed
    if disturbed > DISTURBED * timing.samples:
        found.append(
            f"In {disturbed} of {timing.samples} pairs something waited for a processor: stop what else runs here "
            f"and measure again with {again}."
        )
    apart, low = timing.estimators_apart, timing.ratio_low
    if apart is not None and low is not None and timing.ratio_to_reference * (1 - apart) < low:
        found.append(
            f"The two estimators of the ratio are {apart:.0%} apart, beyond its interval, so the times have two levels "
            f"or drift: measure it beside another with eplb compare {_quoted(evaluation)} OTHER{_where(evaluation)}."
        )
    if timing.throttled:
        found.append(
            f"In {timing.throttled} pairs a quota or a hypervisor took processor time: eplb doctor says which limits "
            "there are."
        )
    return found


def _near_the_floor(timing: TimeFigures) -> list[str]:
    if timing.at_bound:
        return [
            f"A call is shorter than the clock can tell, so {timing.time_ms:.2g} ms is an upper bound: time it on a "
            "larger workload (eplb workloads list)."
        ]
    if timing.floor_ms is None or timing.time_ms >= NEAR_THE_FLOOR * timing.floor_ms:
        return []
    return [
        f"Of its {timing.time_ms:.2g} ms, {timing.floor_ms:.2g} ms would go into three new tensors alone, so a better "
        "algorithm hardly shows: time it on a larger workload (eplb workloads list)."
    ]


def _again(evaluation: Evaluation) -> str:
    workload = evaluation.conditions.workload
    if workload.endswith(WITHOUT_GROUPS):  # an evaluation would ask for groups on small shapes
        return f"eplb board --workload {workload.removesuffix(WITHOUT_GROUPS)}"
    return f"eplb evaluate {_quoted(evaluation)}{_where(evaluation)}"


def _where(evaluation: Evaluation) -> str:
    where = evaluation.conditions
    device = f" --device {where.device}" if where.device != "cpu" else ""
    workload = where.workload.removesuffix(WITHOUT_GROUPS)
    groups = " --groups 1" if workload != where.workload else ""
    return f" --workload {workload} --split {where.split}{groups}{device}"


def _quoted(evaluation: Evaluation) -> str:
    return shlex.quote(evaluation.program)
