"""The plan in force: a server goes on with its last result while the next one is made, so it must stay as it was."""

import ctypes
import hashlib
import math
import mmap
from collections.abc import Sequence

from eplb_evolve.errors import CandidateFailure
from eplb_evolve.sandbox import kernel

Claim = tuple[str, int, list[int]]
"""(name, address, shape) of an int64 array in the worker's memory."""


class InForce:
    """What the call before returned: where it lies, and its digest then."""

    def __init__(self) -> None:
        self._claims: list[Claim] = []
        self._digest = b""

    def check_and_replace(self, worker: int, claims: Sequence[Claim], outputs: mmap.mmap) -> None:
        """Raise CandidateFailure unless the last result is unchanged in the frozen worker; the new one takes its place.

        outputs: where the new arrays were copied to, end to end.
        """
        if self._claims and self._read(worker) != self._digest:
            raise CandidateFailure(
                "call: changed the result of the call before, which is in force while the next plan is made"
            )
        self._claims = list(claims)
        size = sum(math.prod(shape) * 8 for _, _, shape in claims)
        self._digest = hashlib.blake2b(memoryview(outputs)[:size]).digest()

    def _read(self, worker: int) -> bytes:
        found = hashlib.blake2b()
        for _, address, shape in self._claims:
            size = math.prod(shape) * 8
            if not size:
                continue
            copy = ctypes.create_string_buffer(size)
            try:
                kernel.read_memory(worker, address, ctypes.addressof(copy), size)
            except OSError:
                return b""
            found.update(copy)
        return found.digest()
