"""A candidate that stands still is told from one that works, sleeps now and then, or waits for its compiler."""

import subprocess
import sys
import time

import pytest

from eplb_evolve.sandbox import watch
from eplb_evolve.sandbox.watch import Idle

STANDS = {
    "asleep": "import time; time.sleep(60)",
    "deadlock": "import threading; lock = threading.Lock(); lock.acquire(); lock.acquire()",
    "waits for itself": "import threading; threading.Event().wait()",
}
WORKS = {
    "busy": "while True: pass",
    "now and then": "import time\nwhile True:\n    time.sleep(0.05); sum(range(20000))",
    "its child works": "import subprocess, sys; subprocess.run([sys.executable, '-c', 'while True: pass'])",
}


@pytest.fixture
def running(monkeypatch):
    """Start a program; the complaint that comes within a second and a half, if any."""
    monkeypatch.setattr(watch, "IDLE_S", 0.6)
    started = []

    def complaint(code):
        started.append(subprocess.Popen([sys.executable, "-c", code], start_new_session=True))
        time.sleep(0.3)  # Python starts
        idle, until = Idle(started[-1].pid), time.monotonic() + 1.5
        while time.monotonic() < until:
            if said := idle.complaint():
                return said
            time.sleep(0.05)
        return None

    yield complaint
    for process in started:
        subprocess.run(["pkill", "-KILL", "-s", str(process.pid)], check=False)
        process.wait()


@pytest.mark.parametrize("name", STANDS)
def test_who_stands_still_is_stopped(running, name):
    assert running(STANDS[name]) == "did nothing for 0.6 s, every thread asleep,"


@pytest.mark.parametrize("name", WORKS)
def test_who_works_is_not(running, name):
    assert running(WORKS[name]) is None
