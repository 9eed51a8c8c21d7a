"""The rule that divides a trace's windows into search and holdout, by block within the recorded tasks.

1. A window belongs to the task that has most of its steps.
2. Tasks with fewer than MIN_WINDOWS windows are merged with the tasks that follow (at the end: that precede)
   them.
3. Each segment is cut into a search block, a gap of one window that belongs to neither, and a holdout block.
   The orientation alternates from segment to segment, so that blocks of neighbouring segments join and both
   splits hold real shifts between tasks.
4. The two blocks are of equal length. An odd window goes to search; in the last segment to the block at the
   end, which has no neighbour to join.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import groupby

from eplb_evolve.errors import UsageError
from eplb_evolve.workload.card import Range, Split, Task

MIN_WINDOWS = 4


def split_windows(tasks: Sequence[Task], interval_steps: int) -> Split:
    """The split of a trace whose steps `tasks` covers; UsageError if it is too short for two splits."""
    segments = _merge(_lengths(tasks, interval_steps))
    steps = tasks[-1].steps[1] + 1
    if segments == [] or (len(segments) == 1 and segments[0] <= MIN_WINDOWS):
        raise UsageError(
            f"{steps} steps are too few to split: "
            f"at least {MIN_WINDOWS + 1} windows of {interval_steps} steps are needed"
        )
    blocks: dict[bool, list[Range]] = {True: [], False: []}
    begin = 0
    for index, windows in enumerate(segments):
        searched_first = index % 2 == 0
        odd_first = searched_first and index < len(segments) - 1
        first = (windows - 1 + odd_first) // 2
        blocks[searched_first].append((begin, begin + first - 1))
        blocks[not searched_first].append((begin + first + 1, begin + windows - 1))
        begin += windows
    return Split(search=_join(blocks[True]), holdout=_join(blocks[False]))


def task_of_windows(tasks: Sequence[Task], interval_steps: int) -> tuple[int, ...]:
    """For each whole window the index of the task with most of its steps (the earlier one if equal)."""
    owner = [index for index, task in enumerate(tasks) for _ in range(task.steps[0], task.steps[1] + 1)]
    whole = len(owner) // interval_steps * interval_steps
    return tuple(
        Counter(owner[start : start + interval_steps]).most_common(1)[0][0] for start in range(0, whole, interval_steps)
    )


def _lengths(tasks: Sequence[Task], interval_steps: int) -> list[int]:
    return [len(list(run)) for _, run in groupby(task_of_windows(tasks, interval_steps))]


def _merge(lengths: list[int]) -> list[int]:
    segments: list[int] = []
    pending = 0
    for length in lengths:
        pending += length
        if pending >= MIN_WINDOWS:
            segments.append(pending)
            pending = 0
    if segments:
        segments[-1] += pending
    return segments


def _join(blocks: list[Range]) -> tuple[Range, ...]:
    joined: list[Range] = []
    for first, last in blocks:
        if joined and joined[-1][1] + 1 == first:
            joined[-1] = (joined[-1][0], last)
        else:
            joined.append((first, last))
    return tuple(joined)
