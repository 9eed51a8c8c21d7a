"""What `eplb run` is to tell openevolve-run: programs, configuration, folder, iterations."""

import datetime
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from eplb_evolve import config as configuration
from eplb_evolve import durable
from eplb_evolve.cli import options, run_starts
from eplb_evolve.config_paths import Place, standing_alone
from eplb_evolve.errors import UsageError
from eplb_evolve.islands import adapted, difference
from eplb_evolve.paths import EVALUATOR_NAME, SEED_NAME, Project
from eplb_evolve.runs.ledger import FILE_NAME as LEDGER_NAME
from eplb_evolve.runs.ledger import program_file
from eplb_evolve.runs.run_info import CONFIG_NAME, configuration_of, read_starts

STOCK = "openevolve-run"


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
    run_starts.check(starts, read)
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
    chosen = config or _with_its_programs(run, _config_of(run, place.root))
    read = configuration.read(chosen)
    start = seed or place.root / SEED_NAME
    run_starts.demand_file(start)
    return Plan(start, chosen, run, iterations or read.iterations)


def _changes(read: configuration.Config, iterations: int, starts: Sequence[Path]) -> dict[Place, object]:
    """What of the configuration must be another for this search; each said on stderr. LLMs' proposals are dear."""
    changes: dict[Place, object] = {}
    if len(starts) > 1:
        changes["database", "island_initial_programs"] = [None, *(os.path.abspath(each) for each in starts[1:])]
        if read.island_programs:
            options.say("eplb: the programs named replace those of database.island_initial_programs")
    elif read.island_programs:
        return changes  # whose number is the configuration's
    if read.llm_models or read.islands.count < len(starts):
        wanted = adapted(read.islands, iterations, len(starts))
        if said := difference(read.islands, wanted, iterations):
            options.say(f"eplb: {said}")
            changes["database", "num_islands"] = wanted.count
            changes["database", "migration_interval"] = wanted.migration_interval
    return changes


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


def _with_its_programs(run: Path, config: Path) -> Path:
    """The run's configuration, with the run's own copies where programs of islands are gone: OpenEvolve wants files."""
    programs, starts = configuration.read(config, files=False).island_programs, read_starts(run)
    seeds = starts[-1].island_programs if starts else ()
    if len(seeds) != len(programs) or all(program.is_file() for program in programs):
        return config
    copies = (program_file(run, sha256) for _, sha256 in seeds)
    found = [copy if copy.is_file() else program for program, copy in zip(programs, copies, strict=True)]
    changes: dict[Place, object] = {("database", "island_initial_programs"): [None, *map(os.path.abspath, found)]}
    kept = run / CONFIG_NAME
    durable.write_text(kept, standing_alone(config, changes))
    return kept


def _seen_from(root: Path, path: Path) -> str:
    """As the command names it: relative inside of the project's folder, else absolute."""
    absolute = Path(os.path.abspath(path))
    return str(absolute.relative_to(root)) if absolute.is_relative_to(root) else str(absolute)
