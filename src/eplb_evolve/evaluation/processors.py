"""Which processors a timed call may use: the quietest ones, looked at again every so often."""

import os
import time
from pathlib import Path

import numpy as np

LOOK_EVERY_S = 0.1


class Processors:
    """Chooses processors for timed calls, so that a busy neighbor is avoided where there is room."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._allowed = sorted(os.sched_getaffinity(0))
        self._idle = _idle_ticks()
        self._looked = 0.0
        self._chosen: list[int] = []

    def choose(self, count: int) -> list[int]:
        """The `count` processors that were idle most since the last look; at random among equals."""
        now = time.monotonic()
        if now - self._looked >= LOOK_EVERY_S or len(self._chosen) != min(count, len(self._allowed)):
            before, self._idle, self._looked = self._idle, _idle_ticks(), now
            since = {cpu: self._idle.get(cpu, 0) - before.get(cpu, 0) for cpu in self._allowed}
            shuffled = [self._allowed[i] for i in self._rng.permutation(len(self._allowed))]
            self._chosen = sorted(shuffled, key=lambda cpu: -since[cpu])[:count]
        return self._chosen


def _idle_ticks() -> dict[int, int]:
    """Clock ticks that each processor has been idle since the machine started; empty where /proc/stat is closed."""
    try:
        lines = Path("/proc/stat").read_text().splitlines()
    except OSError:
        return {}
    rows = [line.split() for line in lines if line.startswith("cpu") and line[3].isdigit()]
    return {int(name[3:]): int(idle) for name, _, _, _, idle, *_ in rows}
