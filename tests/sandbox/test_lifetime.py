"""Nothing of a candidate stays: no process, no file, no descriptor, whoever dies first."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np
import psutil
import pytest

from eplb_evolve.errors import CandidateFailure, EnvironmentProblem
from eplb_evolve.placement import Topology
from eplb_evolve.sandbox import LEVELS, Limits, Zygote, leftovers

LOADS = np.arange(12, dtype=np.float32).reshape(2, 6)
TOPOLOGY = Topology(8, 1, 1, 4)
QUICK = Limits(first_call_s=2.0, call_s=1.0)
CALL = "honest(weight, num_replicas, num_groups, num_nodes, num_gpus)"

ESCAPE = f"""import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(60)
    os._exit(0)
os.wait()
return {CALL}"""
"""A grandchild in a session of its own, whose parent is gone."""

OWNER = """
import sys
from pathlib import Path
from eplb_evolve.sandbox import Limits, Zygote
zygote = Zygote(sys.argv[2], twin=sys.argv[3] == "twin")
for _ in sys.stdin:
    worker = zygote.spawn(Path(sys.argv[1]), Limits())
    print("ready", flush=True)
"""
"""Spawns a worker for each line."""


def descendants(pid=None):
    return {child.pid for child in psutil.Process(pid).children(recursive=True)}


def lives(process):
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("level", LEVELS)
def test_no_process_no_file_no_descriptor_stays(program, tmp_path, monkeypatch, level):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    file = program(wrapping=ESCAPE)
    before, open_before = descendants(), len(os.listdir("/proc/self/fd"))
    with closing(Zygote(level)) as zygote:
        assert zygote.level == level
        with (
            pytest.raises(CandidateFailure, match="left 1 processes running"),
            closing(zygote.spawn(file, QUICK)) as worker,
        ):
            worker.call(LOADS, TOPOLOGY)
        assert descendants() - before == {zygote.pid}
    assert descendants() == before
    assert len(os.listdir("/proc/self/fd")) == open_before
    assert [path.name for path in tmp_path.iterdir()] == ["program.py"]


@pytest.mark.parametrize(
    "leave",
    [
        "os.makedirs('d'); open('d/f', 'w').close(); os.chmod('d', 0)",
        "[(os.mkdir('d'), os.chdir('d')) for _ in range(1500)]",
        "os.symlink('/etc', 'e'); os.mkfifo('p')",
        "open('log.txt', 'w').write('not the log')",
    ],
)
def test_whatever_lies_in_the_work_folder_goes(program, zygotes, leave):
    with closing(zygotes()) as zygote:
        before = os.listdir(zygote.folder)
        with closing(zygote.spawn(program(f"import os\n{leave}\ndef rebalance_experts(a, b, c, d, e): pass"), QUICK)):
            pass
        assert os.listdir(zygote.folder) == before
    assert Path("/etc/passwd").exists()


class Owner:
    """A process with a zygote of its own."""

    def __init__(self, process):
        self.process = process
        self.spawn()
        (self.zygote,) = psutil.Process(process.pid).children()

    def spawn(self):
        """Start a worker."""
        self.process.stdin.write("spawn\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "ready\n"

    def chain(self):
        """The newest worker's timekeeper, and its children: the worker, with its namespace's first process if any."""
        timekeeper = max(self.zygote.children(), key=lambda child: child.create_time())
        return timekeeper, timekeeper.children()


@pytest.fixture
def owner(program, tmp_path):
    """Start an owner at a level, `twin` or not."""
    script = tmp_path / "owner.py"
    script.write_text(OWNER)
    command = [sys.executable, str(script), str(program(wrapping=f"return {CALL}"))]
    with ExitStack() as stack:

        def start(level, twin="one"):
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
            process = stack.enter_context(subprocess.Popen([*command, level, twin], **pipes))
            stack.callback(process.kill)
            return Owner(process)

        yield start


def killed(victim, doomed):
    """Kill -9 one process; those of `doomed` that outlive it for ten seconds."""
    os.kill(victim.pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while (left := [process for process in doomed if lives(process)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("last", ["owner", "zygote"])
def test_the_whole_tree_dies_with_any_of_its_parts(owner, level, last):
    """Of a worker or its timekeeper both; of an owner or its zygote all."""
    owner = owner(level)
    for part in ("worker", "timekeeper"):
        timekeeper, (worker,) = owner.chain()
        assert killed(worker if part == "worker" else timekeeper, [timekeeper, worker]) == []
        owner.spawn()
    timekeeper, workers = owner.chain()
    assert killed(owner.process if last == "owner" else owner.zygote, [owner.zygote, timekeeper, *workers]) == []


def test_a_twin_and_the_first_process_of_its_namespace_die_too(owner):
    """Which ends last of its namespace: whoever waits for it alone waits for ever."""
    owner = owner("full", "twin")
    timekeeper, both = owner.chain()
    assert len(both) == 2
    assert killed(timekeeper, [timekeeper, *both]) == []
    owner.spawn()
    timekeeper, both = owner.chain()
    assert len(both) == 2
    assert killed(owner.process, [owner.zygote, timekeeper, *both]) == []


def test_a_zygote_whose_owner_dies_while_it_starts_leaves_no_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with subprocess.Popen([sys.executable, "-c", OWNER, "no program", "full", "one"], stdin=subprocess.PIPE) as owner:
        while not (children := psutil.Process(owner.pid).children()) or Zygote.command[-1] not in children[0].cmdline():
            assert owner.poll() is None
        assert len(list(tmp_path.iterdir())) == 1
        owner.kill()
    assert not psutil.wait_procs(children, timeout=30)[1]
    assert list(tmp_path.iterdir()) == []


def test_a_dead_zygote_is_an_environment_problem(program):
    with closing(Zygote()) as zygote:
        os.kill(zygote.pid, signal.SIGKILL)
        time.sleep(0.1)
        with pytest.raises(EnvironmentProblem, match="zygote"):
            zygote.spawn(program("x = 1"), QUICK)
    assert not Path(zygote.folder).exists()


def test_a_dead_timekeeper_fails_its_candidate_only(program):
    with closing(Zygote()) as zygote:
        file = program(wrapping=f"return {CALL}")
        with closing(zygote.spawn(file, QUICK)) as worker:
            timekeeper = psutil.Process(zygote.pid).children()[0]
            timekeeper.kill()
            with pytest.raises(CandidateFailure, match="is gone"):
                worker.call(LOADS, TOPOLOGY)
        with closing(zygote.spawn(file, QUICK)) as worker:
            worker.call(LOADS, TOPOLOGY)


def age(folder):
    os.utime(folder, (time.time() - 3600,) * 2)
    return folder


def test_what_a_killed_run_left_is_swept_at_the_next_start(tmp_path, monkeypatch):
    """Folders that nobody holds go; a living owner's, a fresh one, and what is no folder of ours stay."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    held, lock = leftovers.new_folder()
    left = tmp_path / "eplb-sandbox-left"
    (left / "work" / "deep").mkdir(parents=True)
    age(left)
    (tmp_path / "eplb-sandbox-fresh").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "eplb-sandbox-link").symlink_to(tmp_path / "elsewhere")
    age(tmp_path / "elsewhere")
    age(held)
    with closing(Zygote()) as zygote:
        there = {path.name for path in tmp_path.iterdir()}
    kept = {Path(held).name, "eplb-sandbox-fresh", "eplb-sandbox-link", "elsewhere"}
    assert there == {*kept, Path(zygote.folder).name}
    os.close(lock)
    leftovers.sweep()
    assert {path.name for path in tmp_path.iterdir()} == kept - {Path(held).name}


def test_a_folder_that_a_running_zygote_names_stays(tmp_path, monkeypatch):
    """Versions before the lock hold none."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = tmp_path / "eplb-sandbox-older"
    folder.mkdir()
    age(folder)
    command = [sys.executable, "-c", "print(flush=True); input()", str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as zygote:
        zygote.stdout.readline()
        leftovers.sweep()
        assert folder.exists()
        zygote.communicate(b"\n")
    leftovers.sweep()
    assert not folder.exists()
