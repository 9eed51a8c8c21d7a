"""The evaluator on a real GPU: `make gpu` runs these; elsewhere they are skipped."""

import os
import re
import textwrap
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from support import ROOT

from eplb_evolve import machine
from eplb_evolve.errors import EnvironmentProblem
from eplb_evolve.evaluation.bench import Bench
from eplb_evolve.evaluation.pipeline import evaluate
from eplb_evolve.evaluation.settings import Settings, Timing
from eplb_evolve.evaluation.task import build_task
from eplb_evolve.placement import Topology
from eplb_evolve.sandbox import Limits

ROUNDS = (ROOT / "seeds" / "torch_rounds.py").read_text()
CALL = "honest(weight, num_replicas, num_groups, num_nodes, num_gpus)"
LIMITS = Limits(first_call_s=60.0, call_s=20.0)

SLEEP = "torch.cuda._sleep(200_000_000)"
SLEEP_MS = 80
"""Least that it takes: 200 million clock ticks at up to 2.5 GHz."""


@pytest.fixture(scope="session")
def gpu():
    try:
        machine.check_cuda()
    except EnvironmentProblem as problem:
        pytest.skip(str(problem))


@pytest.fixture(scope="session")
def bench(gpu, cache):
    with closing(Bench(cache / "timing-gpu.lock", device="cuda")) as bench:
        yield bench


@pytest.fixture(scope="session")
def task():
    settings = Settings(timing=Timing(pairs_fast=6, pairs_slow=5), limits=LIMITS, device="cuda")
    return build_task([ROOT / "workloads"], "gptoss20b-phased", [], settings)


@pytest.fixture
def wrapped(tmp_path):
    """Write a program: `body` as its rebalance_experts, around an honest one that is called `honest` there."""

    def write(body):
        head = "def rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus):\n"
        file = tmp_path / "program.py"
        file.write_text(
            f"{ROUNDS}\n\nhonest = rebalance_experts\nkept = []\nside = torch.cuda.Stream()\n\n\n"
            + head
            + textwrap.indent(textwrap.dedent(body), "    ")
        )
        return file

    return write


def plan(bench, file, loads):
    with closing(bench.zygote.spawn(file, LIMITS)) as worker:
        return worker.call(loads, Topology(40, 4, 2, 8))


def test_the_zygote_has_no_cuda(bench):
    """It holds no device node of the GPU, open or mapped: a process that has started CUDA cannot fork."""
    process = Path(f"/proc/{bench.zygote.pid}")
    opened = [os.readlink(descriptor) for descriptor in (process / "fd").iterdir()]
    assert not [name for name in opened if name.startswith("/dev/nvidia")]
    assert "/dev/nvidia" not in (process / "maps").read_text()


def test_an_honest_program_is_feasible(wrapped, bench, task):
    result = evaluate(wrapped(f"assert weight.is_cuda\nreturn {CALL}"), task, bench)
    assert result.reason == ""
    assert result.feasible
    assert result.replayed
    assert result.timing.clocks.endswith(" MHz")
    assert result.conditions.machine.startswith("NVIDIA")


@pytest.mark.parametrize("seed", ["initial_program.py", "src/eplb_evolve/reference.py"])
def test_programs_that_plan_on_the_host_run_as_they_are(seed, bench, task):
    result = evaluate(ROOT / seed, task, bench)
    assert result.feasible, result.reason


@pytest.mark.parametrize("seed", ["torch_rounds", "torch_graph", "triton_greedy"])
def test_seeds_for_the_gpu_are_feasible(seed, bench, task):
    result = evaluate(ROOT / "seeds" / f"{seed}.py", task, bench)
    assert result.feasible, result.reason


@pytest.mark.parametrize("place", ["output", "output.cpu()", "output.cpu().pin_memory()"])
def test_outputs_may_be_on_the_gpu_or_on_the_host(wrapped, bench, place):
    loads = np.random.default_rng(0).lognormal(8, 1, (5, 32)).astype(np.float32)
    expected = plan(bench, ROOT / "seeds" / "torch_rounds.py", loads)
    found = plan(bench, wrapped(f"return tuple({place} for output in {CALL})"), loads)
    for name in ("phy2log", "log2phy", "logcnt"):
        assert np.array_equal(getattr(found, name), getattr(expected, name))


CHEATS = {
    "work that is not waited for": f"outputs = {CALL}\n{SLEEP}\nreturn outputs",
    "work on another stream": f"outputs = {CALL}\nwith torch.cuda.stream(side):\n    {SLEEP}\nreturn outputs",
    "outputs on the GPU filled later": f"""
        outputs = {CALL}
        late = tuple(torch.empty_like(output) for output in outputs)
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            {SLEEP}
            for there, here in zip(late, outputs):
                there.copy_(here)
        kept.append((late, outputs))
        return late
        """,
    "outputs on the host filled later": f"""
        outputs = {CALL}
        late = tuple(torch.zeros(output.shape, dtype=torch.int64, pin_memory=True) for output in outputs)
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            {SLEEP}
            for there, here in zip(late, outputs):
                there.copy_(here, non_blocking=True)
        kept.append((late, outputs))
        return late
        """,
}
NOTHING = """
class Event:
    def __init__(self, *_, **__): pass
    def record(self, *_): pass
    def synchronize(self): pass
    def elapsed_time(self, _): return 1e-3
torch.cuda.Event = Event
torch.cuda.synchronize = torch._C._cuda_synchronize = lambda *_: None
"""


@pytest.mark.parametrize("replaced", ["", NOTHING], ids=["", "synchronize and Event replaced"])
@pytest.mark.parametrize("body", CHEATS.values(), ids=CHEATS)
def test_what_the_gpu_does_later_is_charged_or_invalid(wrapped, bench, task, body, replaced):
    result = evaluate(wrapped(replaced + textwrap.dedent(body)), task, bench)
    if result.valid:
        assert result.timing.time_ms > SLEEP_MS
    else:
        assert re.search("phy2log|log2phy|logcnt", result.reason), "no other fault"


HOARDS = {
    "on the GPU": ("torch.empty(1 << 30, dtype=torch.uint8, device='cuda')", "OutOfMemoryError"),
    "pinned": ("torch.empty(256 << 20, dtype=torch.uint8, pin_memory=True)", "memory"),
}


@pytest.mark.parametrize(("block", "reason"), HOARDS.values(), ids=HOARDS)
def test_memory_without_bound_is_refused_and_no_one_else_suffers(wrapped, bench, task, block, reason):
    """At most 64 blocks, so that a machine on which the bound fails survives it."""
    body = f"for _ in range(64):\n    kept.append({block})\n    kept[-1].fill_(1)\nraise ValueError('no bound')"
    result = evaluate(wrapped(body), task, bench)
    assert not result.valid
    assert reason in result.reason
    assert evaluate(wrapped(f"return {CALL}"), task, bench).feasible


def test_a_kernel_that_faults_is_the_candidates_failure_alone(wrapped, bench, task):
    body = "torch.zeros(1, device='cuda')[torch.tensor([9], device='cuda')]\n"
    result = evaluate(wrapped(body + f"return {CALL}"), task, bench)
    assert not result.valid
    assert result.reason.startswith("call: ")
    assert evaluate(wrapped(f"return {CALL}"), task, bench).feasible


def test_equal_input_must_give_equal_output(wrapped, bench, task):
    body = "weight = weight * (1 + 0.01 * torch.rand_like(weight))\n"
    result = evaluate(wrapped(body + f"return {CALL}"), task, bench)
    assert "phy2log was another" in result.reason
