"""A checkpoint of OpenEvolve's made from a run's ledger, so that a search which never wrote one can go on.

OpenEvolve writes a checkpoint every so many iterations. A search that ends before the first has its programs and
their scores in the ledger: they become OpenEvolve's population, and none is measured again.
"""

import os
import shutil
import tempfile
import uuid
from pathlib import Path
from typing import Any, cast

from eplb_evolve.evaluation.result import Evaluation
from eplb_evolve.evaluation.settings import Objective
from eplb_evolve.feedback import artifacts, metrics
from eplb_evolve.results.ledger import Ledger
from eplb_evolve.results.trace import FILE_NAME as TRACE_NAME
from eplb_evolve.results.trace import Mutation, read_trace

CHECKPOINTS = "checkpoints"


def checkpoint_from_ledger(run: Path, config: Path) -> Path | None:
    """Write RUN/checkpoints/checkpoint_N; None, and nothing written, where the ledger holds no valid program.

    N is the number of the last iteration that the run's trace or ledger tells of. config: the configuration that the
    search goes on with.
    """
    found = _measured(Ledger(run))
    if not any(evaluation.valid for evaluation in found.values()):
        return None
    database, last = _database(run, config, found)
    folder = run / CHECKPOINTS
    folder.mkdir(exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".from-ledger-", dir=folder))
    try:
        database.save(str(temporary), last)
        target = folder / f"checkpoint_{last}"
        if target.exists():  # a checkpoint that a killed search left half-written
            shutil.rmtree(target)
        os.replace(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target


def _measured(ledger: Ledger) -> dict[str, Evaluation]:
    """The evaluations of a search by the program's sha256, in their order, the first of each program."""
    found: dict[str, Evaluation] = {}
    for entry in ledger.entries():
        evaluation = entry.evaluation
        judged = evaluation.split == "search" and not evaluation.evaluator_failed
        if judged and (ledger.run / evaluation.program).is_file():
            found.setdefault(evaluation.sha256, evaluation)
    return found


def _database(run: Path, config: Path, found: dict[str, Evaluation]) -> tuple[Any, int]:
    """OpenEvolve's database with these programs, and the last iteration; parents as the trace tells them."""
    from openevolve.config import Config
    from openevolve.database import Program, ProgramDatabase  # takes a second

    settings = Config.from_yaml(config)
    settings.database.embedding_model = None  # the programs were admitted once
    database = ProgramDatabase(settings.database)
    made = _mutations(run)
    first = next(iter(found))
    last = max([len(found) - 1, *(mutation.iteration for mutation in made.values())])
    for number, (sha256, evaluation) in enumerate(found.items()):
        mutation = made.get(sha256)
        parent = mutation.parent_sha256 if mutation is not None else None
        if parent not in found and sha256 != first:
            parent = first
        parent_id = _identity(parent) if parent is not None and sha256 != first else None
        known = database.get(parent_id) if parent_id is not None else None
        program = Program(
            id=_identity(sha256),
            code=(run / evaluation.program).read_text(encoding="utf-8", errors="surrogateescape"),
            language=settings.language or "python",
            parent_id=parent_id,
            generation=known.generation + 1 if known is not None else 0,
            metrics=metrics(evaluation, settings.database.feature_dimensions),
            iteration_found=mutation.iteration if mutation is not None else number,
        )
        database.add(program, program.iteration_found, target_island=number % settings.database.num_islands)
        if database.get(program.id) is not None:
            database.store_artifacts(program.id, artifacts(evaluation, cast(Objective, evaluation.objective)))
    return database, last


def _mutations(run: Path) -> dict[str, Mutation]:
    if not (run / TRACE_NAME).is_file():
        return {}
    return {mutation.child_sha256: mutation for mutation in read_trace(run).mutations}


def _identity(sha256: str) -> str:
    """The same for a program in every rebuilding."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, sha256))
