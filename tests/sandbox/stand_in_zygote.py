"""A zygote whose workers find, in place of a GPU, a device on the host that prints what is done with it.

    python stand_in_zygote.py [--slow-copy] and the arguments of eplb_evolve.sandbox.zygote

--slow-copy: by the clock, only reading an output from a worker's memory takes time, 30 ms. A candidate that sets
FLUSH_S in its environment leaves work behind that the next flush has to wait for, that many seconds.
"""

import ctypes
import os
import sys
import time
from pathlib import Path

from eplb_evolve.sandbox import devices, kernel, timekeeper, zygote

COPY_NS = 30_000_000


class StandIn:
    """Says each step on stdout, which is the candidate's log; at a flush also what the inputs hold at that moment."""

    names = ("cpu", "cuda")

    def flush(self):
        time.sleep(float(os.environ.pop("FLUSH_S", 0)))
        line = next(line for line in Path("/proc/self/maps").read_text().splitlines() if "memfd:inputs" in line)
        second = (ctypes.c_float * 2).from_address(int(line.split("-")[0], 16))[1]
        print(f"flush {second:g}", flush=True)

    def put(self, tensor):
        print("put", flush=True)
        return tensor.clone()

    def get(self, tensor):
        print("get", flush=True)
        return tensor.contiguous().clone()

    def synchronize(self):
        print("synchronize", flush=True)


class CopyClock:
    """In place of the timekeeper's `time`: stands still but for the copies."""

    monotonic = staticmethod(time.monotonic)

    def __init__(self):
        self._now = 0

    def perf_counter_ns(self):
        return self._now

    def charging(self, read_memory):
        def read(*arguments):
            self._now += COPY_NS
            read_memory(*arguments)

        return read


if __name__ == "__main__":
    real = devices.open_device
    devices.open_device = lambda name, memory_mb: real(name, memory_mb) if name == "cpu" else StandIn()
    if "--slow-copy" in sys.argv:
        timekeeper.time = clock = CopyClock()
        kernel.read_memory = clock.charging(kernel.read_memory)
    control, parent, folder, highest = sys.argv[-4:]
    zygote.main(int(control), int(parent), folder, highest)
