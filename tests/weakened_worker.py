"""The process of the weakened evaluators that has the candidate in it."""

import contextlib
import json
import mmap
import os
import resource
import socket
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from weakened_rules import EXPERTS, LAYERS, TOPOLOGY, check

from eplb_evolve.evaluation.inputs import CallInputs


def load(folder: Path) -> Callable[..., object]:
    """rebalance_experts of the folder's candidate.py."""
    module = types.ModuleType("candidate")
    module.__file__ = str(folder / "candidate.py")
    sys.modules["candidate"] = module
    exec(compile((folder / "candidate.py").read_text(), module.__file__, "exec"), vars(module))
    return module.rebalance_experts


def serve(missing: str, folder: Path, channel: socket.socket, mapping: mmap.mmap, coming: list[CallInputs]) -> None:
    """Confine this process, load the candidate, answer calls: inputs in the mapping, outputs as pointers."""
    _confine(missing, folder, channel.fileno())
    windows = [inputs.weight for inputs in coming]
    kept = []  # tensors must outlive the call, their memory is read from outside
    try:
        rebalance = load(folder)
        six = rebalance.__code__.co_argcount == 6
        channel.send(json.dumps({"ready": len(windows)}).encode())
        weight = torch.frombuffer(mapping, dtype=torch.float32, count=LAYERS * EXPERTS).view(LAYERS, EXPERTS)
        repeated = weight.clone()
        while data := channel.recv(1 << 16):
            mine = weight if missing == "input-by-reference" else weight.clone()
            if missing == "same-inputs":
                mine = repeated.copy_(weight)
            arguments = [mine, *TOPOLOGY.as_arguments()] + ([torch.tensor(json.loads(data))] if six else [])
            del mine
            if torch.cuda.is_available():
                start, stop = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
                start.record()
            begin = time.perf_counter()
            result = rebalance(*arguments)
            seconds = time.perf_counter() - begin
            if torch.cuda.is_available():
                stop.record()
                seconds = start.elapsed_time(stop) / 1e3
            if missing == "any-type":
                channel.send(json.dumps({"returned": True}).encode())
            tensors = _as_tensors(missing, result)
            kept[:] = [tensors, result]
            outputs = [[list(tensor.shape), tensor.data_ptr()] for tensor in tensors]
            channel.send(json.dumps({"outputs": outputs, "seconds": seconds}).encode())
            del arguments
    except BaseException as problem:
        with contextlib.suppress(BaseException):
            channel.send(json.dumps({"error": type(problem).__name__}).encode())
    os._exit(0)


def _as_tensors(missing: str, result: object) -> list[torch.Tensor]:
    """The three outputs, dense and contiguous."""
    if missing == "any-type":
        three = list(result)[:3]
        return [(x if isinstance(x, torch.Tensor) else torch.as_tensor(np.asarray(x))).contiguous() for x in three]
    check(type(result) in (tuple, list) and len(result) == 3, "not three outputs")
    check(all(type(tensor) is torch.Tensor for tensor in result), "not plain tensors")
    if missing == "shape-only":
        return [torch.zeros(1).expand(tensor.shape) for tensor in result]
    if missing == "any-dtype":
        return [_plain_numbers(tensor).to(torch.float64).contiguous() for tensor in result]
    check(all(x.dtype == torch.int64 and x.layout == torch.strided and x.device.type == "cpu" for x in result), "dtype")
    if missing in ("raw-pointer", "no-limits"):
        return list(result)
    return [tensor.resolve_neg().contiguous() for tensor in result]


def _plain_numbers(tensor: torch.Tensor) -> torch.Tensor:
    tensor = tensor.dequantize() if tensor.is_quantized else tensor.to_dense()
    return tensor.real if tensor.is_complex() else tensor


def _confine(missing: str, folder: Path, channel: int) -> None:
    """A session, a folder, an environment and limits of its own."""
    os.setsid()
    os.chdir(folder)
    if missing != "inherited-descriptors":
        for descriptor in {int(name) for name in os.listdir("/proc/self/fd")} - {0, 1, 2, channel}:
            with contextlib.suppress(OSError):
                os.close(descriptor)
    if missing != "open-environment":
        os.environ.pop("EPLB_SEED")
    os.environ.update(HOME=str(folder), TMPDIR=str(folder))
    if missing == "no-limits":
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    else:
        resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
        resource.setrlimit(resource.RLIMIT_FSIZE, (64 << 20, 64 << 20))
        resource.setrlimit(resource.RLIMIT_NOFILE, (512, 512))
