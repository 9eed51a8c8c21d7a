"""A small recorded workload and a composite of it, written under tmp_path, and the shipped folder."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from eplb_evolve.placement import Topology
from eplb_evolve.workload import cardfile, composition
from eplb_evolve.workload.card import Card, Composition, Licence, Recording, Source, Task
from eplb_evolve.workload.counts import Counts, sum_windows, write_counts
from eplb_evolve.workload.split import split_windows

SHIPPED = Path(__file__).parents[2] / "workloads"
INTERVAL = 5


@pytest.fixture
def counts() -> Counts:
    """[steps, layers, experts]: 11 windows of 5 steps and 3 steps that belong to none."""
    return np.random.default_rng(5).poisson(4.0, size=(58, 6, 8)).astype(np.uint32)


@pytest.fixture
def folder(tmp_path: Path, counts: Counts) -> Path:
    """A folder with `small` (recorded) and `wide` (composed of it: 4 layers of 16 experts in 4 groups)."""
    place = tmp_path / "workloads"
    place.mkdir()
    tasks = (Task("first", (0, 26)), Task("second", (27, 57)))
    small = Card(
        name="small",
        title="A small workload",
        model="none",
        top_k=2,
        interval_steps=INTERVAL,
        shape=(58, 6, 8),
        sha256=write_counts(place / "small.npz", counts),
        source=Source("nobody/nothing", "nowhere", "0" * 40),
        licence=Licence("MIT", "licence.txt", "NOTICE.md"),
        recording=Recording("nothing", "nothing", "nothing", "everything"),
        topology=Topology(12, 1, 1, 4),
        split=split_windows(tasks, INTERVAL),
        tasks=tasks,
    )
    rule = Composition("small", seed=3, side_by_side=2, groups=4, noise_sd=0.3)
    recorded = sum_windows(counts, INTERVAL)
    search_load = recorded[list(small.split.windows("search"))].sum(axis=0, dtype=np.float64)
    windows = composition.compose(recorded, composition.layout(search_load, 4, rule))
    wide = replace(
        small,
        name="wide",
        shape=(58, 4, 16),
        sha256=composition.digest(windows),
        topology=Topology(24, 4, 2, 4),
        composition=rule,
    )
    for card in (small, wide):
        (place / f"{card.name}.toml").write_text(cardfile.render(card), encoding="utf-8")
    return place
