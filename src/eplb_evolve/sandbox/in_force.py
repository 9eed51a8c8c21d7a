"""The plan in force: a server goes on with its last results while the next one is made, so they must stay as they were.

The worker keeps the results of the last two calls, and views of some older ones. After each call the timekeeper reads
again, in the frozen worker, what was in force for two calls, and one of the older ones.
"""

import ctypes
import math
import mmap
import secrets
from collections.abc import Sequence
from typing import NamedTuple

from eplb_evolve.errors import CandidateFailure
from eplb_evolve.sandbox import kernel
from eplb_evolve.sandbox.answers import Claim
from eplb_evolve.sandbox.worker import HELD, IN_FORCE

HOLD_ONE_IN = 8
"""One result in so many, drawn at random, is held for longer than the others."""


class _Result(NamedTuple):
    claims: Sequence[Claim]
    contents: bytes


class InForce:
    """What earlier calls returned: where it lies in the worker, and what it held."""

    def __init__(self) -> None:
        self._last: list[_Result] = []
        self._held: list[_Result] = []
        self._scratch = bytearray()

    def hold_next(self) -> bool:
        """Whether the worker shall hold views of the next result."""
        return not secrets.randbelow(HOLD_ONE_IN)

    def check(self, worker: int) -> None:
        """Raise CandidateFailure if the frozen worker of that process id changed what a server still uses."""
        looked_at = self._last[:1] if len(self._last) == IN_FORCE else []
        if self._held:
            looked_at = [*looked_at, secrets.choice(self._held)]
        for result in looked_at:
            if not self._unchanged(worker, result):
                raise CandidateFailure(
                    "call: changed the result of an earlier call, which a server still uses; give new tensors each "
                    "time, or reuse only what nobody holds any more"
                )

    def add(self, claims: Sequence[Claim], outputs: mmap.mmap, hold: bool) -> None:
        """The new result, whose arrays `outputs` has end to end; hold: whether the worker holds views of it."""
        result = _Result(claims, outputs[: sum(math.prod(shape) for _, _, shape in claims) * 8])
        self._last = [*self._last, result][-IN_FORCE:]
        if hold:
            self._held = [*self._held, result][-HELD:]

    def _unchanged(self, worker: int, result: _Result) -> bool:
        size = len(result.contents)
        if len(self._scratch) < size:
            self._scratch = bytearray(size)
        scratch, offset = ctypes.addressof(ctypes.c_char.from_buffer(self._scratch)) if size else 0, 0
        for _, address, shape in result.claims:
            part = math.prod(shape) * 8
            if part:
                try:
                    kernel.read_memory(worker, address, scratch + offset, part)
                except OSError:
                    return False
            offset += part
        return kernel.same_bytes(scratch, result.contents)
