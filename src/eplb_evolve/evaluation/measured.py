"""Measurements kept between commands: programs that do not change need no second look on the same machine."""

import contextlib
import dataclasses
import hashlib
import json
from pathlib import Path

from eplb_evolve import durable, reference
from eplb_evolve.evaluation.bench import Bench
from eplb_evolve.evaluation.candidate import read_program
from eplb_evolve.evaluation.pipeline import evaluate
from eplb_evolve.evaluation.result import Evaluation
from eplb_evolve.evaluation.task import EVALUATION_VERSION, Task

DEEPSEEK_FORM_SHA256 = "1954bb42c9af461881a33020684bb6b50f37ebe2f957166678acdfcbda0fd11a"
"""Of initial_program.py as shipped: what speedup_over_seed is measured against, whatever seed a search starts from."""

CLOCK = "timekeeper-3"
"""Name of the way of timing; measurements of another are taken again."""
FIGURES = "with dispatch"
"""What a measurement holds; those that hold less are taken again."""


def recalled(program: Path, task: Task, machine: str, cache: Path) -> list[Evaluation]:
    """Evaluations of the same text on this machine and task, one for each sandbox level that it was measured at."""
    found = []
    for file in sorted(cache.glob(f"{_stem(program, task, machine)}-*.json")):
        with contextlib.suppress(OSError, ValueError, TypeError):  # a broken entry is measured anew
            told = Evaluation.from_dict(json.loads(file.read_text(encoding="utf-8")))
            found.append(told.at(str(program)))
    return found


def known(program: Path, task: Task, bench: Bench, cache: Path) -> Evaluation | None:
    """The evaluation of `program` if the same text was measured on this machine, sandbox level and task before."""
    found = recalled(program, task, bench.machine, cache)
    return next((each for each in found if each.conditions.sandbox_level == bench.level), None)


def measured(program: Path, task: Task, bench: Bench, cache: Path) -> Evaluation:
    """The evaluation of `program`, from the cache if the same text was measured here before."""
    found = known(program, task, bench, cache)
    if found is not None:
        return found
    evaluation = evaluate(program, task, bench)
    if evaluation.valid:
        file = cache / f"{_stem(program, task, bench.machine)}-{bench.level}.json"
        with contextlib.suppress(OSError):  # a full disk: measured anew next time
            durable.write_text(file, json.dumps(evaluation.as_dict(), indent=1))
    return evaluation


def _stem(program: Path, task: Task, machine: str) -> str:
    parts = (
        hashlib.sha256(read_program(program)).hexdigest(),
        machine,
        CLOCK,
        FIGURES,
        str(EVALUATION_VERSION),
        reference.NAME,
        *(f"{each.name} {each.card.sha256} {each.topology!r}" for each in task.workloads),
        task.split,
        repr(task.settings),
        repr([other.name for other in task.checks]),
    )
    return f"measured-{hashlib.sha256(chr(10).join(parts).encode()).hexdigest()[:20]}"


def seed_ratio(deepseek_form: Path, task: Task, bench: Bench, cache: Path) -> float | None:
    """ratio_to_reference of the DeepSeek form on this workload and machine; None if its file was edited or fails."""
    if not is_deepseek_form(deepseek_form):
        return None
    return ratio_of(measured(deepseek_form, dataclasses.replace(task, split="search"), bench, cache))


def ratio_of(evaluation: Evaluation) -> float | None:
    """ratio_to_reference, where it was timed."""
    return evaluation.timing.ratio_to_reference if evaluation.timing is not None else None


def is_deepseek_form(file: Path) -> bool:
    """Whether it is as shipped."""
    return hashlib.sha256(read_program(file)).hexdigest() == DEEPSEEK_FORM_SHA256


def with_speedup(evaluation: Evaluation, seed: float | None) -> Evaluation:
    """The evaluation with speedup_over_seed filled in, given the DeepSeek form's ratio."""
    if seed is None or evaluation.timing is None:
        return evaluation
    timing = dataclasses.replace(evaluation.timing, speedup_over_seed=seed / evaluation.timing.ratio_to_reference)
    return dataclasses.replace(evaluation, timing=timing)


def evaluate_with_speedup(program: Path, task: Task, bench: Bench, deepseek_form: Path, cache: Path) -> Evaluation:
    """Measure in full, with the speedup over the DeepSeek form where that is as shipped."""
    seed = seed_ratio(deepseek_form, task, bench, cache)
    return with_speedup(evaluate(program, task, bench), seed)
