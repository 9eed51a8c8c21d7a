"""What a machine takes away from its own processes: a quota of processor time, and time that a hypervisor steals."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
STAT = Path("/proc/stat")
_STEAL = 8
"""Field of a line of /proc/stat: ticks for which the hypervisor ran something else, though the processor had work."""


@dataclass(frozen=True)
class Taken:
    """Counts since the machine, or its control group, started.

    Attributes:
        throttled: periods in which the control group had used up its quota
        stolen: ticks of 10 ms
    """

    throttled: int
    stolen: int


def taken(cpus: Collection[int] | None = None) -> Taken:
    """As it stands now, of these processors or of all; zeros where the machine does not tell."""
    return Taken(_throttled(), _stolen(cpus))


def words() -> list[str]:
    """For `eplb doctor`: what limits the processors here, and what was taken so far."""
    found, now = [], taken()
    quota = _read(CGROUP / "cpu.max").split()
    if len(quota) == 2 and quota[0].isdigit() and int(quota[1]):
        found.append(f"a quota of {int(quota[0]) / int(quota[1]):g} processors (cpu.max)")
    if now.throttled:
        found.append(f"throttled in {now.throttled} periods; calls beside which that happens do not count")
    if now.stolen:
        found.append(f"{now.stolen / 100:.0f} s stolen by the hypervisor since the start")
    return found


def _throttled() -> int:
    for place in (CGROUP / "cpu.stat", CGROUP / "cpu" / "cpu.stat"):
        for line in _read(place).splitlines():
            name, _, count = line.partition(" ")
            if name == "nr_throttled" and count.isdigit():
                return int(count)
    return 0


def _stolen(cpus: Collection[int] | None) -> int:
    names = {"cpu"} if cpus is None else {f"cpu{number}" for number in cpus}
    rows = (line.split() for line in _read(STAT).splitlines() if line.startswith("cpu"))
    return sum(int(row[_STEAL]) for row in rows if row[0] in names and len(row) > _STEAL)


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""
