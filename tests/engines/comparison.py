"""Seeds beside what engines run: the same windows planned by both, loads of GPUs and numbers of replicas compared.

Loads are sorted in each layer, as GPUs are alike; slots are not compared, as equal loads may be ordered either way.
"""

import importlib.util
import inspect
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from support import ROOT

from engines import modules
from eplb_evolve.placement import Floats, Ints, Placement, Topology, count_replicas, gpu_loads, initial_phy2log, verify
from eplb_evolve.workload import catalog

Plan = Callable[[Floats, Ints], Ints]
"""Loads [L, E], whole numbers, and the phy2log in force [L, R] to the new phy2log [L, R]."""
ROUNDING = 1e-12
"""Of the mean load of a GPU: sums of the same numbers in another order."""


@contextmanager
def vllm(topology: Topology) -> Iterator[Plan]:
    """As vLLM's EplbState calls its policy: counts as int64, and always the placement in force."""
    with modules.vllm_policy() as policy:

        def plan(load: Floats, old: Ints) -> Ints:
            return policy.rebalance_experts(_counts(load), *topology.as_arguments(), torch.from_numpy(old)).numpy()

        yield plan


def sglang(algorithm: str) -> Callable[[Topology], AbstractContextManager[Plan]]:
    """As SGLang plans with `--eplb-algorithm`, which ends in `_hierarchical` where groups stay together.

    A window is the only entry of the history that SGLang would hand over.
    """

    @contextmanager
    def opened(topology: Topology) -> Iterator[Plan]:
        with modules.sglang_algorithms(topology) as algorithms:
            yield lambda load, _: sglang_plan(algorithms, algorithm, load[None], topology)

    return opened


def sglang_plan(algorithms: ModuleType, algorithm: str, history: Floats, topology: Topology) -> Ints:
    """The phy2log [L, R] that SGLang's dispatcher makes of a history of loads [steps, L, E]."""
    flag = f"{algorithm}_hierarchical" if algorithm != "auto" and topology.hierarchical else algorithm
    result = algorithms.rebalance_experts(
        tokens_per_expert=_counts(history),
        num_physical_experts=topology.replicas,
        num_local_physical_experts=topology.replicas // topology.gpus,
        num_groups=topology.groups,
        num_nodes=topology.nodes,
        algorithm=algorithms.compute_algorithm(flag, topology.groups, topology.nodes),
    )
    return verify(*(part.long().numpy() for part in result), history.shape[1:], topology).phy2log


@dataclass(frozen=True)
class Counterpart:
    """A seed and the module that it stands for; `opened` makes the module's plans on a topology."""

    seed: str
    engine: str
    module: str
    opened: Callable[[Topology], AbstractContextManager[Plan]]
    keeps_slots: bool = False


DEFAULT = "vllm.distributed.eplb.policy.default"
ALGORITHMS = "sglang.srt.eplb.eplb_algorithms"
COUNTERPARTS = (
    Counterpart("vllm_default", "vllm", DEFAULT, vllm, keeps_slots=True),
    Counterpart("greedy_preserve", "vllm", DEFAULT, vllm, keeps_slots=True),
    Counterpart("vllm_batched", "vllm", DEFAULT, vllm),
    Counterpart("sglang_default", "sglang", f"{ALGORITHMS}.deepseek", sglang("auto")),
    Counterpart("sglang_default", "sglang", f"{ALGORITHMS}.elasticity_aware", sglang("elasticity_aware")),
    Counterpart("deepseek", "sglang", f"{ALGORITHMS}.deepseek", sglang("auto")),
    Counterpart("sglang_vec", "sglang", f"{ALGORITHMS}.deepseek_vec", sglang("deepseek_vec")),
)


