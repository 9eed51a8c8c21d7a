"""The workloads of a folder: NAME.toml, a card, and for recorded ones NAME.npz."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eplb_evolve.errors import UsageError, suggestion
from eplb_evolve.placement import Topology
from eplb_evolve.workload import cardfile, composition
from eplb_evolve.workload.card import Card
from eplb_evolve.workload.counts import Counts, read_counts, sum_windows
from eplb_evolve.workload.windows import Workload


def names(folder: Path) -> list[str]:
    """Names of the workloads in `folder`, sorted."""
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder of workloads")
    return sorted(path.stem for path in folder.glob("*.toml"))


def read_card(name: str, folder: Path) -> Card:
    """The card of workload `name`; UsageError with a suggestion if the folder has none of that name."""
    known = names(folder)
    if name not in known:
        raise UsageError(
            f"unknown workload '{name}'{suggestion(name, known)}; {folder} has {', '.join(known) or 'none'}"
        )
    return cardfile.read(folder / f"{name}.toml")


def load(name: str, folder: Path, topology: Topology | None = None) -> Workload:
    """Workload `name` of `folder`, its data checked against the card's sha256; `topology` replaces the card's.

    UsageError for an unknown name, a wrong card, missing or changed data, or a topology that does not fit.
    """
    card = read_card(name, folder)
    origin = _origin(card, folder)
    recorded = read_counts(folder / f"{origin.name}.npz", origin.sha256, origin.shape)
    windows, placed = _build(card, origin, sum_windows(recorded, origin.interval_steps))
    return Workload(card, topology or card.topology, windows.astype(np.float64), recorded, placed)


def build(card: Card, folder: Path) -> Counts:
    """Windows [windows, layers, experts], summed from the recorded counts, or composed of its source's."""
    origin = _origin(card, folder)
    recorded = read_counts(folder / f"{origin.name}.npz", origin.sha256, origin.shape)
    return _build(card, origin, sum_windows(recorded, origin.interval_steps))[0]


def _build(card: Card, origin: Card, recorded: Counts) -> tuple[Counts, NDArray[np.int64] | None]:
    """The windows, and which recorded expert each composed one is; checked against the card of a composite."""
    if card.composition is None:
        return recorded, None
    search_load = recorded[list(origin.split.windows("search"))].sum(axis=0, dtype=np.float64)
    placed = composition.layout(search_load, card.shape[1], card.composition)
    composed = composition.compose(recorded, placed)
    if composed.shape[2] != card.shape[2]:
        raise UsageError(f"{card.name}.toml: the rule makes {composed.shape[2]} experts, shape says {card.shape[2]}")
    found = composition.digest(composed)
    if found != card.sha256:
        raise UsageError(
            f"{card.name}.toml: the built windows are not those of the card: expected sha256 {card.sha256}, "
            f"found {found}; mend the rule, or put the new sha256 into the card if the change is meant"
        )
    return composed, placed


def _origin(card: Card, folder: Path) -> Card:
    """The card whose data is read: a composite's source, which must be recorded and split the same way."""
    if card.composition is None:
        return card
    origin = read_card(card.composition.source, folder)
    where = f"{card.name}.toml: "
    if origin.composition is not None:
        raise UsageError(f"{where}composition.source '{origin.name}' is itself composed; name a recorded workload")
    for key in ("split", "tasks", "interval_steps"):
        if getattr(card, key) != getattr(origin, key):
            raise UsageError(f"{where}{key} differs from that of its source {origin.name}.toml; make them equal")
    return origin
