"""A machine as the results name it: processor, threads, torch, and the GPU where one is used; never a host name."""

import functools
import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

from eplb_evolve.errors import EnvironmentProblem


@functools.cache
def describe(device: str = "cpu") -> str:
    """For example `AMD EPYC 7B13, 2 threads, torch 2.13.0`. Results are compared only where this is equal.

    For `cuda` the GPU comes first, with its driver and its highest clocks.
    """
    threads = len(os.sched_getaffinity(0))
    torch = importlib.metadata.version("torch").split("+")[0]
    host = f"{_cpu_model()}, {threads} threads, torch {torch}"
    return host if device == "cpu" else f"{_gpu()}, {host}"


def _cpu_model() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return re.sub(r"\s+", " ", found[1]).strip() if found else platform.machine()


def _gpu() -> str:
    """`NVIDIA H100 80GB HBM3, driver 580.1, 1980/2619 MHz` (highest SM and memory clock), of the first visible GPU."""
    name, driver, sm, memory = query_gpu("name", "driver_version", "clocks.max.sm", "clocks.max.mem")
    return f"{name}, driver {driver}, {sm}/{memory} MHz"


def gpu_index() -> str:
    """Which GPU candidates use: the first that CUDA_VISIBLE_DEVICES names, else 0."""
    index = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0].strip()
    if not index:
        raise EnvironmentProblem("CUDA_VISIBLE_DEVICES is empty, which hides every GPU; unset it, or name one")
    return index


def check_cuda() -> None:
    """Raise EnvironmentProblem unless there is a GPU that torch can use; this process itself starts no CUDA."""
    query_gpu("name")
    code = "import torch; torch.zeros(1, device='cuda')"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or ["it died without a word"]
        raise EnvironmentProblem(f"torch cannot use the GPU: {lines[-1]}")


def clocks(device: str) -> str:
    """`1980/2619 MHz`: SM and memory clock as they are now, of the GPU that candidates use; empty on a CPU."""
    if device == "cpu":
        return ""
    sm, memory = query_gpu("clocks.sm", "clocks.mem")
    return f"{sm}/{memory} MHz"


def query_gpu(*fields: str) -> list[str]:
    """Fields of nvidia-smi --query-gpu. EnvironmentProblem where there is no GPU, or no nvidia-smi."""
    program = shutil.which("nvidia-smi")
    if program is None:
        raise EnvironmentProblem("device cuda needs an NVIDIA GPU and its driver; nvidia-smi is not on PATH here")
    command = [program, f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits", "-i", gpu_index()]
    try:
        answer = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    except subprocess.TimeoutExpired as problem:
        raise EnvironmentProblem("nvidia-smi does not answer within 60 s; is the GPU in order?") from problem
    values = [value.strip() for value in answer.stdout.strip().split(",")]
    if answer.returncode or len(values) != len(fields):
        words = " ".join((answer.stdout + answer.stderr).split())
        raise EnvironmentProblem(f"nvidia-smi finds no GPU {gpu_index()}: {words[:200]}")
    return values
