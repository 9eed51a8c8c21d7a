"""Measurements kept between commands: programs that do not change need no second look on the same machine."""

import contextlib
import dataclasses
import hashlib
import json
import os
from pathlib import Path

from eplb_evolve import reference
from eplb_evolve.evaluation.bench import Bench
from eplb_evolve.evaluation.pipeline import evaluate, read_program
from eplb_evolve.evaluation.result import Evaluation
from eplb_evolve.evaluation.task import Task

DEEPSEEK_FORM_SHA256 = "09adf10fb8df01d84d98da19edf21b60c184acf11d6a110df8b35c5bfb82810f"
"""Of initial_program.py as shipped: what speedup_over_seed is measured against, whatever seed a search starts from."""

CLOCK = "timekeeper-1"
"""Name of the way of timing; measurements of another are taken again."""


def known(program: Path, task: Task, bench: Bench, cache: Path) -> Evaluation | None:
    """The evaluation of `program` if the same text was measured on this machine and task before."""
    with contextlib.suppress(OSError, ValueError, TypeError):  # a missing or broken entry is measured anew
        return Evaluation.from_dict(json.loads(_file(program, task, bench, cache).read_text()))
    return None


def measured(program: Path, task: Task, bench: Bench, cache: Path) -> Evaluation:
    """The evaluation of `program`, from the cache if the same text was measured on this machine and task before."""
    found = known(program, task, bench, cache)
    if found is not None:
        return found
    file = _file(program, task, bench, cache)
    evaluation = evaluate(program, task, bench)
    if evaluation.valid:
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_text(json.dumps(evaluation.as_dict(), indent=1))
        temporary.replace(file)
    return evaluation


def _file(program: Path, task: Task, bench: Bench, cache: Path) -> Path:
    parts = (
        hashlib.sha256(read_program(program)).hexdigest(),
        bench.machine,
        bench.level,
        CLOCK,
        reference.NAME,
        task.workload.name,
        task.workload.card.sha256,
        repr(task.workload.topology),
        task.split,
        repr(task.settings),
        repr([other.name for other in task.checks]),
    )
    joined = "\n".join(parts)
    return cache / f"measured-{hashlib.sha256(joined.encode()).hexdigest()[:20]}.json"


def seed_ratio(deepseek_form: Path, task: Task, bench: Bench, cache: Path) -> float | None:
    """ratio_to_reference of the DeepSeek form on this workload and machine; None if its file was edited or fails."""
    if hashlib.sha256(read_program(deepseek_form)).hexdigest() != DEEPSEEK_FORM_SHA256:
        return None
    return measured(deepseek_form, dataclasses.replace(task, split="search"), bench, cache).ratio_to_reference


def with_speedup(evaluation: Evaluation, seed: float | None) -> Evaluation:
    """The evaluation with speedup_over_seed filled in, given the DeepSeek form's ratio."""
    if seed is None or evaluation.ratio_to_reference is None:
        return evaluation
    return dataclasses.replace(evaluation, speedup_over_seed=seed / evaluation.ratio_to_reference)
