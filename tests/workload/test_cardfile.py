"""Cards survive being written and read, and a file that is wrong is answered with file, key and remedy."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eplb_evolve.errors import UsageError
from eplb_evolve.workload import cardfile
from eplb_evolve.workload.card import Recording

SHIPPED = Path(__file__).parents[2] / "workloads"

PROSE = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=300)


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.toml")), ids=lambda path: path.stem)
def test_shipped_cards_are_as_the_writer_writes_them(path: Path) -> None:
    """Reading and rendering a shipped card gives the file, byte for byte; its licence files exist."""
    card = cardfile.read(path)
    assert cardfile.render(card) == path.read_text(encoding="utf-8")
    assert (SHIPPED / card.licence.text).is_file()
    assert (SHIPPED / card.licence.notice).is_file()


@given(recorded=PROSE, title=PROSE)
def test_any_prose_survives(tmp_path_factory: pytest.TempPathFactory, recorded: str, title: str) -> None:
    """Quotes, backslashes, line ends and control characters come back as they were."""
    card = cardfile.read(SHIPPED / "dsv3-composite.toml")
    card = replace(card, title=title, recording=Recording(recorded, "a", "b", "c"))
    path = tmp_path_factory.getbasetemp() / "dsv3-composite.toml"
    path.write_text(cardfile.render(card), encoding="utf-8", newline="")
    assert cardfile.read(path) == card


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("top_k", "top_K", r"small.toml: unknown key 'top_K' \(did you mean 'top_k'\?\)"),
        ("replicas = 12", "replica = 12", r"unknown key 'topology.replica' \(did you mean 'replicas'\?\)"),
        ("top_k = 2", "", r"missing key 'top_k' \(experts that one token is sent to\); add it"),
        ("repo = ", "# repo = ", "missing key 'source.repo'; add it"),
        ("top_k = 2", 'top_k = "2"', "'top_k' must be a whole number, not '2'"),
        ("top_k = 2", "top_k = true", "'top_k' must be a whole number, not True"),
        ('title = "A small workload"', 'title = ""', "'title' must be text in quotes, not ''"),
        ("shape = [58, 6, 8]", "shape = [58, 6]", "'shape' must have 3 entries, not 2"),
        ("shape = [58, 6, 8]", "shape = 58", "'shape' must be a list, not 58"),
        ("shape = [58, 6, 8]", "shape = [58, 6.0, 8]", r"'shape\[1\]' must be a whole number, not 6.0"),
        ("[source]", "[[source]]", "'source' must be a table"),
        ("gpus = 4", "gpus = 5", "small.toml: topology: 12 replicas do not divide among 5 GPUs"),
        ("[topology]", "[topology", "small.toml: not a valid TOML file"),
        ('name = "small"', 'name = "other"', "name is 'other'; it must be the file's name, 'small'"),
    ],
)
def test_a_wrong_file_is_named_with_its_remedy(folder: Path, old: str, new: str, message: str) -> None:
    """One sentence: the file, the key, what it should be."""
    path = folder / "small.toml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(UsageError, match=message):
        cardfile.read(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """The operating system's reason is passed on."""
    with pytest.raises(UsageError, match=r"none.toml: cannot be read \(No such file"):
        cardfile.read(tmp_path / "none.toml")


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    """Bytes that are no UTF-8 are a wrong file, not a crash."""
    (tmp_path / "odd.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match=r"odd.toml: not a valid TOML file"):
        cardfile.read(tmp_path / "odd.toml")
