"""Workloads in folders: NAME.toml, a card, and for recorded ones NAME.npz beside it.

Where several folders are given, a name in an earlier one hides the same name in a later one.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eplb_evolve.errors import UsageError, suggestion
from eplb_evolve.placement import Topology
from eplb_evolve.workload import cardfile, composition
from eplb_evolve.workload.card import Card
from eplb_evolve.workload.counts import Counts, Sums, read_counts, sum_windows
from eplb_evolve.workload.windows import Workload


def names(*folders: Path) -> list[str]:
    """Names of the workloads in `folders`, sorted."""
    return sorted(_cards(folders))


def read_card(name: str, *folders: Path) -> Card:
    """The card of workload `name`; UsageError with a suggestion if there is none of that name."""
    return cardfile.read(_card_file(name, folders))


def load(name: str, *folders: Path, topology: Topology | None = None) -> Workload:
    """Workload `name`, its data checked against the card's sha256; `topology` replaces the card's.

    UsageError for an unknown name, a wrong card, missing or changed data, or a topology that does not fit.
    """
    card = read_card(name, *folders)
    origin, recorded = _recorded(card, folders)
    windows, placed = _build(card, origin, sum_windows(recorded, origin.interval_steps))
    return Workload(card, topology or card.topology, windows.astype(np.float64), recorded, placed)


def _cards(folders: Sequence[Path]) -> dict[str, Path]:
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"{folder}: no such folder of workloads")
    return {file.stem: file for folder in reversed(folders) for file in folder.glob("*.toml")}


def _card_file(name: str, folders: Sequence[Path]) -> Path:
    known = _cards(folders)
    if name not in known:
        where = f"{' and '.join(map(str, folders))} {'has' if len(folders) == 1 else 'have'}"
        raise UsageError(
            f"unknown workload '{name}'{suggestion(name, known)}; {where} {', '.join(sorted(known)) or 'none'}"
        )
    return known[name]


def _recorded(card: Card, folders: Sequence[Path]) -> tuple[Card, Counts]:
    """The card whose data is read, and that data: it lies beside its card."""
    origin = _origin(card, folders)
    file = _card_file(origin.name, folders).with_suffix(".npz")
    return origin, read_counts(file, origin.sha256, origin.shape)


def _build(card: Card, origin: Card, recorded: Sums) -> tuple[Sums, NDArray[np.int64] | None]:
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


def _origin(card: Card, folders: Sequence[Path]) -> Card:
    """The card whose data is read: a composite's source, which must be recorded and split the same way."""
    if card.composition is None:
        return card
    origin = read_card(card.composition.source, *folders)
    where = f"{card.name}.toml: "
    if origin.composition is not None:
        raise UsageError(f"{where}composition.source '{origin.name}' is itself composed; name a recorded workload")
    for key in ("split", "tasks", "interval_steps"):
        if getattr(card, key) != getattr(origin, key):
            raise UsageError(f"{where}{key} differs from that of its source {origin.name}.toml; make them equal")
    return origin
