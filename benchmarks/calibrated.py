"""Programs that take a wanted time by our clock: a loop over the input, then three new outputs written."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np

from eplb_evolve.evaluation.bench import Bench
from eplb_evolve.evaluation.block import CANDIDATE, Block, run_block
from eplb_evolve.evaluation.calls import Caller, warm
from eplb_evolve.evaluation.sampling import enough
from eplb_evolve.evaluation.task import Task
from eplb_evolve.evaluation.timed import Timed

TRIAL_ROUNDS = (2_000, 40_000)
TEXT = """
import ctypes, os, subprocess
import torch

SOURCE = '''
double spin(const float *weight, long count, long rounds) {
    double sum = 0;
    for (long round = 0; round < rounds; round++) sum += weight[round % count] * 1e-9 + sum * 1e-12;
    return sum;
}
void repeat(const long *row, long size, long layers, long *into) {
    for (long layer = 0; layer < layers; layer++)
        for (long i = 0; i < size; i++) into[layer * size + i] = row[i];
}
'''
open("spin.c", "w").write(SOURCE)
subprocess.run(["cc", "-O2", "-shared", "-fPIC", "spin.c", "-o", "spin.so"], check=True)
code = ctypes.CDLL(os.path.abspath("spin.so"))
code.spin.restype = ctypes.c_double
address, plans = ctypes.c_void_p, {}


def constant(experts, num_replicas, num_groups, num_nodes):
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
    return row, log2phy, logcnt


def rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus):
    code.spin(address(weight.data_ptr()), weight.numel(), ROUNDS)
    layers, experts = weight.shape
    shape = experts, num_replicas, num_groups, num_nodes
    if shape not in plans:
        plans[shape] = constant(*shape)
    outputs = [torch.empty(layers, *row.shape, dtype=torch.int64) for row in plans[shape]]
    for row, output in zip(plans[shape], outputs):
        code.repeat(address(row.data_ptr()), row.numel(), layers, address(output.data_ptr()))
    return tuple(outputs)
"""


def text(rounds: int) -> str:
    """A program that spins for so many rounds."""
    return f"ROUNDS = {rounds}\n{TEXT}"


def fresh_block(program: Path, task: Task, bench: Bench, rng: np.random.Generator) -> Block:
    """A block of calls in a new process, as an evaluation makes one."""
    workload, plan = task.workload, task.settings.timing
    with closing(bench.zygote.spawn(program, task.settings.limits)) as worker:
        warm(worker, workload.windows.shape[1:], workload.topology, rng)
        caller = Caller(worker, workload.topology, workload.name, rng)
        return run_block({CANDIDATE: caller}, task, bench, rng, lambda block: enough(block, plan))


def net_ms(block: Block, task: Task) -> float:
    """Median net milliseconds of the calls that count."""
    return 1e3 * float(np.median(Timed.of(block, task).own.net))


def rounds_for(wanted_ms: float, measured_ms: Callable[[int], float]) -> int:
    """How many rounds take that long, net; measured_ms tells what some take."""
    low, high = (measured_ms(rounds) for rounds in TRIAL_ROUNDS)
    per_round = (high - low) / (TRIAL_ROUNDS[1] - TRIAL_ROUNDS[0])
    return max(0, round(TRIAL_ROUNDS[0] + (wanted_ms - low) / per_round))
