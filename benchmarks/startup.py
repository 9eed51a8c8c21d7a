"""What `eplb --help` takes, beside a Python that imports typer and one that imports nothing.

python benchmarks/startup.py
"""

import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from eplb_evolve import machine
from eplb_evolve.paths import project

RUNS = 15
COMMANDS = {
    "eplb --help": [str(Path(sys.executable).with_name("eplb")), "--help"],
    "import typer": [sys.executable, "-c", "import typer"],
    "nothing": [sys.executable, "-c", "pass"],
}


def seconds(command: list[str]) -> float:
    """Wall clock of one run."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


if __name__ == "__main__":
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(RUNS):  # in turn: what else the machine does hits all
        for name, command in COMMANDS.items():
            times[name].append(seconds(command))
    peer = statistics.median(times["import typer"])
    lines = [f"{datetime.now(UTC):%Y-%m-%d}, {machine.describe()}, {RUNS} runs each, in turn"]
    for name, each in times.items():
        median = statistics.median(each)
        lines.append(f"{name:14s} median {median:.3f} s, least {min(each):.3f} s, {median / peer:.2f} x import typer")
    text = "\n".join(lines) + "\n"
    (project().root / "results" / "benchmarks" / "startup.txt").write_text(text)
    print(text, end="")
