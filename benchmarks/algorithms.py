"""Every balancer in seeds/, side by side in a hot loop: time, balance, transfers; and how time grows with the shape.

    python benchmarks/algorithms.py [--threads 1 2] [--rounds 12] [--seconds 20] [--only NAME...] [--out FOLDER]

For each number of threads one process loads all of them and gives them turns in random order on the same window, window
after window in trace order, so that they share the machine's good and bad moments. A turn is one call, which is judged,
and whose time is called cold, as the others have had the caches before; then, for what is fast, a hot loop of calls on
the next windows. Figures are medians over turns and calls. A hot loop is kind to small programs: neither
`eplb evaluate` nor a server grants them the caches. Programs that take the placement in force get their own last one;
transfers are those from the program's own last plan. Two policies that no program can be stand beside them: the
reference's plan for the first window, kept (placed once), and its plan for the next window (oracle).

Recorded workloads are judged on the window that was planned on and on the next. The other shapes have synthetic load:
log-normal shares that drift by 10 % from window to window. A program stops after --seconds of its own time on a case,
once it has made three calls. OUT/algorithms.json has every figure; algorithms_report.py writes the table and the plot.
"""

import argparse
import importlib.util
import inspect
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from algorithms_report import ORACLE, PLACED_ONCE, write_report

from eplb_evolve import machine, reference
from eplb_evolve.errors import CandidateFailure
from eplb_evolve.paths import project
from eplb_evolve.placement import (
    Floats,
    Ints,
    Placement,
    Topology,
    balancedness,
    gpu_loads,
    initial_phy2log,
    transfers,
    verify,
)
from eplb_evolve.runs.origin import declared_device
from eplb_evolve.workload import catalog

LEAST_CALLS = 3
HOT_MS, MOST_HOT_CALLS = 10.0, 40
"""How long a hot loop goes on, and how many calls at most; what takes longer has none, and its cold calls count."""
DRIFT = 0.1
SHAPES = {
    "61x256 to 320 on 160": (61, Topology(320, 1, 1, 160), 256),
    "48x128 to 160 on 8": (48, Topology(160, 1, 1, 8), 128),
    "96x1024 to 1280 on 256": (96, Topology(1280, 1, 1, 256), 1024),
    "60x384 to 480 on 240": (60, Topology(480, 1, 1, 240), 384),
}
GROWTH = {
    "layers": [(layers, Topology(288, 1, 1, 32), 256) for layers in (16, 32, 64, 128)],
    "experts": [(32, Topology(experts + 32, 1, 1, 32), experts) for experts in (64, 128, 256, 512)],
    "replicas": [(32, Topology(256 + spare, 1, 1, 32), 256) for spare in (32, 64, 128, 256)],
    "GPUs": [(32, Topology(512, 1, 1, gpus), 448) for gpus in (8, 16, 32, 64, 128)],
}
"""Shapes that differ in one number (and in what it drags along)."""


@dataclass(frozen=True)
class Case:
    """What is planned: windows in order, [windows, layers, experts], and where to."""

    name: str
    topology: Topology
    windows: Floats
    pairs: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Result:
    """One program on one case.

    Attributes:
        ms: quartiles over hot calls, over cold ones where there were no hot ones; none when it failed before the second
        cold_ms: quartiles over judged calls after the first
        same, next, transfers: means over those
    """

    program: str
    case: str
    threads: int
    ms: list[float]
    cold_ms: list[float]
    calls: int
    first_ms: float
    same: float
    next: float
    transfers: float
    failure: str = ""


def main() -> None:
    """Measure in a process for each number of threads, then write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--only", nargs="*", default=None, help="stems of files in seeds/")
    parser.add_argument("--out", type=Path, default=project().root / "results" / "benchmarks")
    parser.add_argument("--measure", type=Path, default=None, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure is not None:
        results = list(measure(arguments.threads[0], arguments.rounds, arguments.seconds, arguments.only))
        arguments.measure.write_text(json.dumps([asdict(result) for result in results]))
        return
    arguments.out.mkdir(parents=True, exist_ok=True)
    results = []
    for threads in arguments.threads:
        part = arguments.out / f"algorithms-{threads}.part"
        command = [sys.executable, __file__, "--measure", str(part), "--threads", str(threads)]
        command += ["--rounds", str(arguments.rounds), "--seconds", str(arguments.seconds)]
        command += ["--only", *arguments.only] if arguments.only else []
        limits = {name: str(threads) for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
        subprocess.run(command, check=True, env=os.environ | limits)
        results += json.loads(part.read_text())
        part.unlink()
    document = {"machine": machine.describe(), "date": time.strftime("%Y-%m-%d", time.gmtime()), "results": results}
    (arguments.out / "algorithms.json").write_text(json.dumps(document, indent=1) + "\n")
    write_report(arguments.out)


def measure(threads: int, rounds: int, seconds: float, only: list[str] | None) -> Iterator[Result]:
    """All programs on all cases; with more than one thread without the cases of growth."""
    torch.set_num_threads(threads)
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    programs = seeds(only) | {reference.NAME: reference}
    for case in cases(growth=threads == 1):
        print(f"{threads} threads, {case.name} ...", file=sys.stderr, flush=True)
        yield from interleaved(programs, case, threads, rounds, seconds)


def seeds(only: list[str] | None) -> dict[str, ModuleType]:
    """The programs in seeds/ that this benchmark's device can run, by their stems."""
    files = sorted((project().root / "seeds").glob("*.py"))
    return {
        file.stem: loaded(file)
        for file in files
        if (only is None or file.stem in only) and declared_device(file) == "cpu"
    }


