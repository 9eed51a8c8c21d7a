"""Cards refuse what does not fit together, each time with one sentence that says how to mend it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from eplb_evolve.errors import UsageError
from eplb_evolve.workload import cardfile
from eplb_evolve.workload.card import Card, Composition, Split, Task


@pytest.fixture
def card(folder: Path) -> Card:
    return cardfile.read(folder / "small.toml")


@pytest.mark.parametrize(
    ("search", "holdout", "message"),
    [
        (((0, 3),), ((3, 6),), r"split.holdout: range \[3, 6\] overlaps the search range that ends at 3"),
        (
            ((0, 3),),
            ((4, 6),),
            r"holdout: range \[4, 6\] follows the search window 3 without a gap; begin at 5",
        ),
        (
            ((0, 3), (4, 6)),
            ((8, 9),),
            r"split.search: range \[4, 6\] continues .* write the two as one range",
        ),
        (((0, 0),), ((2, 4),), r"split.search: range \[0, 0\] holds no pair of windows"),
        (((3, 1),), ((5, 6),), r"split.search: range \[3, 1\] holds no pair"),
        (((-1, 1),), ((5, 6),), r"split.search: range \[-1, 1\] holds no pair"),
        (((0, 3),), (), "split.holdout: no windows; give at least one range"),
    ],
)
def test_a_split_refuses_ranges_that_leak(search: Any, holdout: Any, message: str) -> None:
    """Overlap, no gap, torn ranges and blocks without a pair are errors that name the range."""
    with pytest.raises(UsageError, match=message):
        Split(search, holdout)


def test_pairs_stay_within_one_block() -> None:
    """A pair never spans a gap, and pairs come in trace order."""
    split = Split(search=((0, 2), (8, 9)), holdout=((4, 5),))
    assert split.pairs("search") == ((0, 1), (1, 2), (8, 9))
    assert split.windows("holdout") == (4, 5)


def test_an_unknown_split_is_named_with_a_suggestion() -> None:
    """`holdotu` is answered with `holdout`."""
    with pytest.raises(UsageError, match=r"unknown split 'holdotu' \(did you mean 'holdout'\?\)"):
        Split(((0, 1),), ((3, 4),)).pairs("holdotu")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "Small One"}, "name: 'Small One' may hold only lower-case letters"),
        ({"sha256": "abc"}, "sha256: 'abc' is not 64 lower-case hexadecimal digits"),
        ({"top_k": 0}, "top_k: must be a positive whole number up to 8, not 0"),
        ({"interval_steps": -5}, "interval_steps: must be a positive whole number"),
        ({"shape": (58, 0, 8)}, "shape: layers: must be a positive whole number"),
        ({"shape": (58, 6, 13)}, "topology: 12 replicas cannot hold 13 experts"),
        ({"interval_steps": 10}, "split.search: window .* does not exist; 58 steps hold windows 0 to 4"),
        ({"tasks": (Task("late", (1, 57)),)}, r"tasks: 'late' has steps \[1, 57\]; it must begin at step 0"),
        ({"tasks": (Task("short", (0, 9)),)}, "tasks: they cover 10 steps, the trace has 58"),
    ],
)
def test_a_card_refuses_a_wrong_value(card: Card, change: dict[str, Any], message: str) -> None:
    """Each field is checked against the others when the card is made."""
    with pytest.raises(UsageError, match=message):
        replace(card, **change)


def test_the_kind_follows_from_the_composition(card: Card) -> None:
    """A card with a composition is composed, any other recorded."""
    assert card.kind == "recorded"
    assert replace(card, composition=Composition("small", 0, 2, 4, 0.1)).kind == "composed"


@pytest.mark.parametrize("change", [{"noise_sd": -0.1}, {"noise_sd": float("nan")}, {"groups": 0}, {"side_by_side": 0}])
def test_a_composition_refuses_a_wrong_value(change: dict[str, Any]) -> None:
    """No negative or undefined noise, no groups or layers below one."""
    with pytest.raises(UsageError, match=f"composition: .*{next(iter(change))}"):
        replace(Composition("small", 0, 2, 4, 0.1), **change)
