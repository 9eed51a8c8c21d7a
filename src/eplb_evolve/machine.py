"""A machine as the results name it: CPU model, threads, torch; never a host name."""

import functools
import importlib.metadata
import os
import platform
import re
from pathlib import Path


@functools.cache
def describe() -> str:
    """For example `AMD EPYC 7B13, 2 threads, torch 2.13.0`. Results are compared only where this is equal."""
    threads = len(os.sched_getaffinity(0))
    torch = importlib.metadata.version("torch").split("+")[0]
    return f"{_cpu_model()}, {threads} threads, torch {torch}"


def _cpu_model() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return re.sub(r"\s+", " ", found[1]).strip() if found else platform.machine()
