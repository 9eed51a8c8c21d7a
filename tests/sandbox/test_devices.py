"""The way through a GPU, on machines without one: a stand-in on the host, a fake torch, a fake nvidia-smi."""

import os
import shutil
import sys
from contextlib import closing

import numpy as np
import pytest
from fake_gpu import NVIDIA_SMI, STAND_IN, install_nvidia_smi
from support import ROOT

from eplb_evolve import machine
from eplb_evolve.cli.main import main
from eplb_evolve.errors import CandidateFailure, EnvironmentProblem
from eplb_evolve.evaluation import bench as benches
from eplb_evolve.evaluation.bench import Bench
from eplb_evolve.evaluation.pipeline import evaluate
from eplb_evolve.evaluation.settings import Settings, Timing
from eplb_evolve.evaluation.task import build_task
from eplb_evolve.placement import Topology
from eplb_evolve.sandbox import Limits, Zygote, confinement, devices, process
from eplb_evolve.sandbox.confinement import Confinement
from eplb_evolve.sandbox.timekeeper import FREE_FLUSH_S

LOADS = np.arange(12, dtype=np.float32).reshape(2, 6)
TOPOLOGY = Topology(8, 1, 1, 4)
CALL = "honest(weight, num_replicas, num_groups, num_nodes, num_gpus)"
QUICK = Limits(first_call_s=6.0, call_s=4.0)


@pytest.fixture(autouse=True)
def forgetful(monkeypatch):
    """No GPU chosen, and the machine looked at anew."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    machine.describe.cache_clear()
    yield
    machine.describe.cache_clear()


@pytest.fixture
def nvidia_smi(tmp_path, monkeypatch):
    """Put a program called nvidia-smi on PATH; returns the file with the arguments that it was called with."""

    def install(text=NVIDIA_SMI):
        return install_nvidia_smi(tmp_path / "bin", monkeypatch, text)

    return install


@pytest.fixture
def no_nvidia_smi(monkeypatch):
    monkeypatch.setattr(machine.shutil, "which", lambda _: None)


@pytest.fixture(scope="module")
def stand_in():
    """A zygote for device cuda, with the stand-in for a GPU."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        patch.setattr(Zygote, "command", STAND_IN)
        zygote = Zygote(device="cuda")
    with closing(zygote):
        yield zygote


# The order of things, and what each of them is charged to


def test_flush_put_call_synchronize_get_and_nothing_after(stand_in, program):
    """The flush comes before the new input is there; after the last output nothing is done."""
    body = f"print('call', flush=True)\nreturn {CALL}"
    with closing(stand_in.spawn(program(wrapping=body), QUICK)) as worker:
        worker.call(LOADS, TOPOLOGY)
        worker.call(LOADS * 2, TOPOLOGY)
        steps = worker.log_tail().splitlines()
    once = ["put", "call", "synchronize", "get", "get", "get"]
    assert steps == ["flush 0", *once, "flush 1", *once]  # 1: the input of the call before


def test_the_placement_in_force_is_put_on_the_device_too(stand_in, program):
    text = "def rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus, old_phy2log):\n"
    text += "    return old_phy2log, old_phy2log[:, :, None], old_phy2log\n"
    with closing(stand_in.spawn(program(text), QUICK)) as worker:
        worker.call(LOADS, TOPOLOGY, np.arange(16).reshape(2, 8))
        assert worker.log_tail().split().count("put") == 2


def test_work_left_behind_is_charged_to_the_next_call(stand_in, program):
    """A flush waits for what still runs on the device; what it takes beyond a flush's own time is not for nothing."""
    body = f"global calls\ncalls += 1\nif calls == 1:\n    import os; os.environ['FLUSH_S'] = '0.3'\nreturn {CALL}"
    with closing(stand_in.spawn(program(wrapping=body), QUICK)) as worker:
        seconds = [worker.call(LOADS, TOPOLOGY).seconds for _ in range(6)]
    assert seconds[1] >= 0.3 - FREE_FLUSH_S
    assert min(seconds[2:]) < 0.2, "it is charged once"


def test_copying_the_outputs_counts(monkeypatch, program):
    """A kernel may still be writing while the process is frozen: the clock stops when the outputs are safe."""
    monkeypatch.setattr(Zygote, "command", (*STAND_IN, "--slow-copy"))
    file, seconds = program(wrapping=f"return {CALL}"), {}
    for device in ("cuda", "cpu"):
        with closing(Zygote(device=device)) as zygote, closing(zygote.spawn(file, QUICK)) as worker:
            seconds[device] = worker.call(LOADS, TOPOLOGY).seconds
    assert seconds == pytest.approx({"cuda": 3 * 0.03, "cpu": 0.0})


