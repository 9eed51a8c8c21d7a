"""A bench without a sandbox or a clock: programs run in this process and take the seconds that they say.

A program's `SECONDS` are those of its calls, one after the other and over again; without them each takes 10 ms, as each
call of the reference does.
"""

import contextlib
import itertools
import types
from pathlib import Path

import torch

from eplb_evolve import reference
from eplb_evolve.errors import CandidateFailure
from eplb_evolve.evaluation.bench import Bench
from eplb_evolve.evaluation.calls import Caller
from eplb_evolve.sandbox.client import CallResult

REFERENCE_S = 0.01
LIKE_THE_REFERENCE = "from eplb_evolve.reference import rebalance_experts\n"
KEEPS_WHAT_IS = """
import torch


def rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus, old_phy2log):
    layers, experts = weight.shape
    if num_groups > 1 and num_groups % num_nodes == 0:  # the first placement ever ignores groups
        slots = num_replicas // num_nodes
        old_phy2log = torch.arange(num_replicas) % slots % (experts // num_nodes)
        old_phy2log = old_phy2log + torch.arange(num_replicas) // slots * (experts // num_nodes)
        old_phy2log = old_phy2log.repeat(layers, 1)
    logcnt = torch.zeros(layers, experts, dtype=torch.int64)
    log2phy = torch.full((layers, experts, num_replicas), -1)
    for layer in range(layers):
        for slot, expert in enumerate(old_phy2log[layer].tolist()):
            log2phy[layer, expert, logcnt[layer, expert]] = slot
            logcnt[layer, expert] += 1
    return old_phy2log, log2phy, logcnt
"""


def taking(*seconds):
    """The text of a program that plans as the reference does and takes these seconds."""
    return f"{LIKE_THE_REFERENCE}SECONDS = {list(seconds)}\n"


class Worker:
    """A program, called in this process."""

    level = "none"

    def __init__(self, file):
        module = types.ModuleType("candidate")
        try:
            exec(file.read_text(), module.__dict__)
        except Exception as problem:
            raise CandidateFailure(f"import: {problem}") from problem
        self._rebalance = module.rebalance_experts
        self._seconds = itertools.cycle(getattr(module, "SECONDS", [REFERENCE_S]))
        self.parameters = self._rebalance.__code__.co_argcount
        self.closed = False

    def call(self, weight, topology, old_phy2log=None, *_, **__):
        old = () if old_phy2log is None else (torch.from_numpy(old_phy2log.copy()),)
        try:
            outputs = self._rebalance(torch.from_numpy(weight.copy()), *topology.as_arguments(), *old)
        except Exception as problem:
            raise CandidateFailure(f"call: {problem}") from problem
        return CallResult(next(self._seconds), 0.0, *(output.numpy() for output in outputs))

    def used(self):
        return 0.0, 0

    def write_out(self):
        pass

    def log_tail(self):
        return ""

    def close(self):
        self.closed = True


class Programs:
    """In place of a zygote."""

    level = "none"

    def spawn(self, program, _limits):
        return Worker(program)

    def close(self):
        pass


class Clocked(Bench):
    """Candidates, rival and reference alike take the seconds that are given."""

    def __init__(self):
        self.machine, self.device = "no machine", "cpu"
        self.zygote = self._twin_zygote = Programs()
        self._incumbent = None

    def timing_lock(self):
        return contextlib.nullcontext()

    def call_mark(self, *_):
        return 0.0

    def reference_caller(self, topology, rng):
        return Caller(Worker(Path(reference.__file__)), topology, "the reference", rng)
