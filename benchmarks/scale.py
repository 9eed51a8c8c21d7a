"""What changes when one expert-parallel group grows from 10 to 10,000 GPUs, on synthetic load.

    python benchmarks/scale.py [--windows 8]

DeepSeek-V3's shape, 58 layers of 256 experts, in one group without expert groups; as many slots on each GPU as hold 288
replicas, one at least. Load is synthetic: each expert has a log-normal share of its layer, SD 0.8 of the logarithm,
which drifts by a tenth from window to window; a window is 100 steps of 2,048 assignments a GPU and layer (256 requests,
8 experts each), drawn as counts. Plans are cpp_simd's, timed in this process; transfers and steps are the cost model's
with deepseek-v3-decode's numbers. The floor is what chance leaves in a single step with perfect shares: the fullest of
G GPUs has about sqrt(2 ln G / assignments) more than the mean. The statistics are reduced over all GPUs before a plan.
"""

import argparse
import dataclasses
import math
import time
from types import SimpleNamespace

import numpy as np
import torch
from algorithms import loaded

from eplb_evolve import machine
from eplb_evolve.evaluation.simulation import simulate
from eplb_evolve.paths import project
from eplb_evolve.placement import Floats, Ints, Topology, initial_phy2log
from eplb_evolve.serving.cost import net_throughput, transfer_s
from eplb_evolve.serving.presets import deployment

LAYERS, EXPERTS, REPLICAS = 58, 256, 288
GPUS = (10, 100, 1000, 10_000)
STEPS, ASSIGNMENTS = 100, 2048
SPREAD, DRIFT = 0.8, 0.1
HOP_S, REDUCE_BYTES_PER_S = 10e-6, 50e9
"""Of an all-reduce as a tree: latency of a hop, and the link."""
INTERVALS = (100, 1000, 3000)


def main() -> None:
    """One line for each size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--windows", type=int, default=8)
    windows = parser.parse_args().windows
    program = loaded(project().root / "seeds" / "cpp_simd.py").rebalance_experts
    served = deployment("deepseek-v3-decode")
    print(f"{machine.describe()}; {time.strftime('%Y-%m-%d', time.gmtime())}; {windows} windows")
    print(
        f"{'GPUs':>6s}{'slots':>7s}{'plan ms':>9s}{'reduce ms':>11s}{'moved GB':>10s}{'move s':>8s}"
        f"{'next':>7s}{'floor':>7s}" + "".join(f"{f'at {steps}':>9s}" for steps in INTERVALS)
    )
    for gpus in GPUS:
        topology = Topology(gpus * -(-REPLICAS // gpus), 1, 1, gpus)
        trace = SimpleNamespace(
            name="synthetic",
            windows=synthetic(windows, gpus),
            topology=topology,
            card=SimpleNamespace(interval_steps=STEPS),
        )

        def plan(load: Floats, _: Ints, topology: Topology = topology) -> tuple[Ints, float]:
            weight = torch.from_numpy(load.astype(np.float32))
            started = time.perf_counter()
            result = program(weight, *topology.as_arguments())
            return result[0].numpy(), time.perf_counter() - started

        plan(trace.windows[0], initial_phy2log(LAYERS, EXPERTS, topology.replicas))
        course = simulate("cpp_simd", trace, plan)
        grown = dataclasses.replace(served, gpus=gpus)
        later = course.intervals[1:]
        received = float(np.mean([each.received_slots for each in later]))
        reduced_s = 2 * math.ceil(math.log2(gpus)) * HOP_S + 2 * LAYERS * EXPERTS * 4 / REDUCE_BYTES_PER_S
        floor = 1 / (1 + math.sqrt(2 * math.log(gpus) / ASSIGNMENTS))
        volume = course.transfers * topology.replicas * LAYERS * served.model.expert_bytes / 1e9
        nets = [net_throughput(grown, later, steps, "blocking") for steps in INTERVALS]
        print(
            f"{gpus:6d}{topology.replicas // gpus:7d}{1e3 * course.plan_s:9.3g}{1e3 * reduced_s:11.2f}{volume:10,.0f}"
            f"{transfer_s(grown, received):8.2f}{course.balancedness:7.3f}{floor:7.3f}"
            + "".join(f"{net:9.3f}" for net in nets)
        )


def synthetic(windows: int, gpus: int) -> Floats:
    """Counts [windows, layers, experts]."""
    rng = np.random.default_rng(1)
    logs = rng.normal(0, 1, (LAYERS, EXPERTS))
    drawn = []
    for _ in range(windows):
        logs = math.sqrt(1 - DRIFT**2) * logs + DRIFT * rng.normal(0, 1, logs.shape)
        share = np.exp(SPREAD * logs)
        share /= share.sum(axis=1, keepdims=True)
        drawn.append(rng.poisson(share * STEPS * ASSIGNMENTS * gpus).astype(np.float64))
    return np.stack(drawn)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