def loaded(file: Path) -> ModuleType:
    """The program as a module."""
    spec = importlib.util.spec_from_file_location(f"seed_{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def cases(growth: bool) -> Iterator[Case]:
    """Recorded workloads on their holdout windows, then synthetic shapes."""
    folder = project().root / "workloads"
    for name in catalog.names(folder):
        workload = catalog.load(name, folder)
        yield Case(name, workload.topology, workload.windows, workload.pairs("holdout"))
    for name, (layers, topology, experts) in SHAPES.items():
        yield synthetic(name, layers, topology, experts)
    for axis, shapes in GROWTH.items() if growth else ():
        for layers, topology, experts in shapes:
            size = {"layers": layers, "experts": experts, "replicas": topology.replicas, "GPUs": topology.gpus}[axis]
            yield synthetic(f"{axis} {size}", layers, topology, experts)


def synthetic(name: str, layers: int, topology: Topology, experts: int) -> Case:
    """Log-normal loads that drift."""
    rng = np.random.default_rng(1)
    logs = rng.normal(0, 1, (layers, experts))
    windows = []
    for _ in range(8):
        logs = np.sqrt(1 - DRIFT**2) * logs + DRIFT * rng.normal(0, 1, logs.shape)
        share = np.exp(logs)
        windows.append((share / share.sum(1, keepdims=True) * 3e5).round())
    return Case(name, topology, np.stack(windows), tuple((i, i + 1) for i in range(7)))


class Runner:
    """One program on one case; `looks_at` says of this window and the next which it plans on."""

    def __init__(
        self, program: ModuleType, case: Case, looks_at: Callable[[int, int], int] = lambda now, _: now
    ) -> None:
        self.looks_at = looks_at
        self.case = case
        self.function = program.rebalance_experts
        self.takes_old = len(inspect.signature(self.function).parameters) == 6
        layers, experts = case.windows.shape[1:]
        self.old: Ints = initial_phy2log(layers, experts, case.topology.replicas)
        self.first_ms = self.took_ms = 0.0
        self.cold_ms: list[float] = []
        self.hot_ms: list[float] = []
        self.figures: list[tuple[float, float, float]] = []
        self.failure = ""

    def planned(self, load: Floats) -> Placement:
        """The verified plan for load [layers, experts]; how long it took is in `took_ms`."""
        result, self.took_ms = self._timed(torch.from_numpy(load.astype(np.float32)))
        return verify(*(part.numpy() for part in result), load.shape, self.case.topology)

    def turn(self, number: int) -> None:
        """A call and its judgement, then the hot loop; the first call is timed apart."""
        now, following = self.case.pairs[number % len(self.case.pairs)]
        placement = self.planned(self.case.windows[self.looks_at(now, following)])
        if number == 0:
            self.first_ms = self.took_ms
        else:
            self.cold_ms.append(self.took_ms)
            gpus, experts = self.case.topology.gpus, self.case.windows.shape[2]
            same, later = (
                balancedness(gpu_loads(self.case.windows[window], placement, gpus)) for window in (now, following)
            )
            self.figures.append((same, later, transfers(self.old, placement.phy2log, gpus, experts)))
        self.old = placement.phy2log
        if number > 0 and self.took_ms < HOT_MS / 2:
            self._hot_loop(number + 1)

    def _hot_loop(self, number: int) -> None:
        pairs = self.case.pairs
        loads = [torch.from_numpy(self.case.windows[now].astype(np.float32)) for now, _ in pairs]
        old = self.old
        for turn in range(min(MOST_HOT_CALLS, int(HOT_MS / self.took_ms) + 1)):
            result, took = self._timed(loads[(number + turn) % len(loads)])
            self.old = result[0].numpy()
            if turn > 0:
                self.hot_ms.append(took)
        self.old = old

    def _timed(self, load: torch.Tensor) -> tuple[tuple[torch.Tensor, ...], float]:
        arguments = [load, *self.case.topology.as_arguments()]
        if self.takes_old:
            arguments.append(torch.from_numpy(self.old.copy()))
        started = time.perf_counter()
        result = self.function(*arguments)
        return result, 1e3 * (time.perf_counter() - started)

    def is_spent(self, seconds: float) -> bool:
        """Whether it had its time, or failed."""
        return bool(self.failure) or (len(self.cold_ms) >= LEAST_CALLS and sum(self.cold_ms) > 1e3 * seconds)


def quartiles(values: list[float]) -> list[float]:
    """The three, or nothing of nothing."""
    return [float(f"{value:.5g}") for value in np.percentile(values, [25, 50, 75])] if values else []


def interleaved(
    programs: dict[str, ModuleType], case: Case, threads: int, rounds: int, seconds: float
) -> Iterator[Result]:
    """Rounds of one turn of each program, in random order."""
    rng = np.random.default_rng(0)
    runners = {name: Runner(program, case) for name, program in programs.items()}
    runners[PLACED_ONCE] = Runner(reference, case, lambda *_: case.pairs[0][0])
    runners[ORACLE] = Runner(reference, case, lambda _, following: following)
    for number in range(rounds + 1):
        for name in rng.permutation(sorted(runners)):
            runner = runners[name]
            if not runner.is_spent(seconds):
                try:
                    runner.turn(number)
                except (CandidateFailure, RuntimeError, ValueError, IndexError) as error:
                    runner.failure = f"{type(error).__name__}: {error}"
    for name, runner in runners.items():
        same, later, moved = np.mean(runner.figures, axis=0) if runner.figures else (0.0, 0.0, 0.0)
        yield Result(
            name,
            case.name,
            threads,
            quartiles(runner.hot_ms or runner.cold_ms),
            quartiles(runner.cold_ms),
            len(runner.hot_ms or runner.cold_ms),
            runner.first_ms,
            float(same),
            float(later),
            float(moved),
            runner.failure,
        )


if __name__ == "__main__":
    main()
