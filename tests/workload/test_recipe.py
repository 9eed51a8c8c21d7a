"""A trace of one's own: what is accepted becomes a workload, what is not leaves nothing behind."""

import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eplb_evolve.errors import EplbError
from eplb_evolve.topology import Topology
from eplb_evolve.workload import catalog
from eplb_evolve.workload.card import Task
from eplb_evolve.workload.counts import MOST
from eplb_evolve.workload.recipe import add_trace

SHIPPED = Path(__file__).parents[2] / "workloads"
COUNTS = np.random.default_rng(3).poisson(5, (60, 3, 8)) + 1


def add(folder: Path, **changes: Any) -> None:
    given: dict[str, Any] = {"counts": COUNTS, "topology": Topology(12, 2, 2, 4), "top_k": 2, "interval_steps": 10}
    add_trace(folder, "mine", **(given | changes))


def test_counts_become_a_workload(tmp_path: Path) -> None:
    """The windows are the sums, also beyond 32 bits; there is a split, and nothing but the two files."""
    add(tmp_path, counts=np.where(COUNTS > 5, MOST, COUNTS), interval_steps=np.int64(10))
    workload = catalog.load("mine", tmp_path)
    assert workload.windows.max() > MOST
    np.testing.assert_array_equal(workload.windows[0], np.where(COUNTS > 5, MOST, COUNTS)[:10].sum(axis=0))
    assert workload.pairs("search")
    assert workload.pairs("holdout")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["mine.npz", "mine.toml"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"counts": -COUNTS}, "mine.npz: step 0, layer 0, expert 0: .* is negative"),
        ({"counts": COUNTS[:49]}, "49 steps are too few to split: at least 5 windows of 10 steps"),
        ({"interval_steps": 0}, "interval_steps: must be a positive whole number .* not 0"),
        ({"interval_steps": 9.5}, "interval_steps: .* not 9.5"),
        ({"interval_steps": 10**30}, "interval_steps: .* not 1000000"),
        ({"top_k": float("nan")}, "top_k: .* not nan"),
        ({"top_k": 9}, "top_k: must be a positive whole number up to 8, not 9"),
        ({"topology": Topology(4, 1, 1, 4)}, "4 replicas cannot hold 8 experts; .* replicas 8 groups 1 nodes 1 gpus 4"),
        ({"tasks": [Task("a", (0, 10))]}, "they cover 11 steps, the trace has 60"),
        ({"tasks": [Task("a", (0, 10**15))]}, "a step of 'a' must be .* not 1000000000000000"),
    ],
)
def test_what_is_refused_leaves_nothing_behind(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    """Whichever step refuses, and not a file of the folder changes."""
    (tmp_path / "other.toml").write_text("kept")
    with pytest.raises(EplbError, match=message):
        add(tmp_path, **changes)
    assert [file.name for file in tmp_path.iterdir()] == ["other.toml"]


@pytest.mark.parametrize("there", ["mine.npz", "mine.toml"])
def test_what_is_there_is_not_overwritten(tmp_path: Path, there: str) -> None:
    """A card that was finished by hand is worth more than its first draft."""
    (tmp_path / there).write_text("by hand")
    with pytest.raises(EplbError, match=f"{there} exists; choose another name"):
        add(tmp_path)
    assert [file.read_text() for file in tmp_path.iterdir()] == ["by hand"]


def test_the_documented_recipe_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """workloads/README.md as it stands, in a folder of its own."""
    text = (SHIPPED / "README.md").read_text(encoding="utf-8").split("## Add a trace")[1].split("   Counts are")[0]
    code = textwrap.dedent("\n".join(line for line in text.splitlines() if line.startswith("       ")))
    monkeypatch.chdir(tmp_path)
    exec(code, {"my_counts": np.random.default_rng(0).poisson(5, (600, 2, 64))})
    assert catalog.load("mine", tmp_path / "workloads").windows.shape == (6, 2, 64)


def test_a_folder_that_takes_no_files_is_named(tmp_path: Path) -> None:
    """A problem of the machine, and nothing is kept."""
    (tmp_path / "file").write_text("")
    with pytest.raises(EplbError, match=r"cannot write mine into .*file: .*; nothing was kept"):
        add(tmp_path / "file")
