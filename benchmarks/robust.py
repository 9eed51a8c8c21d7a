"""How the robust thresholds judge balancers whose verdict is known, on loads unlike the timed ones.

    python benchmarks/robust.py [--evaluations 200] [--workload dsv3-composite]

Each evaluation draws its own loads (robust_loads) and judges the calls that the evaluator judges: 3 a load, 12 where
these come within 2 % of a threshold. Each program plans them in this process, without a sandbox; one that takes the old
placement gets its own last one. Figures are shares of the exact greedy's on the same inputs: the least over the
evaluations and, after the slash, the median. `feasible` counts the evaluations that fall below no threshold of a load,
under `default` and under the objective net_throughput. Programs slower than 50 ms a call get 20 evaluations.

    near ties       the exact greedy, where values within 0.1 %, the evaluator's own noise, are chosen between by lot
    at most 2, 3    greedy replication with at most so many replicas of an expert, then the exact greedy's packing
"""

import argparse
import contextlib
import datetime
import importlib.util
import io
import math
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import policies
import torch

from eplb_evolve import machine
from eplb_evolve.evaluation.balance import CallBalance, measure
from eplb_evolve.evaluation.checks import CALLS, CLOSE, MORE_ROBUST_CALLS
from eplb_evolve.evaluation.constraint import judge
from eplb_evolve.evaluation.inputs import NOISE, CallInputs, perturb
from eplb_evolve.evaluation.robust_loads import RobustLoad, robust_loads
from eplb_evolve.evaluation.settings import TRADED, Thresholds
from eplb_evolve.paths import project
from eplb_evolve.placement import Floats, Ints, Placement, Topology, count_replicas, initial_phy2log
from eplb_evolve.workload import catalog

SLOW_S, FEW = 0.05, 20
Planner = Callable[[CallInputs, Topology, Ints], Ints]
"""(inputs, topology, placement in force [L, R]) -> phy2log [L, R]."""


class Program:
    """A planner. movement_aware: whether it is told the placement in force. call_s: what a call takes at best."""

    def __init__(self, name: str, plan: Planner, movement_aware: bool = False) -> None:
        self.name, self.plan, self.movement_aware = name, plan, movement_aware
        self.call_s = math.inf


def of_policy(name: str, policy: policies.Policy) -> Program:
    """A policy of benchmarks/policies.py."""
    return Program(name, lambda inputs, topology, _: policy(inputs.weight.astype(np.float64), topology))


