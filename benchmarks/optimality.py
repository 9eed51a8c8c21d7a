"""How far balancers are from the best possible placement.

    python benchmarks/optimality.py [--instances 8] [--seconds 30] [--only NAME...]

Small shapes: 8 experts drawn from recorded layers, 12 replicas on 4 GPUs. A mixed integer program (HiGHS) chooses the
counts and the GPU of each replica so that the fullest GPU is as empty as can be; where it does not finish within
--seconds, its lower bound stands for the optimum. Whole workloads: no placement keeps its fullest GPU under the mean
load of the GPUs, nor under the largest load per replica that the best counts leave; groups, which only restrict
further, are left out. Both are judged on the window that was planned on.
"""

import argparse
import time

import numpy as np
import scipy.optimize
import torch
from algorithms import Case, Runner, seeds

from eplb_evolve import machine, reference
from eplb_evolve.paths import project
from eplb_evolve.placement import Floats, Topology, gpu_loads
from eplb_evolve.workload import catalog

EXPERTS, SMALL = 8, Topology(12, 1, 1, 4)
AS_GOOD = 1 + 1e-6


def main() -> None:
    """Print a table for the small shapes and one for the workloads."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--instances", type=int, default=8, help="small ones of each workload")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--only", nargs="*", default=None, help="stems of files in seeds/")
    arguments = parser.parse_args()
    programs = seeds(arguments.only) | {reference.NAME: reference}
    folder = project().root / "workloads"
    workloads = {name: catalog.load(name, folder) for name in catalog.names(folder)}
    print(f"{machine.describe()}; {time.strftime('%Y-%m-%d', time.gmtime())}")

    rng = np.random.default_rng(0)
    small = np.concatenate([drawn(each.windows, arguments.instances, rng) for each in workloads.values()])
    solved = [optimum(load, SMALL, arguments.seconds) for load in small]
    print(f"\n{len(small)} small shapes, {sum(done for _, done in solved)} of them solved to the end")
    show(programs, Case("small", SMALL, small[:, None], ()), np.array([[best] for best, _ in solved]))
    for name, workload in workloads.items():
        windows = workload.windows[[now for now, _ in workload.pairs("holdout")]]
        bound = np.array([[least_of_any(load, workload.topology) for load in window] for window in windows])
        print(f"\n{name}: {len(windows)} windows, {windows.shape[1]} layers, against the bound without groups")
        show(programs, Case(name, workload.topology, windows, ()), bound)


def drawn(windows: Floats, count: int, rng: np.random.Generator) -> Floats:
    """Loads [count, EXPERTS] of experts of one layer and window each."""
    steps, layers, experts = windows.shape
    return np.stack(
        [
            windows[rng.integers(steps), rng.integers(layers), rng.choice(experts, min(EXPERTS, experts), False)]
            for _ in range(count)
        ]
    )


def show(programs: dict, case: Case, least: Floats) -> None:
    """Per program: how much fuller than `least` [windows, layers] its fullest GPU is."""
    print(f"  {'program':20s}{'mean':>9s}{'worst':>9s}{'as good':>10s}")
    found = {}
    for name, program in programs.items():
        runner = Runner(program, case)
        highest = np.stack([gpu_loads(load, runner.planned(load), case.topology.gpus).max(1) for load in case.windows])
        found[name] = highest / least
    for name, above in sorted(found.items(), key=lambda item: item[1].mean()):
        print(f"  {name:20s}{above.mean() - 1:9.2%}{above.max() - 1:9.2%}{(above < AS_GOOD).mean():10.0%}")


def least_of_any(load: Floats, topology: Topology) -> float:
    """What no placement of load [E] keeps its fullest GPU under."""
    counts = np.ones(len(load))
    for _ in range(topology.replicas - len(load)):
        counts[(load / counts).argmax()] += 1
    return max(load.sum() / topology.gpus, (load / counts).max())


def optimum(load: Floats, topology: Topology, seconds: float) -> tuple[float, bool]:
    """The least load of the fullest GPU over all counts and placements of load [E], and whether it is proven.

    A choice is an expert with a count; `taken` says which choices are made, `on[choice, GPU]` how many of its replicas
    are on a GPU. GPUs are alike: that the first is the fullest and loads fall from there spares most of the search.
    """
    replicas, gpus = topology.replicas, topology.gpus
    most = replicas - len(load) + 1
    choices = [(expert, count) for expert in range(len(load)) for count in range(1, most + 1)]
    size, share = len(choices), np.array([load[expert] / count for expert, count in choices])
    scale = load.sum() / gpus
    variables = size + size * gpus  # taken, then on
    taken, on = np.eye(variables)[:size], np.eye(variables)[size:].reshape(size, gpus, variables)
    gpu_load = np.einsum("c,cgv->gv", share / scale, on)
    expert_of, count_of = (np.array(each) for each in zip(*choices, strict=True))
    rows = [
        *((sum(taken[expert_of == expert]), 1, 1) for expert in range(len(load))),
        *((on[choice].sum(0) - count_of[choice] * taken[choice], 0, 0) for choice in range(size)),
        *((on[:, gpu].sum(0), replicas // gpus, replicas // gpus) for gpu in range(gpus)),
        *((gpu_load[gpu] - gpu_load[gpu + 1], 0, np.inf) for gpu in range(gpus - 1)),
    ]
    matrix, low, high = (np.array(each) for each in zip(*rows, strict=True))
    upper = np.concatenate([np.ones(size), np.repeat(count_of, gpus)])
    found = scipy.optimize.milp(
        gpu_load[0],
        constraints=scipy.optimize.LinearConstraint(matrix, low, high),
        integrality=np.ones(variables),
        bounds=scipy.optimize.Bounds(0, upper),
        options={"time_limit": seconds, "mip_rel_gap": 1e-7},
    )
    return float(found.mip_dual_bound) * scale, found.status == 0


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
