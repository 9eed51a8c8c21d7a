"""What a program's author must know of the machine: processor, SIMD, caches, versions."""

import contextlib
import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path

from eplb_evolve import machine
from eplb_evolve.hostile_text import sentence
from eplb_evolve.runs.run_info import versions

_SIMD = re.compile(r"avx|fma|bmi|popcnt|sse4_2|gfni|asimd|sve|neon|amx|f16c")


@dataclass(frozen=True)
class MachineFacts:
    """Of the machine that programs run on; what it does not tell is empty.

    Attributes:
        name: as results have it
        model: numbers that tell the processor's microarchitecture
        cpus: processors that this process may use
        simd: the flags that matter to vector code
        caches: such as `L1 Data 32K`
        versions: of Python and the packages
    """

    name: str
    model: str
    cpus: int
    simd: tuple[str, ...]
    caches: tuple[str, ...]
    versions: dict[str, str]


def machine_facts(device: str = "cpu", proc: Path = Path("/proc"), system: Path = Path("/sys")) -> MachineFacts:
    """As far as the system tells."""
    fields: dict[str, str] = {}
    with contextlib.suppress(OSError):
        for line in (proc / "cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            name, colon, value = line.partition(":")
            if colon:
                fields.setdefault(name.strip().lower(), value.strip())
    numbers = [f"{name} {fields[name]}" for name in ("cpu family", "model", "cpu part") if fields.get(name)]
    flags = (fields.get("flags") or fields.get("features") or "").split()
    caches = []
    for level in sorted((system / "devices/system/cpu/cpu0/cache").glob("index[0-9]*")):
        with contextlib.suppress(OSError):
            words = [(level / name).read_text().strip() for name in ("level", "type", "size")]
            caches.append(sentence("L" + " ".join(words).replace(" Unified", ""), 40))
    return MachineFacts(
        name=machine.describe(device),
        model=sentence(", ".join(numbers) or platform.machine(), 60),
        cpus=len(os.sched_getaffinity(0)),
        simd=tuple(sorted(flag for flag in set(flags) if _SIMD.match(flag))),
        caches=tuple(caches),
        versions=versions(),
    )
