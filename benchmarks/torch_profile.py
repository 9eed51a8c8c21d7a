"""What limits seeds/torch_rounds.py: its operations in order, with their times in warm and in cold caches.

    python benchmarks/torch_profile.py [--program PROGRAM] [--calls 60] > results/benchmarks/torch_profile.txt

One thread, dsv3-composite, windows in turn. Times are medians over calls, in microseconds. Those of operations are from
torch.profiler, which adds some to each; "call" and "floor" are measured without it. Before a cold call the evaluator's
reference plans and 48 MiB are written, as beside the other programs of an evaluation; before a warm one the program is
called on another window. The floor is a call that only fills three new outputs; "empty" is an operation on no data,
which costs its dispatch alone.
"""

import argparse
import importlib.util
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from eplb_evolve import machine, reference
from eplb_evolve.paths import project
from eplb_evolve.workload import catalog

WORKLOAD = "dsv3-composite"
WARM_UP = 20
MARK = "aten::special_sinc"
"""An operation that no balancer uses stands before the call."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", type=Path, default=project().root / "seeds" / "torch_rounds.py")
    parser.add_argument("--calls", type=int, default=60)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
    workload = catalog.load(WORKLOAD, project().root / "workloads")
    loads = [torch.from_numpy(workload.windows[now].astype(np.float32)) for now, _ in workload.pairs("holdout")]
    topology = workload.topology.as_arguments()
    spec = importlib.util.spec_from_file_location("profiled", arguments.program)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    spoiled = np.zeros(48 << 20, np.uint8)

    def call(number: int) -> tuple[torch.Tensor, ...]:
        result: tuple[torch.Tensor, ...] = module.rebalance_experts(loads[number % len(loads)], *topology)
        return result

    def spoil(number: int) -> None:
        spoiled[:] += 1
        reference.rebalance_experts(loads[number % len(loads)], *topology)

    def warm_up(number: int) -> None:
        for other in range(1, 4):
            call(number + other)

    shapes = [tuple(part.shape) for part in call(0)]

    def floor(_: int) -> list[torch.Tensor]:
        return [torch.full(shape, -1) for shape in shapes]

    nothing = torch.empty(0)
    warm, cold = (operations(call, before, arguments.calls) for before in (warm_up, spoil))
    print(f"{machine.describe()}; {time.strftime('%Y-%m-%d', time.gmtime())}; {arguments.program.name}, {WORKLOAD}")
    print(f"{len(warm)} operations of torch a call\n\n{'operation':28}{'warm us':>9}{'cold us':>9}")
    for (name, hot), (_, other) in zip(warm, cold, strict=True):
        print(f"{name:28}{hot:9.1f}{other:9.1f}")
    sorting = [sum(us for name, us in each if name == "aten::sort") for each in (warm, cold)]
    print(f"\n{'of these sorting':28}{sorting[0]:9.1f}{sorting[1]:9.1f}")
    for name, action in {"call": call, "floor": floor, "empty": lambda _: nothing.neg()}.items():
        print(f"{name:28}" + "".join(f"{timed(action, before, arguments.calls):9.1f}" for before in (warm_up, spoil)))


def operations(call: Callable[[int], object], before: Callable[[int], None], calls: int) -> list[tuple[str, float]]:
    """Name and median time of each operation of a call, those inside another one left out."""
    mark, took, names = torch.ones(1), defaultdict(list), []
    for number in range(WARM_UP + calls):
        before(number)
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
            before(number)
            torch.special.sinc(mark)
            call(number)
        outer = [event for event in profile.events() or () if event.cpu_parent is None]
        start = max(place for place, event in enumerate(outer) if event.name == MARK)
        names = [event.name for event in outer[start + 1 :]]
        for place, event in enumerate(outer[start + 1 :] if number >= WARM_UP else ()):
            took[place].append(event.time_range.elapsed_us())
    return [(name, statistics.median(took[place])) for place, name in enumerate(names)]


def timed(action: Callable[[int], object], before: Callable[[int], None], calls: int) -> float:
    """Median microseconds of a call."""
    took = []
    for number in range(WARM_UP + calls):
        before(number)
        started = time.perf_counter()
        action(number)
        took.append(1e6 * (time.perf_counter() - started))
    return statistics.median(took[WARM_UP:])


if __name__ == "__main__":
    main()
