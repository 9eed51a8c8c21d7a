"""What a search of equal programs claims to have gained.

    python benchmarks/false_gain.py [PROGRAM] [--evaluations 200] [--races 50]

Evaluates one program that many times as a search would, each time as if it were a new one: beside the best so far,
with a second look at whatever seems better. There is nothing to gain, so the best figure's distance from the truth, the
median of all first looks, is a false claim. The peer is the best first look, which a search without the second look
would have believed.

Then races: each time a new process of the program is measured beside another that has answered more calls, as a
search's best program has. Each side should be ahead in half of them. (A process keeps what it got of caches and pages:
one that stays the same for all races is ahead, or behind, by a per cent in most of them.)
"""

import argparse
import dataclasses
import datetime
import itertools
import statistics
from contextlib import closing
from pathlib import Path

import numpy as np

from eplb_evolve import config, machine, reference
from eplb_evolve.evaluation.bench import Bench, open_bench
from eplb_evolve.evaluation.calls import Caller
from eplb_evolve.evaluation.objectives import Incumbent
from eplb_evolve.evaluation.objectives.time import time_score
from eplb_evolve.evaluation.pipeline import evaluate
from eplb_evolve.evaluation.settings import RobustThresholds
from eplb_evolve.evaluation.task import Task, build_task
from eplb_evolve.paths import project
from eplb_evolve.sandbox import Worker

OLD = 200
BAD = 1e3
"""A stored ratio beside which every first look is worth a second."""


def main() -> None:
    """Evaluate, keep the best, compare with the truth."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", type=Path, nargs="?", default=Path(reference.__file__))
    parser.add_argument("--evaluations", type=int, default=200)
    parser.add_argument("--races", type=int, default=50)
    arguments = parser.parse_args()
    section = config.read_eplb(project().config)
    task = build_task(project().workloads, section.workload, section.checks, section.settings())
    print(f"{arguments.program.name} on {task.workload.name}, {arguments.evaluations} evaluations of the same program")
    print(f"{machine.describe()}; {datetime.date.today()}")
    incumbent: Incumbent | None = None
    first_looks, looked_twice, changes, walls = [], 0, 0, []
    with closing(open_bench(task.settings)) as bench:
        for _ in range(arguments.evaluations):
            run = evaluate(arguments.program, task, bench, incumbent)
            if not run.feasible or run.timing is None:
                raise SystemExit(f"{arguments.program}: {run.reason}")
            looked_twice += run.second_look is not None
            first_looks.append(run.figure("first_look_ratio") or run.timing.ratio_to_reference)
            walls.append(run.wall_s - (run.first_call_ms or 0.0) / 1e3 - run.twin_start_s)  # without compilers
            if incumbent is None or run.figure("won"):
                changes += incumbent is not None
                score, high = run.combined_score, run.timing.ratio_high
                incumbent = Incumbent(arguments.program, run.timing.ratio_to_reference, score, high)
    assert incumbent is not None
    truth = statistics.median(first_looks)
    print(f"median first look (the truth)       {truth:.4f} x ref")
    print(
        f"best first look                     {min(first_looks):.4f}, a false gain of {gain(truth, min(first_looks))}"
    )
    print(f"displayed figure of the last winner {incumbent.ratio:.4f}, a false gain of {gain(truth, incumbent.ratio)}")
    print(f"score of the last winner            {incumbent.chained_ratio:.4f} as a ratio")
    print(f"{looked_twice} second looks, {changes} changes of the best program")
    print(f"median wall beyond import and first call: {statistics.median(walls):.2f} s")
    with closing(open_bench(task.settings)) as bench:
        gains = raced(arguments.program, task, bench, arguments.races)
    print(
        f"of {len(gains)} races of the program against itself the new process was ahead in "
        f"{sum(each > 1 for each in gains)}; median gain {statistics.median(gains) - 1:+.1%}"
    )


def raced(program: Path, task: Task, bench: Bench, races: int) -> list[float]:
    """What a new process gained beside an older one, in each race; untimed checks are left out."""
    unchecked = dataclasses.replace(task.settings.thresholds, robust=RobustThresholds(0.0, 0.0, 0.0))
    quick = dataclasses.replace(task, checks=[], settings=dataclasses.replace(task.settings, thresholds=unchecked))
    gains = []
    for _ in range(races):
        bench.keep_incumbent(program, older(program, quick, bench))
        run = evaluate(program, quick, bench, Incumbent(program, BAD, time_score(BAD)))
        assert run.figure("gain") is not None, run.reason
        gains.append(run.figure("gain"))
    return gains


def older(program: Path, task: Task, bench: Bench) -> Worker:
    """A process of the program that has answered calls for a while."""
    workload, rng = task.workload, np.random.default_rng()
    worker = bench.zygote.spawn(program, task.settings.limits)
    caller = Caller(worker, workload.topology, workload.name, rng)
    for _, pair in zip(range(OLD), itertools.cycle(workload.pairs(task.split)), strict=False):
        caller.call(caller.draw(workload, pair))
    return worker


def gain(truth: float, claimed: float) -> str:
    """How much faster a claimed ratio is than the true one."""
    return f"{truth / claimed - 1:.1%}"


if __name__ == "__main__":
    main()
