"""Where a candidate's tensors live, as the worker sees it: the host, or a CUDA device."""

from typing import Any, Protocol

FLUSH_BYTES = 256 << 20
"""Written before each call on a GPU, outside the clock: several times the L2 cache of any GPU so far."""


class Device(Protocol):
    """What a worker does around a call."""

    def flush(self) -> None:
        """Outside the clock, before the input is there: empty the device's caches."""

    def put(self, tensor: Any) -> Any:
        """Inside the clock: a host tensor on the device."""

    def get(self, tensor: Any) -> Any:
        """Inside the clock: a device tensor on the host, contiguous."""

    def synchronize(self) -> None:
        """Inside the clock: wait for every stream."""


class Host:
    """Tensors in the worker's own memory."""

    names = ("cpu",)

    def flush(self) -> None:
        """Nothing to do: a frozen worker's caches go cold by themselves."""

    def put(self, tensor: Any) -> Any:
        """The tensor itself."""
        return tensor

    def get(self, tensor: Any) -> Any:
        """The tensor, contiguous."""
        return tensor.resolve_neg().contiguous()  # a view with its negative bit set holds other values in memory

    def synchronize(self) -> None:
        """Nothing runs elsewhere."""


class Cuda:
    """One GPU. Outputs may be on it or on the host; a server needs them on the host."""

    names = ("cpu", "cuda")

    def __init__(self, torch: Any) -> None:
        self._torch = torch
        self._scratch = torch.empty(FLUSH_BYTES, dtype=torch.uint8, device="cuda")

    def flush(self) -> None:
        """Overwrite a buffer larger than the L2 cache."""
        self._scratch.zero_()
        self.synchronize()

    def put(self, tensor: Any) -> Any:
        """A copy on the GPU."""
        return tensor.to("cuda")

    def get(self, tensor: Any) -> Any:
        """A copy on the host."""
        return tensor.resolve_neg().to("cpu").contiguous()

    def synchronize(self) -> None:
        """Wait for all streams of the device."""
        self._torch.cuda.synchronize()


def open_device(name: str) -> Device:
    """The device called `cpu` or `cuda`. CUDA starts here, in the worker: a zygote that had started it cannot fork."""
    if name == "cpu":
        return Host()
    import torch

    return Cuda(torch)
