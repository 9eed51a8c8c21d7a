"""Where a candidate's tensors live, as the worker sees it: the host, or a CUDA device."""

from typing import Any, Protocol

from eplb_evolve.errors import EnvironmentProblem

FLUSH_BYTES = 256 << 20
"""Written before each call on a GPU, outside the clock: several times the L2 cache of any GPU so far."""


class Device(Protocol):
    """What a worker does around a call.

    Attributes:
        names: kinds of torch device that outputs may be on
    """

    names: tuple[str, ...]

    def flush(self) -> None:
        """Outside the clock, before the input is there: empty the device's caches."""

    def put(self, tensor: Any) -> Any:
        """Inside the clock: a host tensor on the device."""

    def get(self, tensor: Any) -> Any:
        """Inside the clock: a tensor on the host, contiguous, in memory that another process can read."""

    def synchronize(self) -> None:
        """Inside the clock: wait for every stream."""


class Host:
    """Tensors in the worker's own memory."""

    names: tuple[str, ...] = ("cpu",)

    def flush(self) -> None:
        """Nothing to do: a frozen worker's caches go cold by themselves."""

    def put(self, tensor: Any) -> Any:
        """The tensor itself."""
        return tensor

    def get(self, tensor: Any) -> Any:
        """The tensor, contiguous."""
        if tensor.is_contiguous() and not tensor.is_neg():
            return tensor
        return tensor.resolve_neg().contiguous()  # a view with its negative bit set holds other values in memory

    def synchronize(self) -> None:
        """Nothing runs elsewhere."""


class Cuda:
    """One GPU. Outputs may be on it or on the host; a server needs them on the host.

    memory_mb bounds what torch's allocator takes of the GPU's memory, so that other workers find some.
    """

    names: tuple[str, ...] = ("cpu", "cuda")

    def __init__(self, torch: Any, memory_mb: int) -> None:
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(min(1.0, ((memory_mb << 20) + FLUSH_BYTES) / total))
        scratch = torch.empty(FLUSH_BYTES, dtype=torch.uint8, device="cuda")
        # Bound here, before the candidate is imported: what it puts in their place is never called.
        self._overwrite, self._wait = scratch.zero_, torch._C._cuda_synchronize

    def flush(self) -> None:
        """Overwrite a buffer larger than the L2 cache."""
        self._overwrite()
        self._wait()

    def put(self, tensor: Any) -> Any:
        """A copy on the GPU."""
        return tensor.to("cuda")

    def get(self, tensor: Any) -> Any:
        """A copy on the host. Pinned memory is copied too: depending on the driver, no other process can read it."""
        host = tensor.resolve_neg().to("cpu").contiguous()
        return host.clone() if host.is_pinned() else host

    def synchronize(self) -> None:
        """Wait for all streams of the device."""
        self._wait()


def open_device(name: str, memory_mb: int) -> Device:
    """The device called `cpu` or `cuda`, for a worker that may use so much memory, MiB.

    CUDA starts here, in the confined worker: a zygote that had started it could not fork, and threads that the driver
    starts before the confinement would stay outside of it.
    """
    if name == "cpu":
        return Host()
    import torch

    try:
        return Cuda(torch, memory_mb)
    except (RuntimeError, AssertionError) as problem:  # no GPU, no memory left, torch built for CPUs
        reason = str(problem).partition("\n")[0]
        raise EnvironmentProblem(
            f"CUDA does not start in the sandbox: {reason} (torch {torch.__version__}; is its build one for CUDA, is "
            "/dev/nvidia-uvm there and open to every user, and is the GPU's memory free?)"
        ) from problem
