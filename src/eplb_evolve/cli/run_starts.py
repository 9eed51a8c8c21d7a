"""The programs that `eplb run` starts a search from: named, or out of results/records."""

import math
from collections.abc import Sequence
from pathlib import Path

from eplb_evolve import config as configuration
from eplb_evolve.board.metrics import BY_NAME
from eplb_evolve.board.records import read_records
from eplb_evolve.errors import UsageError
from eplb_evolve.evaluation.objectives import objective
from eplb_evolve.evaluation.result import Evaluation
from eplb_evolve.paths import Project

MOST_PROGRAMS = 8
"""That a search starts from: each has an island."""


def from_records(place: Project, config: Path | None) -> list[Path]:
    """The programs in results/records that are feasible on the configuration's workload, the best first.

    Feasible by the rule of another objective, which asks less of the balance, does not count. UsageError if none is.
    """
    section = configuration.read_eplb(config or place.config)
    workload = section.task(place.workloads).name
    found: dict[str, tuple[tuple[bool, float, float], Path]] = {}
    for record in read_records(place.results / "records"):
        program = place.results / "records" / record.name / "program.py"
        for each in record.evaluations:
            here = (each.conditions.workload, each.conditions.device) == (workload, section.device)
            as_strict = each.objective == section.objective or objective(each.objective).thresholds is None
            if each.feasible and here and as_strict and program.is_file():
                better = (_badness(each, section), program)
                found[each.sha256] = min(better, found.get(each.sha256, better))
    if not found:
        raise UsageError(
            f"no record in {place.results / 'records'} is feasible on {workload} ({section.device}, "
            f"{section.objective}); name programs instead: eplb run SEED"
        )
    return [program for _, program in sorted(found.values())[:MOST_PROGRAMS]]


def _badness(evaluation: Evaluation, section: configuration.EplbSection) -> tuple[bool, float, float]:
    """Found for another objective; the objective's figure, the less the better; time / the reference's.

    What a program gains a server is another figure for another server.
    """
    goal = objective(section.objective)
    metric = BY_NAME[goal.figure]
    figure = evaluation.figure(metric.name)
    known = figure is not None and (not goal.serves or evaluation.figure("serving") == str(section.serving))
    bad = math.inf if not known else -figure if metric.better == "higher" else figure
    ratio = evaluation.figure("ratio_to_reference")
    return evaluation.objective != section.objective, bad, math.inf if ratio is None else ratio


def check(starts: Sequence[Path], read: configuration.Config) -> None:
    """UsageError for programs that no search can start from."""
    if len(starts) > MOST_PROGRAMS:
        raise UsageError(f"{len(starts)} programs to start from; {MOST_PROGRAMS} at most, each has an island")
    seen: dict[bytes, Path] = {}
    for program in starts:
        demand_file(program)
        read.check_start(program)
        twin = seen.setdefault(program.read_bytes(), program)
        if twin is not program:
            raise UsageError(f"{twin} and {program} are the same program; name it once")


def demand_file(program: Path) -> None:
    """UsageError where there is none."""
    if not program.is_file():
        raise UsageError(f"there is no program {program} to start from; give its path: eplb run SEED")