@dataclass(frozen=True)
class Compared:
    """A seed and its counterpart on the windows of a workload.

    Attributes:
        load_gap: largest difference of a GPU's load, in mean loads of a GPU; GPUs sorted in each layer
        count_gap: experts, over all layers and windows, that have other numbers of replicas
        kept, kept_there: of the slots that can keep their expert, the shares (0..1) that do
        ms, ms_there: the shortest call; neighbours on the machine lengthen others
    """

    windows: int
    load_gap: float
    count_gap: int
    kept: float
    kept_there: float
    ms: float
    ms_there: float

    @property
    def is_equal(self) -> bool:
        """Whether loads and numbers of replicas are the same."""
        return self.load_gap <= ROUNDING and not self.count_gap


def cases() -> dict[str, tuple[Sequence[Floats], Topology]]:
    """By workload: its windows [L, E], and where they go; and one where groups do not matter, over several nodes."""
    found = {}
    for name in catalog.names(ROOT / "workloads"):
        workload = catalog.load(name, ROOT / "workloads")
        found[name] = (list(workload.windows), workload.topology)
    windows, topology = found["dsv3-composite"]
    found["dsv3-composite, global"] = (windows, Topology(topology.replicas, 1, topology.nodes, topology.gpus))
    return found


def compare(counterpart: Counterpart, windows: Sequence[Floats], topology: Topology) -> Compared:
    """Plan all windows with both, each from the module's plan for the window before."""
    own = seed_plan(ROOT / "seeds" / f"{counterpart.seed}.py", topology)
    old = initial_phy2log(*windows[0].shape, topology.replicas)
    load_gap, count_gap, kept, seconds = 0.0, 0, [], []
    with counterpart.opened(topology) as theirs:
        for load in windows:
            plans, took = zip(*(_timed(plan, load, old) for plan in (own, theirs)), strict=True)
            counts = [count_replicas(each, load.shape[1]) for each in plans]
            loads = [
                np.sort(gpu_loads(load, Placement(each, count), topology.gpus), axis=1)
                for each, count in zip(plans, counts, strict=True)
            ]
            mean = np.maximum(loads[1].mean(axis=1, keepdims=True), 1e-300)
            load_gap = max(load_gap, float((abs(loads[0] - loads[1]) / mean).max()))
            count_gap += int((counts[0] != counts[1]).sum())
            kept.append([slots_kept(old, each, topology.gpus, load.shape[1]) for each in plans])
            seconds.append(took)
            old = plans[1]
    (kept_here, kept_there), (here, there) = np.mean(kept, axis=0), 1e3 * np.min(seconds, axis=0)
    return Compared(len(windows), load_gap, count_gap, kept_here, kept_there, here, there)


def seed_plan(file: Path, topology: Topology) -> Plan:
    """What a program plans, verified; it gets float32, and the placement in force if it takes six parameters."""
    spec = importlib.util.spec_from_file_location(f"seed_{file.stem}", file)
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    takes_old = len(inspect.signature(program.rebalance_experts).parameters) == 6

    def plan(load: Floats, old: Ints) -> Ints:
        arguments = [torch.from_numpy(load.astype(np.float32)), *topology.as_arguments()]
        arguments += [torch.from_numpy(old.copy())] if takes_old else []
        result = program.rebalance_experts(*arguments)
        return verify(*(part.numpy() for part in result), load.shape, topology).phy2log

    return plan


def slots_kept(old: Ints, new: Ints, gpus: int, experts: int) -> float:
    """Of the slots whose expert can stay in its slot, as its GPU holds it before and after, the share that does."""
    before, after = (each.reshape(-1, each.shape[1] // gpus) for each in (old, new))
    could = np.minimum(count_replicas(before, experts), count_replicas(after, experts)).sum()
    return float((before == after).sum() / max(could, 1))


def _timed(plan: Plan, load: Floats, old: Ints) -> tuple[Ints, float]:
    began = time.perf_counter()
    return plan(load, old), time.perf_counter() - began


def _counts(load: Floats) -> torch.Tensor:
    """int64, as both engines hand loads over."""
    counts = load.astype(np.int64)
    assert (counts == load).all(), "loads must be whole numbers"
    return torch.from_numpy(counts)
