"""A checkpoint of OpenEvolve's with every program of the run's ledger, so that a search goes on with all of them.

OpenEvolve writes a checkpoint every so many iterations. What was measured since the last one, or before the first, is
in the ledger: it joins OpenEvolve's population, and is not measured again.
"""

import hashlib
import os
import shutil
import tempfile
import uuid
from pathlib import Path
from typing import Any

from eplb_evolve.evaluation.result import Evaluation, Status
from eplb_evolve.feedback import artifacts, metrics
from eplb_evolve.runs.ledger import Ledger
from eplb_evolve.runs.trace import FILE_NAME as TRACE_NAME
from eplb_evolve.runs.trace import Mutation, read_trace

CHECKPOINTS = "checkpoints"
_WRITTEN_LAST = "metadata.json"


def last_checkpoint(run: Path) -> Path | None:
    """The newest complete one; None where there is none."""
    found = {
        int(file.parent.name.rpartition("_")[2]): file.parent
        for file in (run / CHECKPOINTS).glob(f"checkpoint_[0-9]*/{_WRITTEN_LAST}")
    }
    return found[max(found)] if found else None


def complete_checkpoint(run: Path, config: Path) -> Path | None:
    """The last checkpoint with what the ledger has beyond it, as RUN/checkpoints/checkpoint_N, written where need be.

    None, and nothing written, where there is no checkpoint and no valid program. N is the number of the last iteration
    that is known. config: the configuration that the search goes on with.
    """
    checkpoint = last_checkpoint(run)
    since = (checkpoint / _WRITTEN_LAST).stat().st_mtime if checkpoint is not None else None
    found = _measured(Ledger(run), since)
    if not found:
        return checkpoint
    database = _database(config, checkpoint)
    if not database.programs:  # none, or a broken one: everything comes from the ledger
        checkpoint, found = None, _measured(Ledger(run), None)
        if not any(evaluation.valid for evaluation in found.values()):
            return None
    return _save(database, run) if _add(database, run, found) else checkpoint


def _measured(ledger: Ledger, since: float | None) -> dict[str, Evaluation]:
    """The evaluations of a search that ended after `since`, by the program's sha256, the first of each program."""
    found: dict[str, Evaluation] = {}
    for entry in ledger.entries():
        evaluation = entry.evaluation
        judged = evaluation.conditions.split == "search" and evaluation.status is not Status.EVALUATOR_FAILED
        late = since is None or entry.seconds >= since - 1  # the ledger tells whole seconds
        if judged and late and (ledger.run / evaluation.program).is_file():
            found.setdefault(evaluation.sha256, evaluation)
    return found


def _database(config: Path, checkpoint: Path | None) -> Any:
    """OpenEvolve's database, as the checkpoint has it."""
    from openevolve.config import Config
    from openevolve.database import ProgramDatabase  # takes a second

    settings = Config.from_yaml(config)
    settings.database.embedding_model = None  # the programs were admitted once
    database = ProgramDatabase(settings.database)
    if checkpoint is not None:
        try:
            database.load(str(checkpoint))
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return ProgramDatabase(settings.database)
    return database


def _add(database: Any, run: Path, found: dict[str, Evaluation]) -> int:
    """Add what the database lacks, each beside its parent; how many programs these were."""
    from openevolve.database import Program

    known = {
        hashlib.sha256(program.code.encode("utf-8", "surrogatepass")).hexdigest(): program.id
        for program in database.programs.values()
    }
    made, added = _mutations(run), 0
    for sha256, evaluation in found.items():
        if sha256 in known:
            continue
        mutation = made.get(sha256)
        parent = database.get(known.get((mutation.parent_sha256 if mutation is not None else None) or "", ""))
        if parent is None and known:
            parent = database.get(next(iter(known.values())))
        iteration = mutation.iteration if mutation is not None else database.last_iteration + bool(known)
        program = Program(
            id=str(uuid.uuid5(uuid.NAMESPACE_OID, sha256)),
            code=(run / evaluation.program).read_text(encoding="utf-8", errors="surrogateescape"),
            parent_id=parent.id if parent is not None else None,
            generation=parent.generation + 1 if parent is not None else 0,
            metrics=metrics(evaluation, database.config.feature_dimensions),
        )
        database.add(program, iteration, target_island=iteration % database.config.num_islands)
        known[sha256] = program.id
        added += 1
        if database.get(program.id) is not None:
            told = artifacts(evaluation, evaluation.objective)
            database.store_artifacts(program.id, told)
    return added


def _save(database: Any, run: Path) -> Path:
    folder = run / CHECKPOINTS
    folder.mkdir(exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".from-ledger-", dir=folder))
    try:
        database.save(str(temporary), database.last_iteration)
        target = folder / f"checkpoint_{database.last_iteration}"
        if target.exists():  # half-written by a killed search, or without the programs that followed
            shutil.rmtree(target)
        os.replace(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target


def _mutations(run: Path) -> dict[str, Mutation]:
    if not (run / TRACE_NAME).is_file():
        return {}
    return {mutation.child_sha256: mutation for mutation in read_trace(run).mutations}
