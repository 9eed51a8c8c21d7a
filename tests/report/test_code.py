"""Diffs as coloured lines, and texts made harmless."""

import pytest

from eplb_evolve.hostile_text import printable, without_folders
from eplb_evolve.report.code import diff
from eplb_evolve.report.text import for_plot, said, without_keys


def test_a_diff_numbers_lines_of_both_programs():
    found = diff("a = 1\nb = 2\nc = 3\n", "a = 1\nb = 5\nc = 3\n", 100)
    assert [(line.kind, line.old, line.new) for line in found.lines] == [
        ("same", 1, 1),
        ("removed", 2, None),
        ("added", None, 2),
        ("same", 3, 3),
    ]
    assert (found.added, found.removed) == (1, 1)


def test_lines_far_from_a_change_are_a_gap():
    lines = [f"x{number} = {number}" for number in range(40)]
    found = diff("\n".join(lines), "\n".join([*lines[:20], "y = 1", *lines[20:]]), 100)
    assert [line.kind for line in found.lines] == ["gap", *["same"] * 3, "added", *["same"] * 3, "gap"]


def test_a_long_diff_is_cut_and_counted():
    found = diff("", "\n".join(f"x{number} = 1" for number in range(50)), 10)
    assert len(found.lines) == 10
    assert found.left_out == 41  # the empty program has one empty line, which goes


@pytest.mark.parametrize(
    "text", ["<b>&amp;", 'x = "<script>"  # </td>', "\ufeffx = 1", "a\r\nb\rc", "'''<i>\n<u>\n'''", "\x0c\x00", "$ %"]
)
def test_code_is_escaped_whatever_it_is(text):
    for line in diff("", text, 100).lines:
        stripped = line.code.replace("</span>", "")
        while "<span class=" in stripped:
            start = stripped.index("<span class=")
            stripped = stripped[:start] + stripped[stripped.index(">", start) + 1 :]
        assert "<" not in stripped
        assert ">" not in stripped


def test_multi_line_strings_keep_their_lines():
    found = diff("", 'x = """one\ntwo\nthree"""\ny = 1\n', 100)
    assert [line.new for line in found.lines if line.kind == "added"] == [1, 2, 3, 4]
    assert '<span class="s">two</span>' in found.lines[-3].code


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/home/a/b.py, line 3", "b.py, line 3"),
        ('File "/tmp/x/y.py"', 'File "y.py"'),
        ("http://host/v1/chat", "http://host/v1/chat"),
        ("time / the reference", "time / the reference"),
        ("programs/abc.py", "programs/abc.py"),
        ("<sandbox>/candidate.py", "<sandbox>/candidate.py"),
    ],
)
def test_absolute_paths_lose_their_folders(text, shown):
    assert without_folders(text) == shown


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("  api_key: sk-123", False),
        ("- api_key: 'sk-123'", False),
        ("  api_key: ${KEY}", True),
        ("  api_key: none", True),
        ("  api_key_env: GEMINI_API_KEY", True),
    ],
)
def test_literal_keys_are_left_out_of_a_configuration(line, kept):
    assert (without_keys(line) == line) is kept


def test_plot_labels_hold_no_tags_and_no_placeholders():
    assert for_plot("<a href='x'>%{y}&") == "&lt;a href='x'&gt;% {y}&amp;"


def test_control_characters_are_spelled_out():
    assert printable("a\x1b[2J\u202e\tb") == "a\\x1b[2J\\u202e\tb"
    assert said("  one\n two ") == "one two"
