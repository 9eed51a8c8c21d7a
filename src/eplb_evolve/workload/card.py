"""What a workload's card says: frozen dataclasses that refuse a wrong value when they are made.

Ranges are inclusive on both ends, `(first, last)`. A window is one rebalance interval: window i holds the
steps `interval_steps * i` to `interval_steps * (i + 1) - 1`; a shorter rest at the end of a trace belongs to
no window.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from eplb_evolve.checked import LARGEST, shown, whole_number
from eplb_evolve.errors import UsageError, suggestion
from eplb_evolve.placement import Topology

Range = tuple[int, int]
SPLITS = ("search", "holdout")


@dataclass(frozen=True)
class Source:
    """Where the recording was published."""

    repo: str
    path: str
    commit: str


@dataclass(frozen=True)
class Licence:
    """Terms of the data: SPDX identifier, the licence's text and our notice (files beside the card)."""

    spdx: str
    text: str
    notice: str


@dataclass(frozen=True)
class Recording:
    """How the data came about, in words: what was recorded, replayed, composed, and what it lacks."""

    recorded: str
    replayed: str
    composed: str
    lacks: str


@dataclass(frozen=True)
class Task:
    """A stretch of steps in which most of the active sequences belong to one recorded task."""

    name: str
    steps: Range


@dataclass(frozen=True)
class Composition:
    """The rule of a composite (see composition.py), and the recorded workload it is made from."""

    source: str
    seed: int
    side_by_side: int
    groups: int
    noise_sd: float

    def __post_init__(self) -> None:
        whole_number(self.side_by_side, "composition: side_by_side")
        whole_number(self.groups, "composition: groups")
        whole_number(self.seed, "composition: seed", least=0, most=2**63 - 1)
        if not 0 <= self.noise_sd < math.inf:
            raise UsageError(f"composition: noise_sd must be 0 or more and finite, it is {self.noise_sd}")


@dataclass(frozen=True)
class Split:
    """The windows of each split as inclusive ranges in trace order, with a gap between search and holdout.

    Both splits have at least one pair (two windows in a row), and no window of one touches a window of the
    other.
    """

    search: tuple[Range, ...]
    holdout: tuple[Range, ...]

    def __post_init__(self) -> None:
        for name in SPLITS:
            for bound in (bound for block in self.ranges(name) for bound in block):
                whole_number(bound, f"split.{name}: a window", least=-LARGEST)
        blocks = sorted((block, name) for name in SPLITS for block in self.ranges(name))
        for (first, last), name in blocks:
            if not 0 <= first < last:
                raise UsageError(
                    f"split.{name}: range [{first}, {last}] holds no pair of windows; "
                    "write [first, last] with last at least first + 1"
                )
        for ((_, last), name), ((first, end), other) in pairwise(blocks):
            here = f"split.{other}: range [{first}, {end}]"
            if first <= last:
                raise UsageError(f"{here} overlaps the {name} range that ends at {last}; let it begin later")
            if first == last + 1 and name != other:
                raise UsageError(f"{here} follows the {name} window {last} without a gap; begin at {first + 1}")
            if first == last + 1:
                raise UsageError(f"{here} continues the range that ends at {last}; write the two as one range")
        for name in SPLITS:
            if not self.ranges(name):
                raise UsageError(f"split.{name}: no windows; give at least one range [first, last]")

    def ranges(self, name: str) -> tuple[Range, ...]:
        """The ranges of windows of the split `name`; UsageError for an unknown split."""
        if name not in SPLITS:
            raise UsageError(f"unknown split '{name}'{suggestion(name, SPLITS)}; there are {' and '.join(SPLITS)}")
        return self.search if name == "search" else self.holdout

    def windows(self, name: str) -> tuple[int, ...]:
        """The windows of one split in trace order."""
        return tuple(window for first, last in self.ranges(name) for window in range(first, last + 1))

    def pairs(self, name: str) -> tuple[tuple[int, int], ...]:
        """The pairs (i, i + 1) whose windows are both in one range, in trace order."""
        return tuple((i, i + 1) for first, last in self.ranges(name) for i in range(first, last))


@dataclass(frozen=True)
class Card:
    """Everything that is known about one workload.

    shape is [steps, layers, logical experts]. sha256 is that of NAME.npz where the workload is recorded, and
    that of the built windows (composition.digest) where it is composed.
    """

    name: str
    title: str
    model: str
    top_k: int
    interval_steps: int
    shape: tuple[int, int, int]
    sha256: str
    source: Source
    licence: Licence
    recording: Recording
    topology: Topology
    split: Split
    tasks: tuple[Task, ...]
    composition: Composition | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,99}", self.name):
            raise UsageError(
                f"name: {shown(self.name)} may hold only lower-case letters, digits and hyphens, 100 at most"
            )
        if not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            raise UsageError(f"sha256: '{self.sha256}' is not 64 lower-case hexadecimal digits")
        steps, _, experts = (whole_number(size, f"shape: {axis}") for axis, size in self._named_shape())
        whole_number(self.interval_steps, "interval_steps:")
        whole_number(self.top_k, "top_k:", most=experts)
        self.topology.check_experts(experts)
        self._check_split()
        check_tasks(self.tasks, steps)

    @property
    def kind(self) -> str:
        """ "recorded" or "composed"."""
        return "recorded" if self.composition is None else "composed"

    @property
    def window_count(self) -> int:
        """Whole windows in the trace."""
        return self.shape[0] // self.interval_steps

    def _named_shape(self) -> list[tuple[str, int]]:
        return list(zip(("steps:", "layers:", "experts:"), self.shape, strict=True))

    def _check_split(self) -> None:
        for name in SPLITS:
            last = max(last for _, last in self.split.ranges(name))
            if last >= self.window_count:
                held = f"windows 0 to {self.window_count - 1}" if self.window_count else "no window"
                raise UsageError(
                    f"split.{name}: window {last} does not exist; {self.shape[0]} steps hold {held} "
                    f"of {self.interval_steps} steps"
                )


def check_tasks(tasks: Sequence[Task], steps: int) -> None:
    """Raise UsageError unless the tasks cover the steps 0 to `steps` - 1 one after another."""
    expected = 0
    for task in tasks:
        first, last = (whole_number(step, f"tasks: a step of '{task.name}'", least=-LARGEST) for step in task.steps)
        if first != expected or last < first:
            raise UsageError(
                f"tasks: '{task.name}' has steps [{first}, {last}]; it must begin at step "
                f"{expected}, after the task before it, and not end before it begins"
            )
        expected = last + 1
    if expected != steps:
        raise UsageError(f"tasks: they cover {expected} steps, the trace has {steps}; mend the last range")
