"""The worker: a forked process that imports one candidate and answers calls. Untrusted from that import on.

It answers with the addresses of the result's three tensors; the timekeeper freezes it and reads them from outside.
What it checks here (plain int64 tensors) is for clear messages; whatever a candidate makes of these checks, its
memory must hold a valid placement at the moment it is frozen, and for as long as a server would hold it.
"""

import contextlib
import importlib.util
import inspect
import json
import mmap
import os
import random
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from eplb_evolve.errors import EnvironmentProblem, in_words
from eplb_evolve.sandbox import devices, protocol
from eplb_evolve.sandbox.confinement import Confinement
from eplb_evolve.sandbox.limits import Limits

INT64 = protocol.DTYPES.index("int64")
OUTPUT_NAMES = ("phy2log", "log2phy", "logcnt")
IN_FORCE = 2
"""Last results that a server may still be using, whatever becomes of older ones."""

HELD = 2
"""Results that are held for longer than two calls."""
CACHES = (
    "HOME",
    "TMPDIR",
    "XDG_CACHE_HOME",
    "NUMBA_CACHE_DIR",
    "TORCHINDUCTOR_CACHE_DIR",
    "TORCH_EXTENSIONS_DIR",
    "TRITON_CACHE_DIR",
    "CUDA_CACHE_PATH",
)


def run(
    channel: socket.socket, inputs_fd: int, log: int, program: str, confinement: Confinement, limits: Limits
) -> None:
    """Confine this process, load the candidate, then answer calls until the timekeeper closes the channel."""
    try:
        inputs, device = _prepare(channel, inputs_fd, log, confinement, limits)
    except EnvironmentProblem as problem:
        protocol.send(channel, {"unavailable": str(problem)})
        os._exit(1)
    except OSError as problem:
        protocol.send(channel, {"unavailable": f"the sandbox cannot confine a program: {in_words(problem)}"})
        os._exit(1)
    except Exception:  # the process boundary; nothing untrusted has run yet
        protocol.send(channel, {"confined": traceback.format_exc(limit=-3)})
        os._exit(1)
    protocol.send(channel, {"confined": ""})
    arguments, results = Arguments(inputs, device), Results()
    rebalance: Callable[..., object] = print  # until the import
    stage = "import"
    try:
        while packet := channel.recv(protocol.MESSAGE_BYTES):
            if (call := protocol.unpack_call(packet)) is not None:
                result = rebalance(*arguments.of(call))
                device.synchronize()
                returned = _checked(result, limits.output_mb << 20, device)
                outputs = [device.get(tensor) for tensor in returned]
                results.keep(returned, outputs, call.hold)
                protocol.send_result(channel, call.nonce, outputs)
                continue
            message = json.loads(packet)
            answer: dict[str, Any] = {"nonce": message["nonce"]}
            if stage == "import":
                rebalance = _load(Path(program))
                answer["parameters"] = _count_parameters(rebalance)
                stage = "call"
            elif "write_out" in message:
                with contextlib.suppress(BaseException):  # the candidate's own object
                    sys.stdout.flush()
            else:
                device.flush()
            protocol.send(channel, answer)
    except BaseException as problem:  # the process boundary: whatever a candidate raises, sys.exit included
        with contextlib.suppress(BaseException):
            sys.stdout.flush()
        with contextlib.suppress(BaseException):
            protocol.send(channel, {"error": {"stage": stage, "text": _describe(problem, program)}})
            protocol.receive(channel)  # the timekeeper, which freezes us first, ends us
        os._exit(1)


class Results:
    """What a server would still hold: the last two results, in force one after the other, and views of older ones."""

    def __init__(self) -> None:
        self._last: list[tuple[list[Any], list[Any]]] = []
        self._held: list[list[Any]] = []

    def keep(self, returned: list[Any], outputs: list[Any], hold: bool) -> None:
        """Keep this result and those of the last two calls, and views of `HELD` others for which `hold` was asked.

        One more is kept of each than the next call may not change: the timekeeper reads them after that call.
        """
        if hold:
            self._held = [*self._held[-HELD:], [tensor.view(tensor.shape) for tensor in outputs]]
        self._last = [*self._last[-IN_FORCE:], (returned, outputs)]


