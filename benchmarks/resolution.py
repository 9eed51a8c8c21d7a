"""Which of two programs is the faster one: how often the clock tells, for short calls that differ by a fifth.

    python benchmarks/resolution.py [--pairs 100] [--busy]

Each program runs a loop over its input, calibrated to take the wanted time net by our clock, and then writes into one
of two sets of outputs. Each is measured in a block of its own, as evaluations are, in random order; a pair is ranked
right when the ratio to the reference says so. --busy: beside a busy loop. The null call is measured in every block.
"""

import argparse
import contextlib
import datetime
import multiprocessing
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np

from eplb_evolve import config, machine
from eplb_evolve.evaluation.bench import Bench, open_bench
from eplb_evolve.evaluation.block import Block, run_block
from eplb_evolve.evaluation.calls import Caller, warm
from eplb_evolve.evaluation.sampling import enough, estimate_block, rows_that_count
from eplb_evolve.evaluation.task import Task, build_task
from eplb_evolve.paths import project
from eplb_evolve.placement import Floats

TIMES_MS = (0.10, 0.15, 0.20, 0.30)
SLOWER = 1.2
TRIAL_ROUNDS = (2_000, 20_000)
PROGRAM = """
import ctypes, os, subprocess
import torch

SOURCE = '''
double spin(const float *weight, long count, long rounds) {
    double sum = 0;
    for (long round = 0; round < rounds; round++) sum += weight[round % count] * 1e-9 + sum * 1e-12;
    return sum;
}
'''
open("spin.c", "w").write(SOURCE)
subprocess.run(["cc", "-O1", "-shared", "-fPIC", "spin.c", "-o", "spin.so"], check=True)
spin = ctypes.CDLL(os.path.abspath("spin.so")).spin
spin.restype = ctypes.c_double
ready = {}


def constant(layers, experts, num_replicas, num_groups, num_nodes):
    if num_groups % num_nodes:
        num_nodes = 1
    slots, size = num_replicas // num_nodes, experts // num_nodes
    slot = torch.arange(num_replicas)
    row = slot // slots * size + slot % slots % size
    logcnt = torch.bincount(row, minlength=experts)
    log2phy = torch.full((experts, int(logcnt.max())), -1)
    filled = [0] * experts
    for place, expert in enumerate(row.tolist()):
        log2phy[expert, filled[expert]] = place
        filled[expert] += 1
    return [tensor.repeat(layers, *[1] * tensor.dim()) for tensor in (row, log2phy, logcnt)]


def rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus):
    spin(ctypes.c_void_p(weight.data_ptr()), weight.numel(), ROUNDS)
    shape = (*weight.shape, num_replicas, num_groups, num_nodes)
    if shape not in ready:
        ready[shape] = constant(*shape)
        ready[shape] = [ready[shape], [tensor.clone() for tensor in ready[shape]]]
    ready[shape].reverse()  # two sets in turn: the plan in force stays as it is
    for output in ready[shape][0]:
        output[:, :1] = output[:, :1].clone()
    return tuple(ready[shape][0])
"""


class Programs:
    """Programs in workers of one bench, by the rounds of their loop."""

    def __init__(self, task: Task, bench: Bench, folder: Path) -> None:
        self._task, self._bench, self._folder = task, bench, folder
        self._rng = np.random.default_rng()

    def block(self, rounds: int) -> Block:
        """A block of calls, as an evaluation makes them."""
        file = self._folder / f"{rounds}.py"
        file.write_text(f"ROUNDS = {rounds}\n{PROGRAM}")
        workload = self._task.workload
        with closing(self._bench.zygote.spawn(file, self._task.settings.limits)) as worker:
            warm(worker, workload.windows.shape[1:], workload.topology, self._rng)
            caller = Caller(worker, workload.topology, workload.name, self._rng)
            done = lambda block: enough(block, self._task.settings.timing)  # noqa: E731
            return run_block(caller, self._task, self._bench, self._rng, done)

    def net_ms(self, rounds: int) -> float:
        """Median net milliseconds of a call, over a few blocks."""
        blocks = [self.block(rounds) for _ in range(3)]
        return float(np.median([np.median(net(block, self._task)) for block in blocks])) * 1e3

    def rounds_for(self, wanted_ms: float) -> int:
        """How many rounds take that long, net."""
        low, high = (self.net_ms(rounds) for rounds in TRIAL_ROUNDS)
        per_round = (high - low) / (TRIAL_ROUNDS[1] - TRIAL_ROUNDS[0])
        return max(0, round(TRIAL_ROUNDS[0] + (wanted_ms - low) / per_round))


