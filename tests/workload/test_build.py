"""The script that replays token traces into workloads, on traces small enough to do by hand."""

import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from eplb_evolve.workload import cardfile, catalog
from eplb_evolve.workload.card import Task

SHIPPED = Path(__file__).parents[2] / "workloads"


@pytest.fixture
def build(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    specification = importlib.util.spec_from_file_location("workloads_build", SHIPPED / "build.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    monkeypatch.setitem(sys.modules, "workloads_build", module)
    specification.loader.exec_module(module)
    return module


def test_the_next_sequence_enters_the_slot_that_is_free_first(build: ModuleType) -> None:
    """Two slots, lengths 3, 1, 4, 2: the third starts at step 1, the fourth at 3; busy until 5."""
    starts, steps = build.start_steps(np.arange(4), np.array([3, 1, 4, 2]), slots=2)
    assert starts.tolist() == [0, 0, 1, 3]
    assert steps == 5


def test_the_order_decides_who_enters(build: ModuleType) -> None:
    """Starts are given by sequence, whatever the order of entry."""
    starts, steps = build.start_steps(np.array([2, 0, 1]), np.array([1, 5, 3]), slots=1)
    assert starts.tolist() == [3, 4, 0]
    assert steps == 9


def test_each_step_counts_the_tokens_decoded_in_it(build: ModuleType) -> None:
    """Two sequences side by side; a token after the last step is dropped."""
    expert_ids = np.array([[[0, 1]], [[0, 2]], [[3, 1]], [[2, 1]], [[0, 1]]])
    lengths = np.array([2, 3])
    counts = build.count_steps(expert_ids, lengths, np.array([0, 0]), steps=2, experts=4)
    assert counts.tolist() == [[[1, 2, 0, 1]], [[1, 1, 2, 0]]]


def test_a_step_belongs_to_the_task_of_most_sequences(build: ModuleType) -> None:
    """Of equals the one first in the trace."""
    tasks = build.tasks_of_steps(["a", "b", "b"], np.array([4, 3, 2]), np.array([0, 1, 2]), steps=4)
    assert tasks == (Task("a", (0, 1)), Task("b", (2, 3)))


def traces_of(place: Path) -> Path:
    """Token traces of 40 sequences on the `small` workload's 6 layers of 8 experts, two slots."""
    rng = np.random.default_rng(2)
    lengths = np.full(40, 5, np.uint32)
    expert_ids = rng.integers(0, 8, (200, 6, 2)).astype(np.uint8)
    steps = expert_ids.reshape(20, 2, 5, 6, 2).swapaxes(1, 2).reshape(100, 2, 6, 2)
    counts = (steps[..., None] == np.arange(8)).sum(axis=(1, 3)).astype(np.uint32)
    place.mkdir()
    np.savez(place / "tokens.npz", expert_ids=expert_ids, seq_len=lengths)
    np.savez(place / "steps.npz", counts=counts)
    (place / "tokens.json").write_text(json.dumps({"sequence": [{"dataset": "d"}] * 40}), encoding="utf-8")
    return place


def test_a_rebuild_writes_data_and_cards_that_load(
    build: ModuleType, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recorded workload and the composite of it, twice with the same bytes; prose is kept."""
    traces = traces_of(tmp_path / "traces")
    monkeypatch.setattr(build, "FOLDER", folder)
    monkeypatch.setattr(build, "COMPOSITES", ("wide",))
    rule = build.Replay("small", "tokens", "steps", slots=2)
    before = cardfile.read(folder / "small.toml")
    build.make_recorded(rule, traces)
    written = {path.name: path.read_bytes() for path in folder.iterdir()}
    build.make_recorded(rule, traces)
    assert written == {path.name: path.read_bytes() for path in folder.iterdir()}
    card = catalog.load("small", folder).card
    assert card.shape == (100, 6, 8)
    assert card.tasks == (Task("d", (0, 99)),)
    assert card == replace(before, shape=card.shape, sha256=card.sha256, tasks=card.tasks, split=card.split)
    assert catalog.load("wide", folder).windows.shape == (20, 4, 16)


def test_a_replay_that_differs_stops_the_build(build: ModuleType, tmp_path: Path) -> None:
    """Three slots instead of two do not give the published steps."""
    rule = build.Replay("small", "tokens", "steps", slots=3)
    with pytest.raises(SystemExit, match="small: the replay of tokens does not give steps"):
        build.replay(rule, traces_of(tmp_path / "traces"), experts=8)


def test_a_shuffled_replay_has_one_task(build: ModuleType, tmp_path: Path) -> None:
    """Its order is that of numpy's default_rng(0).permutation."""
    traces = traces_of(tmp_path / "traces")
    with np.load(traces / "tokens.npz") as tokens:
        order = np.random.default_rng(0).permutation(40)
        shuffled = tokens["expert_ids"].reshape(40, 5, 6, 2)[order]
    steps = shuffled.reshape(20, 2, 5, 6, 2).swapaxes(1, 2).reshape(100, 2, 6, 2)
    np.savez(traces / "steps.npz", counts=(steps[..., None] == np.arange(8)).sum(axis=(1, 3)))
    counts, tasks = build.replay(build.Replay("small", "tokens", "steps", 2, shuffled=True), traces, experts=8)
    assert len(counts) == 100
    assert tasks == (Task("all tasks, shuffled", (0, 99)),)
