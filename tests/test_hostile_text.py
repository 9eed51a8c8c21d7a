"""What a candidate wrote says nothing of this machine, and cannot play tricks on a terminal or a codec."""

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eplb_evolve.hostile_text import without_places


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("/tmp/eplb-sandbox-x/tmpy", "<sandbox>"),
        (sys.prefix, "<python>"),
        (sys.base_prefix, "<python>"),
        (str(Path(__file__).parents[1]), "<project>"),
        (str(Path.home()), "<home>"),
    ],
)
def test_places_are_named_not_shown(place, name):
    said = without_places(f'File "{place}/x.py", line 1', "/tmp/eplb-sandbox-x/tmpy")
    assert place not in said
    assert name in said


@given(st.text(st.characters(), max_size=50))
def test_what_is_left_can_be_encoded_and_shown(text):
    said = without_places(text, "/nowhere")
    said.encode()
    assert all(character in "\n\t" or character.isprintable() for character in said)


@pytest.mark.parametrize("trick", ["\x1b[2J", "\ud800", "\u202e", "\u200b", "\x00", "\x9b"])
def test_tricks_are_spelled_out(trick):
    assert without_places(f"a{trick[0]}b", "/nowhere") == f"a{trick[0].encode('unicode_escape').decode()}b"


def test_letters_of_other_alphabets_stay():
    assert without_places("Überraschung 平衡 ё", "/nowhere") == "Überraschung 平衡 ё"
