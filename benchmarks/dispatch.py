"""What the choice among an expert's replicas is worth, for the reference's placements, and what it takes to tell.

    python benchmarks/dispatch.py

Balancedness on the next window, mean over calls through the holdout windows: equal shares, the best dispatch by linear
program, the nearest replica as SGLang chooses it (0.5.23), and as it did before (0.5.15).
"""

import time
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from eplb_evolve import machine, reference
from eplb_evolve.evaluation.calls import Call
from eplb_evolve.evaluation.dispatch import LAST, dispatch_figures, nearest_loads
from eplb_evolve.evaluation.inputs import perturb
from eplb_evolve.paths import project
from eplb_evolve.placement import Placement, Topology, balancedness, count_replicas
from eplb_evolve.workload import catalog
from eplb_evolve.workload.windows import Workload

CALLS = LAST - 1
HEADINGS = f"{'workload':31s}{'even':>8s}{'lp':>8s}{'near':>8s}{'before':>8s}{'seconds':>9s}"


def calls(workload: Workload, topology: Topology) -> list[Call]:
    """As many as an evaluation looks at, planned by the reference."""
    rng, pairs = np.random.default_rng(0), workload.pairs("holdout")
    made = []
    for number in range(CALLS):
        load, following = (workload.redraw(window, rng) for window in pairs[number % len(pairs)])
        inputs = perturb(load, following, topology.groups, rng)
        phy2log = reference.plan(inputs.weight.astype(np.float64), *topology.as_arguments())[0]
        placement = Placement(phy2log, count_replicas(phy2log, load.shape[1]))
        made.append(Call(inputs, topology, phy2log, None, 0.0, 0.0, placement, 0.0))
    return made


def line(name: str, made: Sequence[Call]) -> str:
    """A workload's figures, and the seconds that those of an evaluation took."""
    dispatch_figures(made[:1])  # imports the solver
    began = time.perf_counter()
    found = dispatch_figures(made)
    took = time.perf_counter() - began
    before = np.mean(
        [balancedness(nearest_loads(c.inputs.next_load, c.placement, c.topology, always=True)) for c in made]
    )
    figures = (found.balancedness_even, found.lp_bound, found.balancedness_nearest, float(before))
    return f"{name:31s}{''.join(f'{each:8.3f}' for each in figures)}{took:9.2f}"


if __name__ == "__main__":
    place = project()
    lines = [f"{datetime.now(UTC):%Y-%m-%d}, {machine.describe()}, {CALLS} calls each", HEADINGS]
    for name in catalog.names(*place.workloads):
        workload = catalog.load(name, *place.workloads)
        lines.append(line(name, calls(workload, workload.topology)))
        if workload.topology.binds_groups:
            lines.append(line(f"{name} without groups", calls(workload, workload.topology.without_groups())))
    text = "\n".join(lines) + "\n"
    (place.root / "results" / "benchmarks" / "dispatch.txt").write_text(text)
    print(text, end="")
