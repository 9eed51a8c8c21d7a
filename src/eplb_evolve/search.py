"""How a search begins and ends in OpenEvolve's processes; search_run evaluates in between.

OpenEvolve imports evaluator.py in its main process, before the first proposal, and again in each worker. It does not
tell an evaluator which configuration or output folder it was started with, so both are read from its command line.
"""

import argparse
import atexit
import dataclasses
import hashlib
import multiprocessing
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from eplb_evolve import config as configuration
from eplb_evolve import preflight
from eplb_evolve.config_paths import standing_alone
from eplb_evolve.ending import end, forget_ending, read_ending
from eplb_evolve.errors import EnvironmentProblem, EplbError, UsageError, machine_refuses
from eplb_evolve.gateway import lifecycle
from eplb_evolve.gateway.proxies import keep_loopback_direct
from eplb_evolve.gateway.settings import Service
from eplb_evolve.islands import adapted, difference
from eplb_evolve.parent_death import die_with_parent
from eplb_evolve.paths import CONFIG_NAME, SEED_NAME
from eplb_evolve.runs.ledger import now
from eplb_evolve.runs.run_info import RunInfo, add_start, versions
from eplb_evolve.runs.same_task import identity, refuse_another
from eplb_evolve.search_run import Search


def open_search(evaluator_file: str) -> Search:
    """The search that this OpenEvolve process belongs to; starts the gateway if the configuration asks.

    Ends the process with one sentence and the right exit code when the configuration, a workload or a port is wrong:
    OpenEvolve would show a traceback.
    """
    try:
        with machine_refuses("the search cannot start"):
            return _open(Path(evaluator_file).resolve().parent)
    except EplbError as problem:
        print(f"eplb: {problem}", file=sys.stderr)
        sys.exit(problem.exit_code)


def _open(root: Path) -> Search:
    keep_loopback_direct()
    given = _command_line(root)
    search = Search(configuration.read(given.config), root, given.run)
    if multiprocessing.parent_process() is not None:
        die_with_parent(os.getppid())  # OpenEvolve's workers would outlive a killed main process
        return search
    read, run = search.config, given.run
    refuse_another(run, search.task)
    if given.checkpoint is None:
        for program in (given.seed_program, *read.island_programs):
            read.check_start(program)
        _warn_of_islands(read, given.iterations or read.iterations)
    else:
        refuse_another(given.checkpoint.absolute().parent.parent, search.task)
    preflight.demand(preflight.search_needs(read.eplb.limits, run))
    add_start(run, _start(given, search, root), standing_alone(given.config))
    forget_ending(run)
    if (
        known := next((each for each in search.ledger.entries() if each.evaluation.timing is not None), None)
    ) is not None:
        search.tell_task(known.evaluation)
    endpoint = _start_gateway(read, run) if read.gateway_api_base is not None else None
    atexit.register(_leave, run, endpoint.port if endpoint is not None else None)
    print(
        f"eplb: searching on {search.task.name} with {read.proposer}; ledger: {search.ledger.file}",
        file=sys.stderr,
    )
    return search


def _warn_of_islands(read: configuration.Config, iterations: int) -> None:
    """`eplb run` adapts them; here OpenEvolve has read its own already."""
    if not read.llm_models or read.island_programs:
        return
    better = adapted(read.islands, iterations)
    if said := difference(read.islands, better, iterations):
        print(f"eplb: better {said} (database; eplb run sees to it)", file=sys.stderr)


def _start_gateway(read: configuration.Config, run: Path) -> lifecycle.Endpoint | None:
    """Why it cannot start is why the search ends."""
    try:
        return lifecycle.ensure_running(str(read.gateway_api_base), _service(read, run))
    except EnvironmentProblem as problem:
        end(run, str(problem), problem.exit_code, say=False)
        raise


def _service(read: configuration.Config, run: Path) -> Service:
    """What the gateway of this run is told."""
    gateway = read.eplb.gateway
    models = {name: model for name, model in gateway.models.items() if name in read.llm_models}
    return Service(
        port=0,
        seed=read.random_seed,
        run=str(run.resolve()),
        gateway=dataclasses.replace(gateway, models=models),
        workers=read.workers,
        evaluation_s=read.evaluation_s,
        rules=read.rules,
        prompt=read.eplb.prompt if read.writes_prompts else None,
        objective=read.eplb.objective,
    )


def _leave(run: Path, port: int | None) -> None:
    """The last words and the exit code of a search that ended early, or to which no program came.

    OpenEvolve itself says "Evolution complete!" and returns 0. port: of the gateway, which dies after this process.
    """
    ending = read_ending(run)
    about = lifecycle.health(port) if ending is None and port is not None else None
    if about and about.get("in_vain"):
        end(run, about["in_vain"], EnvironmentProblem.exit_code, say=False)
        ending = read_ending(run)
    if ending is not None:
        sys.stdout.flush()
        print(f"eplb: {ending.sentence}", file=sys.stderr, flush=True)
        os._exit(ending.exit_code)


@dataclass(frozen=True)
class _Given:
    """What openevolve-run was told that an evaluator needs to know."""

    config: Path
    run: Path
    seed_program: Path
    iterations: int | None
    checkpoint: Path | None


def _command_line(root: Path) -> _Given:
    """Of the openevolve-run that imports us; the configuration and output of root's own for any other host."""
    if Path(sys.argv[0]).name != "openevolve-run":
        return _Given(root / CONFIG_NAME, root / "openevolve_output", Path(SEED_NAME), None, None)
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("initial_program", nargs="?", default="", type=Path)
    parser.add_argument("--config", "-c")
    parser.add_argument("--output", "-o")
    parser.add_argument("--iterations", "-i", type=int)
    parser.add_argument("--checkpoint", type=Path)
    known, _ = parser.parse_known_args(sys.argv[1:])
    if known.config is None:
        raise UsageError(f"openevolve-run was started without --config; add --config {CONFIG_NAME}")
    run = Path(known.output) if known.output else known.initial_program.parent / "openevolve_output"
    return _Given(Path(known.config), run, known.initial_program, known.iterations, known.checkpoint)


def _start(given: _Given, search: Search, root: Path) -> RunInfo:
    read = search.config
    return RunInfo(
        started=now(),
        command=(Path(sys.argv[0]).name, *(_from(root, argument) for argument in sys.argv[1:])),
        iterations=given.iterations or read.iterations,
        resumed=given.checkpoint is not None,
        workload=search.task.name,
        objective=read.eplb.objective,
        proposer=read.proposer,
        random_seed=read.random_seed,
        seed_program=_from(root, str(given.seed_program)),
        seed_sha256=_sha256(given.seed_program),
        config=given.config.read_text(encoding="utf-8"),
        versions=versions(),
        task=identity(search.task),
        island_programs=tuple((_from(root, str(file)), _sha256(file)) for file in read.island_programs),
    )


def _sha256(program: Path) -> str:
    try:
        return hashlib.sha256(program.read_bytes()).hexdigest()
    except OSError:
        return ""  # OpenEvolve says what is wrong with it


def _from(root: Path, argument: str) -> str:
    """An absolute path from the project's folder on, or its last part: a run says nothing of one machine's folders."""
    path = Path(argument)
    if not path.is_absolute():
        return argument
    return str(path.relative_to(root)) if path.is_relative_to(root) else path.name
