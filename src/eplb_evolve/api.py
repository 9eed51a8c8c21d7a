"""The package as a library: traces, evaluation, comparison and leaderboard as plain functions.

They return frozen dataclasses and raise UsageError, CandidateFailure or EnvironmentProblem (eplb_evolve.errors).
Workloads, seeds and the default configuration are those of the project in the working directory or above it, beside the
shipped ones (see paths.Project). docs/example.py uses them all.
"""

from contextlib import closing
from pathlib import Path

from eplb_evolve.board.measuring import board
from eplb_evolve.board.rows import Table
from eplb_evolve.evaluation.bench import LazyBench, open_bench
from eplb_evolve.evaluation.comparison import Comparison
from eplb_evolve.evaluation.comparison import compare as compare_on
from eplb_evolve.evaluation.measured import evaluate_with_speedup
from eplb_evolve.evaluation.result import Evaluation
from eplb_evolve.evaluation.task import Task
from eplb_evolve.paths import cache_dir, project
from eplb_evolve.tasks import tasks
from eplb_evolve.workload import catalog
from eplb_evolve.workload.windows import Workload


def workload_names() -> list[str]:
    """Names of the workloads of the project."""
    return catalog.names(*project().workloads)


def load_workload(name: str) -> Workload:
    """A recorded or composed trace: `windows` [windows, layers, experts], its card, its topology, its pairs."""
    return catalog.load(name, *project().workloads)


def evaluate(
    program: Path | str,
    workload: str | None = None,
    split: str = "search",
    device: str | None = None,
    config: Path | None = None,
    **topology: int,
) -> Evaluation:
    """Judge one program in full, in the sandbox: valid, feasible, how fast, how balanced, what it is worth.

    A bad program is an Evaluation with a reason. workload: the configuration's by default. topology: replicas, groups,
    nodes or gpus in the place of the workload's own.
    """
    task = _task(workload, split, device, config, topology)
    with closing(open_bench(task.settings)) as bench:
        return evaluate_with_speedup(Path(program), task, bench, project().deepseek_form, cache_dir())


def compare(
    first: Path | str,
    second: Path | str,
    workload: str | None = None,
    split: str = "holdout",
    device: str | None = None,
    config: Path | None = None,
    **topology: int,
) -> Comparison:
    """Call two programs in turn on the same inputs; CandidateFailure names the one that fails."""
    task = _task(workload, split, device, config, topology)
    with closing(open_bench(task.settings)) as bench:
        return compare_on(Path(first), Path(second), task, bench)


def leaderboard(
    run: Path | None = None,
    workload: str | None = None,
    split: str = "holdout",
    config: Path | None = None,
    every_seed: bool = False,
) -> list[Table]:
    """A run's programs, ranked beside the balancers in seeds/ and the reference; one table for what is comparable.

    The published form and the reference are measured where this machine has not yet; with every_seed the others too.
    """
    chosen = tasks(config, [workload] if workload is not None else None, split)
    with closing(LazyBench(chosen[0].settings)) as bench:
        return list(board(project(), run, chosen, bench, every_seed, lambda _text: None).tables)


def _task(workload: str | None, split: str, device: str | None, config: Path | None, topology: dict[str, int]) -> Task:
    (task,) = tasks(config, [workload] if workload is not None else None, split, device, topology)
    return task
