"""What the sandbox costs: start of a zygote and of a worker, a call of a program that does nothing, memory.

    python benchmarks/sandbox.py [--workers 20] [--calls 300]

At each level that this machine reaches; the peer is a fresh `python -c "import torch"`.
"""

import argparse
import datetime
import os
import subprocess
import sys
import time
from contextlib import closing

import numpy as np

from eplb_evolve import machine
from eplb_evolve.evaluation.bench import MARKS
from eplb_evolve.placement import Topology
from eplb_evolve.sandbox import LEVELS, Limits, Zygote


def main() -> None:
    """Measure and print one line per level."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=20)
    parser.add_argument("--calls", type=int, default=300)
    arguments = parser.parse_args()
    print(f"{machine.describe()}; {datetime.date.today()}")
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import torch"], check=True)
    print(f"a fresh python that imports torch: {time.perf_counter() - start:.2f} s")
    print(f"{'level':10s}{'zygote s':>10s}{'worker ms':>11s}{'longest':>9s}{'null call us':>14s}{'SD':>7s}{'p99':>7s}")
    for level in LEVELS:
        start = time.perf_counter()
        with closing(Zygote(level)) as zygote:
            began = time.perf_counter() - start
            if zygote.level != level:
                print(f"{level:10s} not reached here")
                continue
            starts = [start_worker(zygote) for _ in range(arguments.workers)]
            calls = null_calls(zygote, arguments.calls)
        low, median, high = np.percentile(calls, [25, 50, 75])
        print(
            f"{level:10s}{began:10.2f}{np.median(starts) * 1e3:11.1f}{max(starts) * 1e3:9.1f}"
            f"{median * 1e6:14.0f}{(high - low) / 1.349 * 1e6:7.1f}{np.percentile(calls, 99) * 1e6:7.0f}"
        )


def start_worker(zygote: Zygote) -> float:
    """Seconds from the request until a program is imported and the worker frozen."""
    start = time.perf_counter()
    with closing(zygote.spawn(MARKS / "null.py", Limits())):
        return time.perf_counter() - start


def null_calls(zygote: Zygote, count: int) -> np.ndarray:
    """Seconds of calls of a program that does nothing, on one processor."""
    smallest, cpus = np.ones((1, 1), np.float32), [max(os.sched_getaffinity(0))]
    with closing(zygote.spawn(MARKS / "null.py", Limits())) as worker:
        calls = [worker.call(smallest, Topology(1, 1, 1, 1), cpus=cpus).seconds for _ in range(count)]
    return np.array(calls[count // 10 :])


if __name__ == "__main__":
    main()
