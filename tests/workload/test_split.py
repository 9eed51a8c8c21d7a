"""The split rule on tasks of any length."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eplb_evolve.errors import UsageError
from eplb_evolve.workload import cardfile
from eplb_evolve.workload.card import SPLITS, Split, Task
from eplb_evolve.workload.split import split_windows, task_of_windows

SHIPPED = Path(__file__).parents[2] / "workloads"


def tasks_of(lengths: list[int]) -> tuple[Task, ...]:
    """Consecutive tasks of the given numbers of steps."""
    ends = [sum(lengths[: i + 1]) for i in range(len(lengths))]
    return tuple(Task(f"task {i}", (e - n, e - 1)) for i, (n, e) in enumerate(zip(lengths, ends, strict=True)))


@given(lengths=st.lists(st.integers(1, 120), min_size=1, max_size=12), interval=st.integers(1, 10))
def test_every_split_is_clean(lengths: list[int], interval: int) -> None:
    """No window in both splits, a gap of one between them, nothing else left out, pairs contiguous."""
    tasks = tasks_of(lengths)
    windows = sum(lengths) // interval
    try:
        split = split_windows(tasks, interval)
    except UsageError:
        assert windows <= 4
        return
    of = {window: name for name in SPLITS for window in split.windows(name)}
    assert len(of) == sum(len(split.windows(name)) for name in SPLITS)
    unused = sorted(set(range(windows)) - set(of))
    assert all(of[gap - 1] != of[gap + 1] for gap in unused)
    assert all(of[a] == of[b] for a, b in pairwise(sorted(of)) if b == a + 1)
    for name in SPLITS:
        assert all(j == i + 1 and of[i] == of[j] == name for i, j in split.pairs(name))


@given(lengths=st.lists(st.integers(40, 200), min_size=1, max_size=8))
def test_long_tasks_are_in_both_splits(lengths: list[int]) -> None:
    """Each task of four windows or more gives windows to search and to holdout."""
    tasks = tasks_of([length // 10 * 10 for length in lengths])
    if len(tasks) == 1 and tasks[0].steps[1] < 49:
        return
    split, task_of = split_windows(tasks, 10), task_of_windows(tasks, 10)
    for name in SPLITS:
        assert {task_of[window] for window in split.windows(name)} == set(range(len(tasks)))


@pytest.mark.parametrize(
    ("lengths", "search", "holdout"),
    [
        ([50], ((0, 1),), ((3, 4),)),
        ([60], ((0, 1),), ((3, 5),)),
        ([50, 50], ((0, 1), (8, 9)), ((3, 6),)),
        ([40, 40], ((0, 1), (6, 7)), ((3, 4),)),
        ([20, 30, 100], ((0, 1), (10, 14)), ((3, 8),)),
        ([50, 50, 20], ((0, 1), (9, 11)), ((3, 7),)),
    ],
)
def test_blocks_alternate_and_join(lengths: list[int], search: object, holdout: object) -> None:
    """search | gap | holdout, then holdout | gap | search; short tasks merge; the odd window has its place."""
    assert split_windows(tasks_of(lengths), 10) == Split(search, holdout)  # type: ignore[arg-type]


def test_a_window_belongs_to_the_task_with_most_of_its_steps() -> None:
    """Of equal shares the earlier task has it; a rest that fills no window has no task."""
    assert task_of_windows(tasks_of([14, 10, 9]), 10) == (0, 1, 2)
    assert task_of_windows(tasks_of([15, 8]), 10) == (0, 0)  # steps 20 to 22 fill no window


def test_a_trace_that_is_too_short_is_refused() -> None:
    """The message says how many windows are needed."""
    with pytest.raises(UsageError, match="49 steps are too few to split: at least 5 windows of 10 steps"):
        split_windows(tasks_of([49]), 10)


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.toml")), ids=lambda path: path.stem)
def test_shipped_splits_follow_the_rule(path: Path) -> None:
    """The ranges in the cards are those of the rule."""
    card = cardfile.read(path)
    assert card.split == split_windows(card.tasks, card.interval_steps)
