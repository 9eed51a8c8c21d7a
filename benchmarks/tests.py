"""How long the tests take: runs make test, or make TARGET, and keeps its end.

python benchmarks/tests.py [TARGET]        # in a fresh clone, after .venv was made
"""

import re
import resource
import subprocess
import sys
import time
from datetime import UTC, datetime

from eplb_evolve import machine
from eplb_evolve.paths import project

if __name__ == "__main__":
    target = sys.argv[1] if len(sys.argv) > 1 else "test"
    root = project().root
    began = time.monotonic()
    done = subprocess.run(["make", target], cwd=root, stdout=subprocess.PIPE, text=True, check=False)
    seconds = time.monotonic() - began
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    lines = done.stdout.splitlines()
    slowest = [number for number, line in enumerate(lines) if re.search(r"slowest \d+ durations", line)]
    report = [
        f"make {target}: exit code {done.returncode}, {seconds:.0f} s, "
        f"{used.ru_utime + used.ru_stime:.0f} s of processor time",
        f"{datetime.now(UTC):%Y-%m-%d}, {machine.describe()}",
        *lines[slowest[-1] if slowest else -20 :],
    ]
    file = root / "results" / "benchmarks" / ("tests.txt" if target == "test" else f"{target}.txt")
    file.write_text("\n".join(report) + "\n")
    print("\n".join(report))
    sys.exit(done.returncode)
