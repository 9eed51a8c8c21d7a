"""What `eplb run` is to tell openevolve-run: programs, configuration, folder, iterations."""

import datetime
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from eplb_evolve import config as configuration
from eplb_evolve import durable
from eplb_evolve.board.records import read_records
from eplb_evolve.cli import options
from eplb_evolve.config_paths import Place, standing_alone
from eplb_evolve.errors import UsageError
from eplb_evolve.islands import Islands, fits, fitting
from eplb_evolve.paths import EVALUATOR_NAME, SEED_NAME, Project
from eplb_evolve.runs.ledger import FILE_NAME as LEDGER_NAME
from eplb_evolve.runs.ledger import program_file
from eplb_evolve.runs.run_info import CONFIG_NAME, configuration_of, read_starts

STOCK = "openevolve-run"
MOST_PROGRAMS = 8
"""That a search starts from: each has an island."""


@dataclass(frozen=True)
class Plan:
    """What openevolve-run is to be told. checkpoint: the folder to go on from, None for a new search."""

    seed: Path
    config: Path
    run: Path
    iterations: int
    checkpoint: Path | None = None

    def command(self, root: Path) -> list[str]:
        """The stock command, to be run in the project's folder."""
        said = [STOCK, _seen_from(root, self.seed), EVALUATOR_NAME, "--config", _seen_from(root, self.config)]
        said += ["--output", _seen_from(root, self.run), "--iterations", str(self.iterations)]
        return said if self.checkpoint is None else [*said, "--checkpoint", _seen_from(root, self.checkpoint)]


def new_run(
    place: Project, programs: Sequence[Path], config: Path | None, iterations: int | None, output: Path | None
) -> Plan:
    """A new search; its configuration is adapted to what it starts from and how long it is. UsageError as a rule."""
    _demand_evaluator(place)
    chosen = config or place.config
    read = configuration.read(chosen)
    starts = list(programs) or [place.root / SEED_NAME]
    _check(starts, read)
    stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%d-%H%M%S")
    folder = output or place.results / "runs" / stamp
    if (folder / LEDGER_NAME).exists():
        raise UsageError(f"{folder} holds a search already; choose another --output, or go on with it by --resume")
    plan = Plan(starts[0], chosen, folder, iterations or read.iterations)
    changes = _changes(read, plan.iterations, starts)
    if not changes:
        return plan
    kept = folder / CONFIG_NAME
    durable.write_text(kept, standing_alone(chosen, changes))
    return replace(plan, config=kept)


def resumed_run(
    place: Project,
    run: Path,
    programs: Sequence[Path],
    config: Path | None,
    iterations: int | None,
    output: Path | None,
) -> Plan:
    """A search that goes on, with its own configuration and first program unless others are given."""
    _demand_evaluator(place)
    if output is not None:
        raise UsageError(f"--resume {run} goes on in that folder; leave --output away")
    if not run.is_dir():
        raise UsageError(f"cannot resume {run}: it does not exist; start a new search without --resume")
    if len(programs) > 1:
        raise UsageError(f"--resume {run} goes on with the programs that the run has; leave the others away")
    seed = programs[0] if programs else _seed_of(run, place.root)
    chosen = config or _config_of(run, place.root)
    read = configuration.read(chosen)
    start = seed or place.root / SEED_NAME
    _demand_file(start)
    return Plan(start, chosen, run, iterations or read.iterations)


def from_records(place: Project, config: Path | None) -> list[Path]:
    """The programs in results/records that are feasible on the configuration's workloads, the best first."""
    workload = configuration.read_eplb(config or place.config).task(place.workloads).name
    found: dict[str, tuple[float, Path]] = {}
    for record in read_records(place.results / "records"):
        for each in record.evaluations:
            program = place.results / "records" / record.name / "program.py"
            if each.feasible and each.timing and each.conditions.workload == workload and program.is_file():
                known = found.get(each.sha256, (each.timing.ratio_to_reference, program))
                found[each.sha256] = min(known, (each.timing.ratio_to_reference, program))
    if not found:
        raise UsageError(
            f"no record in {place.results / 'records'} is feasible on {workload}; name programs instead: eplb run SEED"
        )
    return [program for _, program in sorted(found.values())[:MOST_PROGRAMS]]