def test_a_tensor_of_another_kind_of_device_is_named(stand_in, program):
    body = f"a, b, c = {CALL}\nreturn a, b.to('meta'), c"
    reason = "log2phy must be a dense int64 tensor on the CPU or the GPU, not"
    with (
        closing(stand_in.spawn(program(wrapping=body), QUICK)) as worker,
        pytest.raises(CandidateFailure, match=reason),
    ):
        worker.call(LOADS, TOPOLOGY)


# What CUDA needs from the sandbox


def test_the_driver_finds_what_it_needs(stand_in, program):
    """It reserves more addresses than there is memory, names its threads, and keeps compiled code in a folder."""
    body = (
        "import ctypes, os, resource, threading, time\n"
        "thread = threading.Thread(target=time.sleep, args=(0.2,))\n"
        "thread.start()\n"
        "named = ctypes.CDLL(None).pthread_setname_np(ctypes.c_ulong(thread.ident), b'cuda')\n"
        "thread.join()\n"
        "infinite = resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY\n"
        "print(named, infinite, os.environ['CUDA_CACHE_PATH'] == os.getcwd(), flush=True)\n"
        f"return {CALL}"
    )
    with closing(stand_in.spawn(program(wrapping=body), QUICK)) as worker:
        worker.call(LOADS, TOPOLOGY)
        assert "0 True True" in worker.log_tail()


@pytest.mark.parametrize(("visible", "seen"), [(None, "0"), ("3,1", "3"), ("GPU-5f", "GPU-5f")])
def test_a_candidate_sees_the_gpu_that_is_locked_and_no_other(monkeypatch, program, visible, seen):
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setattr(Zygote, "command", STAND_IN)
    names = "os.environ['CUDA_VISIBLE_DEVICES'], os.environ['CUDA_DEVICE_ORDER']"
    file = program(wrapping=f"import os\nprint('sees', {names}, flush=True)\nreturn {CALL}")
    with closing(Zygote(device="cuda")) as zygote, closing(zygote.spawn(file, QUICK)) as worker:
        worker.call(LOADS, TOPOLOGY)
        assert f"sees {seen} PCI_BUS_ID" in worker.log_tail()


def test_on_a_cpu_a_candidate_sees_no_gpu_and_is_bounded(program, zygotes):
    body = "import os, resource\nassert os.environ['CUDA_VISIBLE_DEVICES'] == ''\n"
    body += f"assert resource.getrlimit(resource.RLIMIT_AS)[0] == {QUICK.memory_mb << 20}\n"
    file = program(wrapping=body + f"return {CALL}")
    with closing(zygotes()) as zygote, closing(zygote.spawn(file, QUICK)) as worker:
        worker.call(LOADS, TOPOLOGY)


def test_memory_is_watched_where_addresses_are_not_bounded(stand_in, program):
    body = f"global kept\nkept = bytearray(600 << 20)\nimport time; time.sleep(1)\nreturn {CALL}"
    limits = Limits(first_call_s=6.0, call_s=4.0, memory_mb=512)
    reason = "call: used more than 512 MiB of memory"
    with (
        closing(stand_in.spawn(program(wrapping=body), limits)) as worker,
        pytest.raises(CandidateFailure, match=reason),
    ):
        worker.call(LOADS, TOPOLOGY)


def test_pages_of_files_count_where_pinned_memory_would_be_among_them():
    mine = [os.getpid()]
    assert process.resident_bytes(mine, count_files=True) > process.resident_bytes(mine) + (10 << 20)