def of_file(file: Path) -> Program:
    """A program in a file, imported here."""
    spec = importlib.util.spec_from_file_location(f"robust_{file.parent.name}_{file.stem}".replace("-", "_"), file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    balance = module.rebalance_experts
    aware = balance.__code__.co_argcount == 6

    def plan(inputs: CallInputs, topology: Topology, old: Ints) -> Ints:
        given = [torch.from_numpy(inputs.weight), *topology.as_arguments(), *([torch.from_numpy(old)] if aware else [])]
        with contextlib.redirect_stdout(io.StringIO()):
            found: Ints = balance(*given)[0].numpy().astype(np.int64)
        return found

    return Program(f"record {file.parent.name}"[:23] if file.stem == "program" else file.stem, plan, aware)


def capped(most: int) -> policies.Policy:
    """Greedy, but an expert gets `most` replicas at most."""

    def replicate(load: Floats, slots: int) -> Ints:
        rows, experts = load.shape
        row, count = np.arange(rows), np.ones(load.shape)
        chosen = [np.tile(np.arange(experts), (rows, 1))]
        for _ in range(slots - experts):
            hottest = np.where(count < most, load / count, -1).argmax(axis=1)
            count[row, hottest] += 1
            chosen.append(hottest[:, None])
        return np.concatenate(chosen, axis=1)

    fill = policies.replicate_and_pack(replicate, policies.greedy_pack)
    return lambda load, topology: policies.place(load, topology, policies.greedy_pack, fill)


class Course:
    """One program on one load, call after call."""

    def __init__(self, program: Program, topology: Topology) -> None:
        self._program, self._topology = program, topology
        self._in_force: Ints | None = None

    def call(self, inputs: CallInputs) -> CallBalance:
        """Plan, and what balance that gives."""
        layers, experts = inputs.weight.shape
        before = self._in_force
        if before is None:
            before = initial_phy2log(layers, experts, self._topology.replicas)
        phy2log = self._program.plan(inputs, self._topology, inputs.from_workload_order(before))
        self._in_force = inputs.to_workload_order(phy2log)
        return measure(Placement(phy2log, count_replicas(phy2log, experts)), inputs, self._topology.gpus)


def evaluate(
    program: Program, inputs: list[CallInputs], exact: list[CallBalance], load: RobustLoad, topology: Topology
) -> tuple[list[float], float, float]:
    """Next, same, worst layer as shares of the exact greedy's; the margins under default and net_throughput."""
    course = Course(program, topology)
    skipped = load.unjudged_movement_aware if program.movement_aware else load.unjudged
    mine = [course.call(each) for each in inputs[: skipped + CALLS]][skipped:]
    margins = []
    for least in (Thresholds(), TRADED):
        verdict = judge(mine, exact[skipped : skipped + len(mine)], least.robust.as_thresholds())
        if abs(verdict.margin - 1) < CLOSE:
            mine += [course.call(each) for each in inputs[skipped + len(mine) : skipped + MORE_ROBUST_CALLS]]
            verdict = judge(mine, exact[skipped : skipped + len(mine)], least.robust.as_thresholds())
        margins.append(verdict.margin)
    its = exact[skipped : skipped + len(mine)]
    shares = [
        sum(getattr(row, name) for row in mine) / sum(getattr(row, name) for row in its)
        for name in ("next_window", "same_window", "worst_layer")
    ]
    return shares, margins[0], margins[1]


def drawn(load: RobustLoad, topology: Topology, rng: np.random.Generator) -> list[CallInputs]:
    """Inputs of as many calls as an evaluation may make."""
    wanted = max(load.unjudged, load.unjudged_movement_aware) + MORE_ROBUST_CALLS
    pairs: Iterator[tuple[Floats, Floats]] = pairwise(load.windows)
    return [perturb(*next(pairs), topology.groups, rng) for _ in range(wanted)]


def programs(rng: np.random.Generator) -> list[Program]:
    """The cheats, the equals, every seed that runs on a CPU, every record."""
    place = project()
    files = [file for file in place.seed_files().values() if file.stem not in ("triton_greedy", "torch_graph")]
    files += sorted((place.results / "records").glob("*/program.py"))
    known = [of_policy("near ties", policies.RandomTies(rng, NOISE)), of_policy("snake", policies.snake)]
    known += [of_policy(f"at most {most}", capped(most)) for most in (2, 3)]
    return [*known, *map(of_file, files)]


def main() -> None:
    """Evaluate, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--evaluations", type=int, default=200)
    parser.add_argument("--workload", default="dsv3-composite")
    given = parser.parse_args()
    torch.set_num_threads(1)
    rng, place = np.random.default_rng(), project()
    workload = catalog.load(given.workload, *place.workloads)
    others = [catalog.load(name, *place.workloads) for name in ("gptoss20b-phased",) if name != given.workload]
    _, layers, experts = workload.windows.shape
    chosen, reference = programs(rng), of_policy("exact greedy", policies.greedy)
    shares: dict[tuple[str, str], list[list[float]]] = {}
    fallen: dict[str, list[tuple[bool, bool]]] = {}
    for number in range(given.evaluations):
        loads = list(robust_loads(layers, experts, workload.topology, others, "search", rng))
        inputs = [drawn(load, workload.topology, rng) for load in loads]
        courses = [Course(reference, workload.topology) for _ in loads]
        exact = [[course.call(each) for each in rows] for course, rows in zip(courses, inputs, strict=True)]
        for program in chosen:
            if program.call_s > SLOW_S and number >= FEW:
                continue
            started, below = time.perf_counter(), [False, False]
            for load, rows, its in zip(loads, inputs, exact, strict=True):
                figures, *margins = evaluate(program, rows, its, load, workload.topology)
                shares.setdefault((load.name, program.name), []).append(figures)
                below = [was or margin < 1 for was, margin in zip(below, margins, strict=True)]
            program.call_s = min(program.call_s, (time.perf_counter() - started) / len(loads) / CALLS)
            fallen.setdefault(program.name, []).append((below[0], below[1]))
    print(f"{machine.describe()}; {datetime.date.today()}; {workload.name}, {given.evaluations} evaluations")
    print_tables(shares, fallen)


def print_tables(shares: dict[tuple[str, str], list[list[float]]], fallen: dict[str, list[tuple[bool, bool]]]) -> None:
    """A table for each load, and one of verdicts."""
    least = Thresholds().robust
    print(f"thresholds: next {least.next_window:g}, same {least.same_window:g}, worst layer {least.worst_layer:g}")
    for load in dict.fromkeys(name for name, _ in shares):
        print(f"\n{load}\n{'':24}{'next':>15}{'same':>15}{'worst layer':>15}")
        for program in fallen:
            values = np.array(shares[load, program])
            columns = zip(values.min(axis=0), np.median(values, axis=0), strict=True)
            print(f"{program:24}" + "".join(f"{f'{low:.3f} / {middle:.3f}':>15}" for low, middle in columns))
    print(f"\n{'feasible on all loads':24}{'default':>15}{'net_throughput':>16}")
    for program, rows in fallen.items():
        counts = [sum(not row[at] for row in rows) for at in (0, 1)]
        print(f"{program:24}{f'{counts[0]}/{len(rows)}':>15}{f'{counts[1]}/{len(rows)}':>16}")


if __name__ == "__main__":
    main()