def net(block: Block, task: Task) -> Floats:
    """Net seconds of the calls that count."""
    return block.null.net(block.seconds("candidate")[rows_that_count(block, task.settings.timing)])


@contextlib.contextmanager
def busy_loop() -> Iterator[None]:
    """A process that takes one processor."""
    process = multiprocessing.get_context("spawn").Process(target=_spin, daemon=True)
    process.start()
    try:
        yield
    finally:
        process.kill()
        process.join()


def _spin() -> None:
    while True:
        pass


def main() -> None:
    """Calibrate, measure, print a row for each time."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=100)
    parser.add_argument("--busy", action="store_true")
    given = parser.parse_args()
    section = config.read_eplb(project().config)
    task = build_task(project().workloads, section.workload, [], section.settings())
    print(f"{machine.describe()}; {datetime.date.today()}; {'beside a busy loop' if given.busy else 'quiet'}")
    print(
        f"{given.pairs} pairs on {task.workload.name}; the second program of each takes {SLOWER:g} x the first's time"
    )
    print("wanted ms   found ms           ratio, SD   right    null call us, SD   bound us   at the bound")
    with closing(open_bench(task.settings)) as bench, tempfile.TemporaryDirectory() as folder:
        programs = Programs(task, bench, Path(folder))
        rounds = {wanted: (programs.rounds_for(wanted), programs.rounds_for(wanted * SLOWER)) for wanted in TIMES_MS}
        with busy_loop() if given.busy else contextlib.nullcontext():
            for wanted, both in rounds.items():
                print(row(wanted, [measured_pair(programs, both) for _ in range(given.pairs)]), flush=True)


def measured_pair(programs: Programs, rounds: tuple[int, int]) -> list[Block]:
    """Blocks of both programs, made in random order."""
    blocks: list[Block | None] = [None, None]
    for which in np.random.default_rng().permutation(2):
        blocks[which] = programs.block(rounds[which])
    return [block for block in blocks if block is not None]


def row(wanted_ms: float, pairs: list[list[Block]]) -> str:
    """One line of the table."""
    plan = config.read_eplb(project().config).timing
    estimates = [[estimate_block(block, plan) for block in pair] for pair in pairs]
    ratios = np.array([[each.ratio for each in pair] for pair in estimates])
    found = [np.median([pair[which].time_ms for pair in estimates]) for which in (0, 1)]
    right = int((ratios[:, 0] < ratios[:, 1]).sum())
    nulls = [block.null for pair in pairs for block in pair]
    spread = np.median([null.spread for null in nulls]) * 1e6
    bound = np.median([null.bound for null in nulls]) * 1e6
    at_bound = sum(each.at_bound for pair in estimates for each in pair)
    return (
        f"{wanted_ms:9.2f}   {found[0]:.3f} / {found[1]:.3f}   {ratios[:, 0].std() / ratios[:, 0].mean():12.1%}   "
        f"{right:3d}/{len(pairs)}   {np.median([null.seconds for null in nulls]) * 1e6:8.0f}, {spread:5.1f}   "
        f"{bound:8.0f}   {at_bound:d} of {2 * len(pairs)}"
    )


if __name__ == "__main__":
    main()
