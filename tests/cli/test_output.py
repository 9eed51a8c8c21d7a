"""What comes out of the commands fits every locale, pipe and terminal."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from ledgers import append, entry, started
from rich.console import Console

from eplb_evolve.board.grid import Grid
from eplb_evolve.cli.console import SafeConsole
from eplb_evolve.cli.main import main

EPLB = Path(sys.executable).with_name("eplb")
HOSTILE = ("caf\xe9", "\ud800half", "\U0001f600", "\x1b[2Jgone", "\x07bell", "\u202eturned", "a\x85b")


@pytest.fixture
def run(tmp_path):
    """A run whose operators, reasons and ledger lines are hostile."""
    folder = tmp_path / "run"
    started(folder, 0, iterations=9)
    append(folder, entry(1, 5.0, ()), entry(2, 0.5, HOSTILE), entry(3, reason=" ".join(HOSTILE)))
    with (folder / "ledger.jsonl").open("ab") as ledger:
        ledger.write(b"\xff\xfe\n[]\n{}\n" + b"[" * 100_000 + b'\n{"torn')
    return folder


class File(io.TextIOWrapper):
    """Standard output in another encoding."""

    def __init__(self, encoding, terminal=False):
        super().__init__(io.BytesIO(), encoding=encoding, write_through=True)
        self._terminal = terminal

    def isatty(self):
        return self._terminal

    def text(self):
        return self.buffer.getvalue().decode(self.encoding)


@pytest.mark.parametrize("columns", ["40", "80", "200", None])
@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
@pytest.mark.parametrize(
    "arguments",
    [("watch", "--once"), ("watch", "--once", "--json"), ("workloads", "list"), ("workloads", "list", "--json")],
)
def test_every_locale_and_width_takes_the_output(monkeypatch, run, arguments, encoding, columns):
    """No traceback, no control character, valid JSON."""
    out, err = File(encoding), File(encoding)
    monkeypatch.setattr(sys, "argv", ["eplb", *arguments, *([str(run)] if arguments[0] == "watch" else [])])
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns is not None:
        monkeypatch.setenv("COLUMNS", columns)
    with pytest.raises(SystemExit) as end:
        main()
    assert (end.value.code, err.text()) == (0, "")
    assert "\x1b" not in out.text()
    assert "\x07" not in out.text()
    if "--json" in arguments:
        json.loads(out.text())
    elif arguments[0] == "watch":
        assert "\\x1b[2Jgone" in out.text()
        assert "3 of" in out.text()


ROWS = [
    ("1*", "cpp_simd", "reference", "0.0942", "1,234,567", "by hand, with eight rows a vector"),
    ("12", "a_name_" * 8, "evolved", "<123.4", "-", "by a search"),
]
HEADINGS = ("#", "program", "from", "x ref", "best at", "how it came to be")


def grid_at(width, terminal=False):
    out = File("utf-8", terminal)
    console = Console(file=out, width=width, color_system=None) if terminal else SafeConsole(out)
    console.print(Grid(HEADINGS, ROWS, left=(1, 2), name=1, prose=5, title="some words above the table"))
    return out.text()


@pytest.mark.parametrize("columns", ["20", "40", "80", "200", None])
def test_a_table_breaks_no_number_and_no_name(monkeypatch, columns):
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns is not None:
        monkeypatch.setenv("COLUMNS", columns)
    text = grid_at(None)
    for row in ROWS:
        assert all(word in text.split() for cell in row for word in cell.split())


def test_a_pipe_gets_one_line_for_each_row(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    assert len(grid_at(None).splitlines()) == 2 + len(ROWS)


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_on_a_terminal_a_long_name_may_lose_its_end_but_no_line_is_too_long(width):
    text = grid_at(width, terminal=True)
    assert all(len(line) <= width for line in text.splitlines())
    assert "1,234,567" in text.split()
    assert "cpp_simd" in text
    assert "a_name_" in text


def test_a_sentence_with_a_long_path_keeps_it_whole(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    out = File("ascii")
    SafeConsole(out).print(f"a sentence about {'/folder' * 10} and what follows it")
    assert "/folder" * 10 in out.text().splitlines()


def in_a_pipe(arguments, **streams):
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    return subprocess.run([EPLB, *arguments], env=environment, check=False, timeout=60, **streams)


@pytest.mark.parametrize("command", [["workloads", "list"], ["workloads", "list", "--json"], ["--help"]])
def test_a_reader_that_is_gone_ends_a_command_quietly(command):
    """141, as of any other command in a pipeline, and not a word."""
    reader, writer = os.pipe()
    os.close(reader)
    done = in_a_pipe(command, stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


def test_a_full_disk_is_one_sentence():
    with Path("/dev/full").open("wb") as full:
        done = in_a_pipe(["workloads", "list"], stdout=full, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (3, b"eplb: cannot write the output: No space left on device\n")


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full", "0<&- 2>&-"])
def test_without_a_place_for_talk_the_exit_code_stays_and_nothing_comes_on_stdout(redirection):
    shell = f"unset COLUMNS; exec '{EPLB}' evaluate no-such-file.py {redirection}"
    done = subprocess.run(["sh", "-c", shell], stdout=subprocess.PIPE, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (2, b"")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["evaluat"], "No such command 'evaluat'. Did you mean 'evaluate'?; see eplb --help"),
        (["evaluate", "x", "--replicas", "1e99"], "Invalid value for '--replicas'"),
        (["leaderboard", "--limit", "-1"], "Invalid value for '--limit'"),
        (["watch", ".", "--interval", "nan"], "Invalid value for '--interval'"),
        (["watch", ".", "--interval", "inf"], "Invalid value for '--interval'"),
        (["serve-model", "--interval", "9" * 20], "--interval is a number of steps"),
        (["evaluate", "x", "--gpus", "9" * 20], "cannot read the program x"),
        (["run", "--iterations", "1.5"], "Invalid value for '--iterations'"),
        (["watch", "a\nb\x1b[2J"], r"a\nb\x1b[2J is no folder"),
    ],
)
def test_wrong_use_is_one_sentence(eplb, arguments, sentence):
    code, out, err = eplb(*arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("eplb: ")
    assert sentence in err


def test_help_breaks_no_option_at_40_columns(eplb, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    _, out, _ = eplb("leaderboard", "--help")
    assert all(option in out.split() for option in ("--workload", "--invalid", "--config"))
