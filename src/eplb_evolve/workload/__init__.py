"""Expert-load traces: cards, windows, splits, composition and statistics."""

from eplb_evolve.workload.card import Card
from eplb_evolve.workload.catalog import load, names, read_card
from eplb_evolve.workload.windows import Workload

__all__ = ["Card", "Workload", "load", "names", "read_card"]
