"""A trace of one's own: from counts to a workload, all of it or nothing."""

import dataclasses
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eplb_evolve.checked import whole_number
from eplb_evolve.errors import EnvironmentProblem, UsageError
from eplb_evolve.placement import Topology
from eplb_evolve.workload import cardfile, catalog
from eplb_evolve.workload.card import Card, Licence, Recording, Source, Task, check_tasks
from eplb_evolve.workload.counts import accept, write_counts
from eplb_evolve.workload.split import split_windows

UNSAID = "not said yet"
"""Stands in a new card for what only its author knows."""


def add_trace(
    folder: Path,
    name: str,
    counts: Any,
    topology: Topology,
    top_k: int,
    interval_steps: int = 100,
    tasks: Sequence[Task] | None = None,
) -> Card:
    """Write folder/NAME.npz and folder/NAME.toml, a card whose words are still to be written; the card.

    counts: [steps, layers, logical experts], token-expert assignments, whole numbers 0 to 2^32 - 1 of any dtype.
    interval_steps: steps that one window sums. tasks: what was recorded in which steps; all one task by default.
    Both files appear when everything was accepted, or neither. UsageError for what is wrong, or if one exists already.
    """
    shape = accept(counts, f"{name}.npz").shape
    interval_steps = whole_number(interval_steps, "interval_steps:")
    tasks = tuple(tasks or [Task("all", (0, shape[0] - 1))])
    check_tasks(tasks, shape[0])
    card = Card(
        name=name,
        title=UNSAID,
        model=UNSAID,
        top_k=whole_number(top_k, "top_k:"),
        interval_steps=interval_steps,
        shape=shape,
        sha256="0" * 64,
        source=Source(UNSAID, UNSAID, UNSAID),
        licence=Licence(UNSAID, UNSAID, UNSAID),
        recording=Recording(UNSAID, UNSAID, UNSAID, UNSAID),
        topology=topology,
        split=split_windows(tasks, interval_steps),
        tasks=tasks,
    )
    try:
        return _write(Path(folder), card, counts)
    except OSError as problem:
        raise EnvironmentProblem(
            f"cannot write {name} into {folder}: {problem.strerror}; nothing was kept"
        ) from problem


def _write(folder: Path, card: Card, counts: Any) -> Card:
    """Into a folder beside first: only what reads back is moved to its place, the card last."""
    final = [folder / f"{card.name}.npz", folder / f"{card.name}.toml"]
    for file in final:
        if file.exists():
            raise UsageError(f"{file} exists; choose another name, or remove it first")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".adding-", dir=folder) as place:
        data, text = (Path(place) / file.name for file in final)
        card = dataclasses.replace(card, sha256=write_counts(data, counts))
        text.write_text(cardfile.render(card), encoding="utf-8")
        catalog.load(card.name, Path(place))
        data.replace(final[0])
        try:
            text.replace(final[1])
        except OSError:
            final[0].unlink()
            raise
    return card