def _changes(read: configuration.Config, iterations: int, starts: Sequence[Path]) -> dict[Place, object]:
    """What of the configuration must be another for this search; each said on stderr. LLMs' proposals are dear."""
    changes: dict[Place, object] = {}
    given, wanted = read.islands, fitting(iterations, len(starts))
    if len(starts) > 1:
        changes["database", "island_initial_programs"] = [None, *(os.path.abspath(each) for each in starts[1:])]
        if given.count < len(starts):
            options.say(f"eplb: {len(starts)} islands instead of {given.count}: one for each program")
            return changes | _as_changes(replace(wanted, count=len(starts)))
        return changes
    if read.llm_models and not fits(given, iterations):
        options.say(f"eplb: {_in_words(given, wanted)}, for {iterations} iterations")
        changes |= _as_changes(wanted)
    return changes


def _in_words(given: Islands, wanted: Islands) -> str:
    if wanted.count == 1:
        return f"one island instead of {given.count}"
    exchange = f"exchange programs every {wanted.migration_interval} of their own"
    if wanted.count == given.count:
        return f"islands {exchange} instead of {given.migration_interval}"
    return f"{wanted.count} islands instead of {given.count}, which {exchange}"


def _as_changes(islands: Islands) -> dict[Place, object]:
    return {
        ("database", "num_islands"): islands.count,
        ("database", "migration_interval"): islands.migration_interval,
    }


def _check(starts: Sequence[Path], read: configuration.Config) -> None:
    """UsageError for programs that no search can start from."""
    if len(starts) > MOST_PROGRAMS:
        raise UsageError(f"{len(starts)} programs to start from; {MOST_PROGRAMS} at most, each has an island")
    seen: dict[bytes, Path] = {}
    for program in starts:
        _demand_file(program)
        read.check_start(program)
        twin = seen.setdefault(program.read_bytes(), program)
        if twin is not program:
            raise UsageError(f"{twin} and {program} are the same program; name it once")


def _demand_file(program: Path) -> None:
    if not program.is_file():
        raise UsageError(f"there is no program {program} to start from; give its path: eplb run SEED")


def _demand_evaluator(place: Project) -> None:
    if not (place.root / EVALUATOR_NAME).is_file():
        raise UsageError(f"there is no {EVALUATOR_NAME} in {place.root}; eplb init DIR writes what a search needs")


def _seed_of(run: Path, root: Path) -> Path | None:
    """The program that a run started from, or the run's own copy where that was changed since.

    None when the run does not say.
    """
    starts = read_starts(run)
    if not starts:
        return None
    digest = starts[-1].seed_sha256
    for file in (root / starts[-1].seed_program, program_file(run, digest)):
        if file.is_file() and hashlib.sha256(file.read_bytes()).hexdigest() == digest:
            return file
    raise UsageError(f"the program that {run} started from is not there any more; give one: eplb run SEED --resume ...")


def _config_of(run: Path, root: Path) -> Path:
    """The configuration that a run keeps. An old run kept a mere copy: there the file itself, if it is unchanged."""
    kept = configuration_of(run)
    if kept is None:
        raise UsageError(f"{run} does not say which configuration it ran with; add --config")
    starts = read_starts(run)
    if starts and not starts[-1].task and "--config" in starts[-1].command[:-1]:
        original = root / starts[-1].command[starts[-1].command.index("--config") + 1]
        if original.is_file() and original.read_bytes() == kept.read_bytes():
            return original
    return kept


def _seen_from(root: Path, path: Path) -> str:
    """As the command names it: relative inside of the project's folder, else absolute."""
    absolute = Path(os.path.abspath(path))
    return str(absolute.relative_to(root)) if absolute.is_relative_to(root) else str(absolute)
