"""Which run or record a program belongs to, from its file or the first digits of its sha256."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from eplb_evolve.board.records import read_records
from eplb_evolve.errors import UsageError
from eplb_evolve.evaluation.candidate import read_program
from eplb_evolve.evaluation.result import Evaluation
from eplb_evolve.runs.family import read_family
from eplb_evolve.runs.ledger import FILE_NAME, Ledger
from eplb_evolve.runs.lineage import Step, from_header, steps_to


@dataclass(frozen=True)
class Found:
    """A program: its text and sha256; the run that knows it, or else the measurement in its record, if any."""

    source: str
    sha256: str
    run: Path | None = None
    recorded: Evaluation | None = None


def find(program: str, run: Path | None, results: Path) -> Found:
    """Look beside the file, in `run`, in results/runs from the newest on, then in results/records."""
    if run is not None and not (run / FILE_NAME).exists():
        raise UsageError(f"{run} holds no {FILE_NAME}; give a run's folder, such as results/runs/STAMP")
    newest_first = sorted((file.parent for file in (results / "runs").glob(f"*/{FILE_NAME}")), reverse=True)
    runs = [run] if run is not None else newest_first
    file = Path(program)
    if file.is_file():
        beside = file.resolve().parent.parent
        if run is None and (beside / FILE_NAME).exists():
            runs = [beside, *runs]
        source = read_program(file)
        digits = hashlib.sha256(source).hexdigest()
        found = _in_runs(digits, runs) or _in_records(digits, results)
        return found or Found(source.decode("utf-8", "replace"), digits)
    if not re.fullmatch(r"[0-9a-f]{4,64}", program):
        raise UsageError(f"{program} is neither a file nor the first four or more digits of a sha256")
    found = _in_runs(program, runs) or (_in_records(program, results) if run is None else None)
    if found is None:
        raise UsageError(f"no program of {run or results} has a sha256 that begins with {program}; give its file")
    return found


def steps_of(found: Found) -> tuple[tuple[Step, ...], str]:
    """The steps from the seed to the program, and where they come from: `trace` or `header`."""
    if found.run is None:
        return from_header(found.source, found.recorded), "header"
    steps, traced = steps_to(found.sha256, found.source, read_family(found.run), Ledger(found.run).entries())
    return steps, "trace" if traced else "header"


def newest_run(results: Path) -> Path | None:
    """The run in results/runs that began last, by its folder's name; None when there is none."""
    runs = sorted(file.parent for file in (results / "runs").glob(f"*/{FILE_NAME}"))
    return runs[-1] if runs else None


def _in_runs(digits: str, runs: Iterable[Path]) -> Found | None:
    for run in runs:
        evaluations = [entry.evaluation for entry in Ledger(run).entries()]
        known = {each.sha256: each.program for each in evaluations if each.sha256.startswith(digits)}
        if known:
            (sha,) = _only(known, digits)
            return Found(read_program(run / known[sha]).decode("utf-8", "replace"), sha, run=run)
    return None


def _in_records(digits: str, results: Path) -> Found | None:
    known: dict[str, tuple[Path, Evaluation]] = {}
    for record in read_records(results / "records"):
        for each in record.evaluations:
            if each.sha256.startswith(digits):
                known.setdefault(each.sha256, (results / "records" / record.name / "program.py", each))
    if not known:
        return None
    (sha,) = _only(known, digits)
    file, evaluation = known[sha]
    return Found(read_program(file).decode("utf-8", "replace"), sha, recorded=evaluation)


def _only(known: Iterable[str], digits: str) -> list[str]:
    found = list(known)
    if len(found) > 1:
        raise UsageError(f"{len(found)} programs have a sha256 that begins with {digits}; give more digits")
    return found
