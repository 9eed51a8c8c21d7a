"""Where the time of seeds/cpp_simd.py and seeds/cpp_rounds.py goes, in microseconds a call.

    git show 2e08c9c:seeds/cpp_simd.py > /tmp/before.py
    python benchmarks/cpp_budget.py --calls 1200 --older /tmp/before.py > results/benchmarks/cpp_budget.txt

One thread, a hot loop over the holdout windows of dsv3-composite, and over synthetic loads of other shapes. The seeds'
source marks its parts with STAGE; here the mark reads the processor's time-stamp counter. There are no counters of
cycles or cache misses on most virtual machines: page faults, processor time and bytes are what can be had. Rounds of
all programs alternate; of each the round at the first quartile is shown. The seeds as they are, an --older file and a
program that only fills its three outputs are timed beside, without marks.
"""

import argparse
import ctypes
import importlib.util
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
import torch

from eplb_evolve import machine
from eplb_evolve.paths import project
from eplb_evolve.placement import Topology
from eplb_evolve.workload import catalog

STAGES = {
    "check": "are all numbers loads?",
    "groups": "groups summed, packed to nodes",
    "read": "rows side by side",
    "replicate": "counts",
    "sort": "replicas by load",
    "mend": "loads looked up, order of the last bits",
    "pack": "replicas to GPUs",
    "keep": "slots and experts, in 16 bits",
    "invert": "log2phy in 16 bits",
    "write": "three outputs, int64",
    "other": "Python, torch, ctypes",
}
MARKS = """
#include <x86intrin.h>
enum {%s};
static uint64_t spent[16], last;
static inline void mark(int stage) { const uint64_t now = __rdtsc(); spent[stage] += now - last; last = now; }
extern "C" void take(uint64_t *to) { std::memcpy(to, spent, sizeof spent); std::memset(spent, 0, sizeof spent); }
#define STAGE(name) mark(in_##name);
"""
SHAPES = {
    "61x256 to 320 on 160": (61, 256, Topology(320, 1, 1, 160)),
    "48x128 to 160 on 8": (48, 128, Topology(160, 1, 1, 8)),
    "96x1024 to 1280 on 256": (96, 1024, Topology(1280, 1, 1, 256)),
}
Plan = Callable[..., tuple[torch.Tensor, ...]]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=600)
    parser.add_argument("--older", type=Path, action="append", default=[], help="another program to time beside")
    arguments = parser.parse_args()
    this_machine = machine.describe()  # before it is one processor's
    torch.set_num_threads(1)
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-1:])
    seeds = [project().root / "seeds" / f"{name}.py" for name in ("cpp_simd", "cpp_rounds")]
    with tempfile.TemporaryDirectory() as folder:
        marked = [_loaded(_marked(seed, Path(folder)), f"marked_{seed.stem}") for seed in seeds]
    plain = {file.stem: _loaded(file, f"plain_{file.stem}").rebalance_experts for file in [*seeds, *arguments.older]}
    print(f"{this_machine}; {time.strftime('%Y-%m-%d')}; microseconds a call, one thread, hot")
    workload = catalog.load("dsv3-composite", project().root / "workloads")
    windows = [torch.tensor(workload.windows[now]).float() for now, _ in workload.pairs("holdout")]
    _report("dsv3-composite", windows, workload.topology, marked, plain, arguments.calls)
    rng = np.random.default_rng(0)
    for name, (layers, experts, topology) in SHAPES.items():
        loads = [torch.from_numpy(rng.lognormal(3, 1, (layers, experts)).astype(np.float32)) for _ in range(4)]
        _report(name, loads, topology, marked, plain, max(arguments.calls // 10, 24))


def _report(
    name: str,
    windows: Sequence[torch.Tensor],
    topology: Topology,
    marked: Sequence[ModuleType],
    plain: dict[str, Plan],
    calls: int,
) -> None:
    """One shape: the parts of each marked seed, then the whole of each program."""
    results = next(iter(plain.values()))(windows[0], *topology.as_arguments())
    programs = plain | {"floor": _floor(results)}
    rounds = max(calls // len(windows), 8)
    totals: dict[str, list[float]] = {program: [] for program in programs}
    faults = dict.fromkeys(programs, 0)
    parts: list[list[tuple[float, dict[str, float]]]] = [[] for _ in marked]
    for _ in range(rounds):
        for program, plan in programs.items():
            _round(plan, windows, topology)  # what ran before had the caches
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
            totals[program].append(_round(plan, windows, topology))
            faults[program] += resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
        for module, found in zip(marked, parts, strict=True):
            _round(module.rebalance_experts, windows, topology)
            _taken(module)
            took = _round(module.rebalance_experts, windows, topology)
            spent = _taken(module)
            found.append((took, {stage: took * part / sum(spent.values()) for stage, part in spent.items()}))
    print(
        f"\n{name}: log2phy [L, E, {results[1].shape[2]}], {sum(part.nbytes for part in results) / 1e6:.2f} MB written"
    )
    quartiles = [sorted(found, key=lambda each: each[0])[len(found) // 4] for found in parts]
    print(f"  {'':10}{'cpp_simd':>9}{'cpp_rounds':>12}")
    for stage, says in STAGES.items():
        print(f"  {stage:10}{quartiles[0][1][stage]:9.1f}{quartiles[1][1][stage]:12.1f}  {says}")
    first = sorted(totals["cpp_simd"])[rounds // 4]
    for program in programs:
        took = sorted(totals[program])[rounds // 4]
        per_call = faults[program] / rounds / len(windows)
        print(f"  {program:12}{took:9.1f} us, {took / first:.2f} x cpp_simd, {per_call:.1f} page faults a call")


def _round(plan: Plan, windows: Sequence[torch.Tensor], topology: Topology) -> float:
    """Microseconds of a call, mean over one call on each window."""
    numbers = topology.as_arguments()
    start = time.perf_counter()
    for window in windows:
        kept = plan(window, *numbers)  # noqa: F841  the last result stays alive, as in a server
    return (time.perf_counter() - start) / len(windows) * 1e6


def _floor(results: tuple[torch.Tensor, ...]) -> Plan:
    """A program that only fills three outputs of these shapes."""
    return lambda *_: tuple(each.clone() for each in results)


def _taken(module: ModuleType) -> dict[str, float]:
    """Ticks of each part since they were last taken."""
    ticks = (ctypes.c_uint64 * 16)()
    module.LIBRARY.take(ticks)
    return dict(zip(STAGES, map(float, ticks), strict=False))


def _marked(seed: Path, folder: Path) -> Path:
    """A copy of the seed whose source tells how long each part takes."""
    marks = MARKS % ", ".join(f"in_{stage}" for stage in STAGES)
    hook = "#ifndef STAGE\n"
    text = seed.read_text()
    assert text.count(hook) == 1, f"{seed} marks no parts"
    copy = folder / seed.name
    copy.write_text(text.replace(hook, marks.lstrip() + hook))
    return copy


def _loaded(file: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
