"""Workloads by name: what loads, what is refused, and in which words."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from eplb_evolve.errors import UsageError
from eplb_evolve.placement import Topology
from eplb_evolve.workload import catalog
from eplb_evolve.workload.counts import Counts, sum_windows, write_counts

SHIPPED = Path(__file__).parents[2] / "workloads"
INTERVAL = 5  # of the workloads that conftest.py makes


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_the_shipped_workloads_load() -> None:
    """All four, with the shapes, topologies and pairs of their cards."""
    assert catalog.names(SHIPPED) == [
        "dsv2lite-esft",
        "dsv3-composite",
        "gptoss20b-mixed",
        "gptoss20b-phased",
    ]
    for name in catalog.names(SHIPPED):
        workload = catalog.load(name, SHIPPED)
        steps, layers, experts = workload.card.shape
        assert workload.windows.shape == (steps // 100, layers, experts)
        assert workload.topology == workload.card.topology
        assert workload.pairs("search")
        assert workload.pairs("holdout")


@pytest.mark.parametrize(("name", "per_step"), [("dsv2lite-esft", 16 * 6), ("gptoss20b-phased", 64 * 4)])
def test_every_layer_of_every_window_counts_every_token(name: str, per_step: int) -> None:
    """All slots are busy in each step, so a window of 100 steps has the same total in all layers."""
    assert (catalog.load(name, SHIPPED).windows.sum(axis=2) == 100 * per_step).all()


def test_windows_are_read_only_sums_of_the_counts(folder: Path, counts: Counts) -> None:
    """float64 sums over intervals; code that wants to write has to copy."""
    workload = catalog.load("small", folder)
    assert workload.windows.dtype == np.float64
    np.testing.assert_array_equal(workload.windows, sum_windows(counts, INTERVAL))
    assert not workload.windows.flags.writeable
    assert workload.name == "small"
    assert "array" not in repr(workload)


def test_a_composite_is_built_from_its_source(folder: Path) -> None:
    """Same windows, same split, the composed shape."""
    wide, small = catalog.load("wide", folder), catalog.load("small", folder)
    assert wide.windows.shape == (11, 4, 16)
    assert wide.pairs("search") == small.pairs("search")


@pytest.mark.parametrize("name", ["small", "wide"])
def test_a_window_drawn_anew_has_its_own_steps_and_size(folder: Path, name: str) -> None:
    """Another draw, another sum; each step's layers and experts stay together, the mean is the recorded window."""
    workload = catalog.load(name, folder)
    rng = np.random.default_rng(0)
    draws = np.array([workload.redraw(2, rng) for _ in range(4000)])
    assert draws.shape == (4000, *workload.windows.shape[1:])
    assert (draws[0] != draws[1]).any()
    spread = draws.std(axis=0) / np.sqrt(len(draws))
    assert (np.abs(draws.mean(axis=0) - workload.windows[2]) < 5 * spread + 1e-9).all()


def test_a_window_drawn_anew_keeps_what_is_equal_in_each_step() -> None:
    """Every layer of a step counts the same assignments, so every layer of a drawn window does."""
    workload = catalog.load("dsv3-composite", SHIPPED)
    drawn = workload.redraw(9, np.random.default_rng(0))
    assert (drawn.sum(axis=1) == 100 * 384).all()
    assert (drawn != workload.windows[9]).any()


def test_a_topology_can_be_replaced(folder: Path) -> None:
    """The given one is used if the experts fit it."""
    other = Topology(16, 2, 2, 4)
    assert catalog.load("small", folder, topology=other).topology == other
    with pytest.raises(UsageError, match="4 replicas cannot hold 8 experts"):
        catalog.load("small", folder, topology=Topology(4, 1, 1, 4))


def test_an_unknown_name_is_answered_with_the_known_ones(folder: Path) -> None:
    """A suggestion and the list."""
    with pytest.raises(UsageError, match=r"unknown workload 'smal' \(did you mean 'small'\?\); .* small, wide"):
        catalog.load("smal", folder)


def test_an_empty_or_missing_folder_is_named(tmp_path: Path) -> None:
    """No list to choose from, and no folder at all."""
    with pytest.raises(UsageError, match=r"unknown workload 'x'; .* has none"):
        catalog.load("x", tmp_path)
    with pytest.raises(UsageError, match="nowhere: no such folder of workloads"):
        catalog.names(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["small", "wide"])
def test_changed_data_is_refused(folder: Path, counts: Counts, name: str) -> None:
    """One count more: the recorded workload and the composite built from it both refuse, naming the file."""
    counts[0, 0, 0] += 1
    write_counts(folder / "small.npz", counts)
    with pytest.raises(UsageError, match=r"small.npz: .*expected sha256 [0-9a-f]{64}, found [0-9a-f]{64}"):
        catalog.load(name, folder)


def test_missing_data_is_named(folder: Path) -> None:
    """The .npz that should lie beside the card."""
    (folder / "small.npz").unlink()
    with pytest.raises(UsageError, match=r"small.npz: cannot be read"):
        catalog.load("small", folder)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seed = 3", "seed = 4", "wide.toml: the built windows are not those of the card: expected sha256"),
        ("shape = [58, 4, 16]", "shape = [58, 4, 24]", "wide.toml: the rule makes 16 experts, shape says 24"),
        ("steps = [0, 26]\n", "steps = [0, 26]#\n", None),
        (
            '"second"',
            '"other"',
            "wide.toml: tasks differs from that of its source small.toml; make them equal",
        ),
        ("interval_steps = 5", "interval_steps = 4", "wide.toml: interval_steps differs"),
        (
            "search = [[0, 1]",
            "search = [[0, 2]",
            "wide.toml: split.* follows the search window 2 without a gap",
        ),
        ('source = "small"', 'source = "smal"', r"unknown workload 'smal' \(did you mean 'small'\?\)"),
        ('source = "small"', 'source = "wide"', "composition.source 'wide' is itself composed"),
        ("side_by_side = 2", "side_by_side = 9", "composition: side_by_side is 9, but small has 6 layers"),
    ],
)
def test_a_composite_that_does_not_fit_its_source_is_refused(
    folder: Path, old: str, new: str, message: str | None
) -> None:
    """Another rule, another split or another shape than the card states; a comment changes nothing."""
    edit(folder / "wide.toml", old, new)
    if message is None:
        catalog.load("wide", folder)
    else:
        with pytest.raises(UsageError, match=message):
            catalog.load("wide", folder)


def test_the_readme_tells_how_to_add_a_trace(folder: Path, counts: Counts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its Python lines, run as they stand, make a workload that loads."""
    shutil.copy(SHIPPED / "dsv2lite-esft.toml", folder)
    lines = (SHIPPED / "README.md").read_text(encoding="utf-8").splitlines()
    code = "\n".join(line[7:] for line in lines if line.startswith(" " * 7))
    monkeypatch.chdir(folder.parent)
    exec(code, {"my_counts": np.tile(counts, (10, 1, 1))})
    assert catalog.load("mine", folder).windows.shape == (5, 6, 8)
