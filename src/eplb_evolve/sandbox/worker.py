"""The worker: a forked process that imports one candidate and answers calls. Untrusted from that import on.

Messages are JSON on a SEQPACKET socket; arrays travel in two shared mappings, input (private here, so that a
candidate cannot reach the harness's copy) and output. A call is answered twice: `{"done": true}` stops the clock, then
the outputs are copied and `{"shapes": ...}` tells what lies in the output mapping.
"""

import contextlib
import importlib.util
import inspect
import json
import mmap
import os
import socket
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from eplb_evolve.sandbox.limits import Limits
from eplb_evolve.sandbox.protocol import INPUT_BYTES

OUTPUT_NAMES = ("phy2log", "log2phy", "logcnt")
CACHES = (
    "HOME",
    "TMPDIR",
    "XDG_CACHE_HOME",
    "NUMBA_CACHE_DIR",
    "TORCHINDUCTOR_CACHE_DIR",
    "TORCH_EXTENSIONS_DIR",
    "TRITON_CACHE_DIR",
)


def run(descriptors: list[int], spec: dict[str, Any]) -> None:
    """Confine this process, load the candidate, then serve calls until the harness closes the channel."""
    channel_fd, input_fd, output_fd = descriptors
    limits = Limits(**spec["limits"])
    workdir = Path(spec["workdir"])
    _detach(workdir, keep=set(descriptors))
    _set_environment(workdir, limits.threads)
    inputs = mmap.mmap(input_fd, INPUT_BYTES, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
    outputs = mmap.mmap(output_fd, os.fstat(output_fd).st_size)
    limits.apply()
    channel = socket.socket(fileno=channel_fd)
    stage = "import"
    try:
        rebalance = _load(Path(spec["program"]))
        _send(channel, {"ready": {"parameters": _count_parameters(rebalance)}})
        stage = "call"
        while message := channel.recv(4096):
            _answer(channel, rebalance, json.loads(message), inputs, outputs)
    except BaseException as problem:  # the process boundary: whatever a candidate raises, sys.exit included
        with contextlib.suppress(BaseException):
            sys.stdout.flush()
            _send(channel, {"error": {"stage": stage, "text": _describe(problem, spec["program"])}})
        os._exit(1)


def _detach(workdir: Path, keep: set[int]) -> None:
    """Own session, own stdio, no inherited descriptor."""
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    log = os.open(workdir / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) not in keep:
            with contextlib.suppress(OSError):
                os.close(int(name))
    os.chdir(workdir)


def _set_environment(workdir: Path, threads: int) -> None:
    """Caches and temporary files go to the work directory; the zygote's environment is already clean."""
    import torch

    for name in CACHES:
        os.environ[name] = str(workdir)
    for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[name] = str(threads)
    with contextlib.suppress(ImportError):
        importlib.import_module("numba").config.reload_config()  # imported in the zygote, with the zygote's settings
    torch.set_num_threads(threads)


def _load(program: Path) -> Callable[..., object]:
    spec = importlib.util.spec_from_file_location("candidate", program)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["candidate"] = module  # numba, dataclasses and pickle look a function's module up by name
    spec.loader.exec_module(module)
    rebalance = getattr(module, "rebalance_experts", None)
    if not callable(rebalance):
        raise AttributeError("the program defines no function rebalance_experts(weight, num_replicas, num_groups, ...)")
    return rebalance  # type: ignore[no-any-return]


def _count_parameters(rebalance: Callable[..., object]) -> int:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    count = sum(parameter.kind in kinds for parameter in inspect.signature(rebalance).parameters.values())
    if count not in (5, 6):
        raise TypeError(
            f"rebalance_experts takes {count} positional parameters; it must take weight, num_replicas, "
            "num_groups, num_nodes, num_gpus, and may take old_phy2log"
        )
    return count


def _answer(
    channel: socket.socket,
    rebalance: Callable[..., object],
    call: dict[str, Any],
    inputs: mmap.mmap,
    outputs: mmap.mmap,
) -> None:
    import torch

    shape, dtype = call["shape"], getattr(torch, call["dtype"])
    weight = torch.frombuffer(inputs, dtype=dtype, count=shape[0] * shape[1]).clone().view(shape)
    arguments: list[object] = [weight, *call["topology"]]
    if (old := call["old"]) is not None:
        count = old["shape"][0] * old["shape"][1]
        stored = torch.frombuffer(inputs, dtype=torch.int64, count=count, offset=old["offset"])
        arguments.append(stored.clone().view(old["shape"]))
    result = rebalance(*arguments)
    _send(channel, {"done": True})
    _send(channel, {"shapes": _copy_out(result, outputs)})


def _copy_out(result: object, outputs: mmap.mmap) -> list[list[int]]:
    """Check that the result is three plain int64 CPU tensors, and lay them end to end in the output mapping."""
    import torch

    if not isinstance(result, (tuple, list)) or len(result) != len(OUTPUT_NAMES):
        raise TypeError(f"rebalance_experts must return (phy2log, log2phy, logcnt), not {_kind(result)}")
    shapes, offset = [], 0
    for name, tensor in zip(OUTPUT_NAMES, result, strict=True):
        if type(tensor) is not torch.Tensor:
            raise TypeError(f"{name} must be a plain torch.Tensor, not {_kind(tensor)}")
        if tensor.dtype != torch.int64 or tensor.layout != torch.strided or tensor.device.type != "cpu":
            raise TypeError(f"{name} must be a dense int64 tensor on the CPU, not {tensor.dtype} on {tensor.device}")
        count = tensor.numel()
        if offset + count * 8 > len(outputs):
            raise ValueError(
                f"{name} of shape {list(tensor.shape)} is larger than the {len(outputs) >> 20} MiB allowed"
            )
        if count:
            torch.frombuffer(outputs, dtype=torch.int64, count=count, offset=offset).view(tensor.shape).copy_(tensor)
        offset += count * 8
        shapes.append(list(tensor.shape))
    return shapes


def _kind(value: object) -> str:
    return (
        f"{type(value).__name__} of length {len(value)}" if isinstance(value, (tuple, list)) else type(value).__name__
    )


def _describe(problem: BaseException, program: str) -> str:
    """`ValueError: text (line 12, in rebalance_experts)`: the deepest line that lies in the candidate's own file."""
    where = ""
    for frame in traceback.extract_tb(problem.__traceback__):
        if frame.filename == program:
            where = f" (line {frame.lineno}, in {frame.name})"
    if isinstance(problem, SyntaxError):
        return f"{type(problem).__name__}: {problem.msg} (line {problem.lineno})"
    return f"{type(problem).__name__}: {problem}"[:1500] + where


def _send(channel: socket.socket, message: dict[str, object]) -> None:
    channel.send(json.dumps(message).encode())
