"""Running the commands in this process."""

import sys

import pytest
import yaml
from support import ROOT, free_port

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


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project folder of its own, with the shipped workloads and seeds and a quick configuration."""
    for name in ("workloads", "seeds", "initial_program.py", "evaluator.py", "prompts"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "src" / "eplb_evolve").mkdir(parents=True)  # a checkout uses no data but its own
    document = yaml.safe_load((ROOT / "evolve_config.yaml").read_text())
    document["llm"]["api_base"] = f"http://127.0.0.1:{free_port()}/v1"  # a search may run beside the tests
    document["eplb"] |= {"workload": "gptoss20b-phased", "checks": []}
    document["eplb"]["timing"] |= {"pairs_fast": 4, "pairs_slow": 3, "max_seconds": 0.5}
    (tmp_path / "evolve_config.yaml").write_text(yaml.safe_dump(document))
    monkeypatch.chdir(tmp_path)
    return tmp_path
