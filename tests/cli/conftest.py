"""Running the commands in this process."""

import sys

import pytest

from eplb_evolve.cli.main import main


@pytest.fixture
def eplb(monkeypatch, capsys):
    """Run `eplb ARGUMENTS` at 80 columns: (exit code, stdout, stderr)."""
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["eplb", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        captured = capsys.readouterr()
        return end.value.code or 0, captured.out, captured.err

    return run
