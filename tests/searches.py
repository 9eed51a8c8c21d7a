"""Short searches for tests: their configuration, and the processes that they may leave."""

import sys
from pathlib import Path

import psutil
import yaml
from support import ROOT

OPENEVOLVE = Path(sys.executable).with_name("openevolve-run")
BLIND = {"models": [{"name": "random-edits", "weight": 1.0}]}
"""Settings of a search that waits for no compiler: `llm=BLIND`."""


def write_config(folder, port, first_call_s=30.0, **settings):
    """The shipped configuration with a small workload, short limits and another endpoint; the file's path."""
    document = yaml.safe_load((ROOT / "evolve_config.yaml").read_text())
    document["llm"]["api_base"] = f"http://127.0.0.1:{port}/v1"
    document["prompt"]["template_dir"] = str(ROOT / "prompts")
    document["eplb"] |= {"workload": "gptoss20b-phased", "checks": []}
    document["eplb"]["timing"] |= {"pairs_fast": 3, "pairs_slow": 3}
    document["eplb"]["profiles"]["default"]["robust"] = dict.fromkeys(
        ("next_window", "same_window", "worst_layer"), 0.0
    )
    document["eplb"]["limits"] |= {"call_s": 1.0, "first_call_s": first_call_s}
    for section, values in settings.items():
        document[section] = document.get(section, {}) | values if isinstance(values, dict) else values
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(document))
    return file


def processes_of(folder):
    """Every process whose command line names `folder`: a run's own, its proposer's, its sandboxes'."""
    return {p for p in psutil.process_iter(["cmdline"]) if str(folder) in " ".join(p.info["cmdline"] or [])}