def _prepare(
    channel: socket.socket, inputs_fd: int, log: int, confinement: Confinement, limits: Limits
) -> tuple[mmap.mmap, devices.Device]:
    """Confine this process; the mapping of its inputs, and its device."""
    _detach(log, confinement.workdir, keep={channel.fileno(), inputs_fd})
    _set_environment(confinement.workdir, limits.threads)
    inputs = mmap.mmap(inputs_fd, protocol.INPUT_BYTES, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
    os.close(inputs_fd)
    confinement.enter_worker(limits)
    device = devices.open_device(confinement.device, limits.memory_mb)
    _forget_the_harness()
    return inputs, device


def _detach(log: int, workdir: str, keep: set[int]) -> None:
    """Own session, own stdio, no inherited descriptor."""
    os.setsid()
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # the timekeeper's
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) not in keep:
            with contextlib.suppress(OSError):
                os.close(int(name))
    os.chdir(workdir)


def _set_environment(workdir: str, threads: int) -> None:
    """Caches and temporary files go to the work directory; the zygote's environment is already clean."""
    import numpy as np
    import torch

    for name in CACHES:
        os.environ[name] = workdir
    for name in ("USER", "LOGNAME"):  # getpass.getuser, which torch asks, fails for a user id without a name
        os.environ[name] = "candidate"
    for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "TORCHINDUCTOR_COMPILE_THREADS"):
        os.environ[name] = str(threads)
    with contextlib.suppress(ImportError):
        importlib.import_module("numba").config.reload_config()  # imported in the zygote, with the zygote's settings
    torch.set_num_threads(threads)
    # What was seeded in the zygote would be equal in every worker: an unseeded program must not look repeatable.
    torch.seed()
    np.random.seed(int.from_bytes(os.urandom(4)))
    random.seed()


def _forget_the_harness() -> None:
    """A candidate cannot import our package: neither the reference nor anything else in it is for it."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "eplb_evolve"]:
        del sys.modules[name]
    sys.modules["eplb_evolve"] = None  # type: ignore[assignment]


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


class Arguments:
    """A candidate's arguments, from the mapping of the inputs. A view of it is made once for each shape.

    What is done here is timed with the call, with the caches as a woken process finds them: the less, the better.
    """

    def __init__(self, inputs: mmap.mmap, device: devices.Device) -> None:
        import torch

        self._torch, self._inputs, self._device = torch, inputs, device
        self._views: dict[tuple[int, ...], Any] = {}

    def of(self, call: protocol.Call) -> list[object]:
        """Fresh tensors, which the candidate may change, and the topology."""
        weight = self._copy(call.dtype, call.layers, call.experts, 0)
        arguments: list[object] = [weight, call.replicas, call.groups, call.nodes, call.gpus]
        if call.old_offset >= 0:
            arguments.append(self._copy(INT64, call.layers, call.replicas, call.old_offset))
        return arguments

    def _copy(self, dtype: int, rows: int, columns: int, offset: int) -> object:
        view = self._views.get((dtype, rows, columns, offset))
        if view is None:
            kind = getattr(self._torch, protocol.DTYPES[dtype])
            flat = self._torch.frombuffer(self._inputs, dtype=kind, count=rows * columns, offset=offset)
            view = self._views[dtype, rows, columns, offset] = flat.view(rows, columns)
        return self._device.put(view.clone())


def _checked(result: object, most_bytes: int, device: devices.Device) -> list[Any]:
    """The result's three plain int64 tensors, or an exception that says what they are instead."""
    torch = sys.modules["torch"]
    if not isinstance(result, (tuple, list)) or len(result) != len(OUTPUT_NAMES):
        raise TypeError(f"rebalance_experts must return (phy2log, log2phy, logcnt), not {_kind(result)}")
    for name, tensor in zip(OUTPUT_NAMES, result, strict=True):
        if type(tensor) is not torch.Tensor:
            raise TypeError(f"{name} must be a plain torch.Tensor, not {_kind(tensor)}")
        known = tensor.device.type in device.names
        if tensor.dtype != torch.int64 or tensor.layout != torch.strided or not known:
            places = " or ".join({"cpu": "the CPU", "cuda": "the GPU"}[place] for place in device.names)
            raise TypeError(f"{name} must be a dense int64 tensor on {places}, not {tensor.dtype} on {tensor.device}")
        if tensor.dim() > protocol.MOST_DIMENSIONS:
            raise ValueError(f"{name} has {tensor.dim()} dimensions; phy2log [L, R], log2phy [L, E, X], logcnt [L, E]")
        if tensor.numel() * 8 > most_bytes:
            raise ValueError(f"{name} of shape {list(tensor.shape)} is larger than the {most_bytes >> 20} MiB allowed")
    return list(result)


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
    try:
        text = str(problem)
    except BaseException:  # the candidate's own class
        text = "(its text cannot be read)"
    return f"{type(problem).__name__}: {text}"[:1500] + where