def test_no_private_process_ids_on_a_gpu(stand_in):
    """The driver could not name its threads in a namespace that does not have a /proc of its own."""
    assert stand_in.level != "full"
    with closing(Zygote("rlimits", device="cuda")) as zygote:
        assert zygote.level == "rlimits"


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_which_files_are_open(monkeypatch, tmp_path, device):
    """Device nodes and the driver's own files on a GPU only."""
    opened = {}
    for module, name in (
        (confinement.kernel, "forbid_new_privileges"),
        (confinement.kernel, "drop_capabilities"),
        (confinement.seccomp, "restrict"),
    ):
        monkeypatch.setattr(module, name, lambda: None)
    monkeypatch.setattr(Limits, "apply", lambda _, address_space, **__: opened.update(bounded=address_space))
    monkeypatch.setattr(confinement.landlock, "restrict", lambda read, write, _: opened.update(read=read, write=write))
    Confinement("no-userns", 61_000, str(tmp_path), device).enter_worker(QUICK)
    nodes = {"/dev/nvidiactl", "/dev/nvidia0", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools", "/dev/nvidia-caps"}
    tasks = f"/proc/{os.getpid()}/task"
    assert opened["bounded"] == (device == "cpu")
    assert (nodes | {tasks} <= set(opened["write"])) == (device == "cuda")
    assert ("/proc/driver/nvidia" in opened["read"]) == (device == "cuda")
    if device == "cpu":
        assert not any("nvidia" in path for path in (*opened["read"], *opened["write"]))
    assert {"/", "/proc", "/dev", "/dev/shm", "/tmp"}.isdisjoint({*opened["read"], *opened["write"]})


# Cuda itself, with a torch that writes down what it is asked


class FakeTensor:
    def __init__(self, record, name, place="cpu", pinned=False):
        self.record, self.name, self.place, self.pinned = record, name, place, pinned

    def _step(self, step):
        self.record.append(f"{step} {self.name}")
        return self

    def zero_(self):
        return self._step("zero_")

    def resolve_neg(self):
        return self

    def contiguous(self):
        return self

    def is_pinned(self):
        return self.pinned

    def to(self, place):
        self._step(f"to {place}")
        return FakeTensor(self.record, self.name, place, self.pinned and place == self.place)

    def clone(self):
        self._step("clone")
        return FakeTensor(self.record, self.name, self.place)


class FakeTorch:
    """As much of torch as Cuda uses, and a record of its use."""

    uint8 = "uint8"

    def __init__(self, total=80 << 30):
        self.record, self.fraction = [], None
        self.cuda, self._C = self, self
        self.total_memory = total

    def get_device_properties(self, _):
        return self

    def set_per_process_memory_fraction(self, fraction):
        self.fraction = fraction

    def empty(self, size, dtype, device):
        assert (size, dtype, device) == (devices.FLUSH_BYTES, "uint8", "cuda")
        return FakeTensor(self.record, "scratch", device)

    def _cuda_synchronize(self):
        self.record.append("synchronize")

    def synchronize(self):
        raise AssertionError("what a candidate may have replaced must not be called")


def test_cuda_flushes_by_writing_and_waits_for_the_device():
    torch = FakeTorch()
    cuda = devices.Cuda(torch, 8192)
    cuda.flush()
    cuda.synchronize()
    assert torch.record == ["zero_ scratch", "synchronize", "synchronize"]


def test_cuda_copies_inputs_and_outputs():
    torch = FakeTorch()
    cuda = devices.Cuda(torch, 8192)
    assert cuda.put(FakeTensor(torch.record, "weight")).place == "cuda"
    for place, pinned in (("cuda", False), ("cpu", False), ("cpu", True)):
        assert not cuda.get(FakeTensor(torch.record, f"{place} {pinned}", place, pinned)).pinned
    assert torch.record == [
        *("to cuda weight", "to cpu cuda False", "to cpu cpu False", "to cpu cpu True", "clone cpu True")
    ]


def test_what_a_candidate_puts_in_place_of_torchs_functions_is_not_called(monkeypatch):
    torch = FakeTorch()
    cuda = devices.Cuda(torch, 8192)
    monkeypatch.setattr(FakeTensor, "zero_", lambda _: None)
    torch._cuda_synchronize = torch.synchronize
    cuda.flush()
    assert torch.record == ["zero_ scratch", "synchronize"]


def test_torchs_share_of_the_gpus_memory_is_bounded():
    torch = FakeTorch(total=80 << 30)
    devices.Cuda(torch, 8192)
    assert torch.fraction == pytest.approx((8 + 0.25) / 80)
    small = FakeTorch(total=4 << 30)
    devices.Cuda(small, 8192)
    assert small.fraction == 1.0


# The machine and its GPU, as nvidia-smi tells


def test_name_driver_and_clocks(nvidia_smi):
    asked = nvidia_smi()
    described = machine.describe("cuda")
    assert described.startswith("NVIDIA H100 80GB HBM3, driver 580.159.04, 1980/2619 MHz, ")
    assert described.endswith(machine.describe())
    assert machine.clocks("cuda") == "1755/2618 MHz"
    assert machine.clocks("cpu") == ""
    assert all(line.endswith("-i 0") for line in asked.read_text().splitlines())


def test_the_gpu_asked_about_is_the_one_that_is_used(nvidia_smi, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,0")
    asked = nvidia_smi()
    machine.describe("cuda")
    assert asked.read_text().strip().endswith("-i 2")


BAD = {
    "an error": ("#!/bin/sh\necho 'No devices found'\nexit 6\n", "nvidia-smi finds no GPU 0: No devices found"),
    "nothing": ("#!/bin/sh\n", "nvidia-smi finds no GPU 0"),
    "too little": ("#!/bin/sh\necho NVIDIA\n", "nvidia-smi finds no GPU 0: NVIDIA"),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD)
def test_an_answer_that_is_none_is_a_problem_of_the_machine(nvidia_smi, text, message):
    nvidia_smi(text)
    with pytest.raises(EnvironmentProblem, match=message):
        machine.describe("cuda")


def test_without_nvidia_smi_there_is_no_gpu(no_nvidia_smi):
    with pytest.raises(EnvironmentProblem, match="nvidia-smi is not on PATH"):
        machine.describe("cuda")


def test_a_hidden_gpu_is_not_used(nvidia_smi, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    nvidia_smi()
    with pytest.raises(EnvironmentProblem, match="CUDA_VISIBLE_DEVICES is empty"):
        machine.describe("cuda")


@pytest.mark.parametrize(
    ("device", "visible", "name"),
    [
        ("cpu", "1", "timing.lock"),
        ("cuda", None, "timing-gpu0.lock"),
        ("cuda", "1", "timing-gpu1.lock"),
        ("cuda", "3,1", "timing-gpu3.lock"),
    ],
)
def test_each_gpu_has_a_lock_of_its_own(monkeypatch, device, visible, name):
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setattr(benches, "Bench", lambda lock_file, **_: lock_file)
    assert benches.open_bench(Settings(device=device)).name == name


# The whole evaluator


def test_evaluating_on_a_gpu_where_there_is_none_is_one_sentence(no_nvidia_smi, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["eplb", "evaluate", "initial_program.py", "--device", "cuda"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 3
    assert capsys.readouterr().err == (
        "eplb: device cuda needs an NVIDIA GPU and its driver; nvidia-smi is not on PATH here\n"
    )


@pytest.mark.skipif(shutil.which("nvidia-smi") is not None, reason="there is a GPU")
def test_a_gpu_that_does_not_start_is_one_sentence(nvidia_smi, tmp_path):
    nvidia_smi()
    with pytest.raises(EnvironmentProblem, match=r"^CUDA does not start in the sandbox: .*\(torch ") as problem:
        Bench(tmp_path / "lock", device="cuda")
    assert "\n" not in str(problem.value)


def test_no_more_than_the_strongest_level_on_a_gpu_can_be_demanded(nvidia_smi, tmp_path):
    nvidia_smi()
    with pytest.raises(EnvironmentProblem, match=r"demands 'full'.*with device cuda 'no-userns' is the most"):
        Bench(tmp_path / "lock", minimum="full", device="cuda")


def test_a_full_evaluation(nvidia_smi, monkeypatch, program, tmp_path):
    """Import to twin, through a real sandbox, with a stand-in for the GPU."""
    nvidia_smi()
    monkeypatch.setattr(Zygote, "command", STAND_IN)
    settings = Settings(timing=Timing(pairs_fast=4, pairs_slow=3), limits=QUICK, device="cuda")
    task = build_task([ROOT / "workloads"], "gptoss20b-phased", [], settings)
    with closing(Bench(tmp_path / "lock", device="cuda")) as bench:
        result = evaluate(program(wrapping=f"return {CALL}"), task, bench)
    assert result.reason == ""
    assert result.feasible
    assert result.replayed
    assert result.conditions.device == "cuda"
    assert result.conditions.machine.startswith("NVIDIA H100 80GB HBM3, driver 580.159.04, 1980/2619 MHz, ")
    assert result.timing.clocks == "1755/2618 MHz"
    assert result.conditions.sandbox_level == bench.level != "full"
    assert result.log.splitlines()[-4:] == ["synchronize", "get", "get", "get"]
