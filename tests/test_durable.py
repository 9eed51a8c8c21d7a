"""A file is the old one or the new one, whole; and one that grows is read as it grows."""

import os

import pytest

from eplb_evolve import durable
from eplb_evolve.growing_file import GrowingFile


def test_a_file_is_replaced_and_keeps_its_rights(tmp_path):
    file = tmp_path / "folder" / "file.json"
    durable.write_text(file, "one\n")
    file.chmod(0o600)
    durable.write_text(file, "é\n")
    assert file.read_text(encoding="utf-8") == "é\n"
    assert file.stat().st_mode & 0o777 == 0o600
    assert os.listdir(file.parent) == ["file.json"]


def test_what_cannot_be_written_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    file = tmp_path / "file.json"
    file.write_text("old")
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space left"):
        durable.write_text(file, "new")
    assert os.listdir(tmp_path) == ["file.json"]
    assert file.read_text() == "old"


def test_only_what_is_new_and_complete_is_read(tmp_path):
    file = tmp_path / "log"
    growing = GrowingFile(file)
    assert growing.new_lines() == []
    file.write_bytes(b"one\ntw")
    assert growing.new_lines() == [b"one"]
    with file.open("ab") as more:
        more.write(b"o\n\nthree")
    assert growing.new_lines() == [b"two", b""]
    assert growing.new_lines(ended=True) == [b"three"]
    assert not growing.replaced
    file.write_bytes(b"anew\n")
    assert growing.new_lines() == [b"anew"]
    assert growing.replaced
