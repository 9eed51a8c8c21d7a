"""What a machine lacks is said in one sentence before anything is paid for, and is never a program's fault."""

import multiprocessing.synchronize  # here: another user may not read it
import os
import resource
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import ledgers
import pytest
from machine_faults import NOBODY, become_nobody, devices, in_child, mount, needs_mounts
from searches import OPENEVOLVE
from support import ROOT, SEED, free_port

from eplb_evolve import config as configuration
from eplb_evolve import search
from eplb_evolve.cli.main import main
from eplb_evolve.ending import read_ending
from eplb_evolve.errors import EnvironmentProblem
from eplb_evolve.paths import cache_dir, project
from eplb_evolve.preflight import search_needs
from eplb_evolve.runs.ledger import Ledger
from eplb_evolve.sandbox import Limits, kernel
from eplb_evolve.sandbox.shortage import Shortage
from eplb_evolve.sandbox.timekeeper import Timekeeper

NOEXEC = 8
FULL = "size=4k"

pytestmark = needs_mounts


def temporary(place, options="mode=1777", flags=0):
    os.environ["TMPDIR"] = str(mount(place, options, flags))


def cache(place, options="", flags=0):
    os.environ["XDG_CACHE_HOME"] = str(mount(place, options, flags))


def full(place):
    mount(place, FULL)
    Path(place, "filled").write_bytes(b"x")


def no_place_for_temporary_files(place):
    os.environ["TMPDIR"] = str(place)
    for folder in ("/tmp", "/var/tmp", "/usr/tmp"):
        if os.path.isdir(folder):
            mount(folder, flags=kernel.MS_RDONLY)
    os.chdir("/proc")


def limit(which, value):
    resource.setrlimit(which, (value, value))


def few_descriptors():
    """Twelve more than are open."""
    limit(resource.RLIMIT_NOFILE, len(os.listdir("/proc/self/fd")) + 12)


def few_tasks():
    become_nobody()
    limit(resource.RLIMIT_NPROC, 20)


FAULTS = {
    "TMPDIR noexec": (lambda place: temporary(place, flags=NOEXEC), ["compiled programs cannot run", "TMPDIR=/tmp"]),
    "TMPDIR of a few KB": (lambda place: temporary(place, "size=16k"), ["has 0 MiB left", "TMPDIR=/tmp"]),
    "TMPDIR of a few MB": (lambda place: temporary(place, "size=5m"), ["has 5 MiB left, and 32", "TMPDIR=/tmp"]),
    "TMPDIR without inodes": (lambda place: temporary(place, "nr_inodes=5"), ["more files", "TMPDIR=/tmp"]),
    "no TMPDIR at all": (no_place_for_temporary_files, ["no temporary folder", "TMPDIR"]),
    "cache read-only": (lambda place: cache(place, flags=kernel.MS_RDONLY), ["the cache", "Read-only", "XDG_CACHE"]),
    "cache full": (lambda place: cache(place, FULL), ["the cache", "make room", "XDG_CACHE_HOME"]),
    "/dev/shm read-only": (lambda _: mount("/dev/shm", flags=kernel.MS_RDONLY), ["/dev/shm", "Read-only", "mount -t"]),
    "/dev/shm full": (lambda _: full("/dev/shm"), ["/dev/shm", "No space left", "mount -t tmpfs"]),
    "/dev/shm missing": (lambda _: devices(), ["/dev/shm", "mount -t tmpfs"]),
    "/dev/null missing": (lambda _: mount("/dev"), ["/dev/null cannot be opened: No such file"]),
    "/dev/null for root alone": (lambda _: devices(0o600), ["/dev/null", "another user", "chmod 666"]),
    "/proc missing": (lambda _: mount("/proc"), ["/proc does not show", "mount -t proc"]),
    "run read-only": (lambda place: mount(place, flags=kernel.MS_RDONLY), ["the run's folder", "--output"]),
    "run full": (lambda place: mount(place, FULL), ["the run's folder", "make room", "--output"]),
    "few descriptors": (lambda _: few_descriptors(), ["ulimit -n allows", "ulimit -n 1024"]),
    "few tasks": (lambda _: few_tasks(), ["no 48 more processes or threads", "ulimit -u"]),
    "small files": (lambda _: limit(resource.RLIMIT_FSIZE, 1 << 20), ["ulimit -f allows 1 MiB", "eplb.limits.file_mb"]),
    "little address space": (lambda _: limit(resource.RLIMIT_AS, 4 << 30), ["ulimit -v allows 4096", "memory_mb"]),
    "little data": (lambda _: limit(resource.RLIMIT_DATA, 4 << 30), ["ulimit -d allows 4096", "memory_mb"]),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_the_machine_is_one_sentence(tmp_path, name):
    provoke, words = FAULTS[name]

    def problems():
        provoke(tmp_path / "place")
        return [each.problem() for each in search_needs(Limits(), tmp_path / "place" / "run")]

    (found, *_) = [problem for problem in in_child(problems) if problem is not None]
    assert all(word in found for word in words), found
    assert len(found.splitlines()) == 1


def test_a_machine_in_order_lacks_nothing(tmp_path):
    assert in_child(lambda: [each.problem() for each in search_needs(Limits(), tmp_path / "run")]) == [None] * 8
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("home", [None, "/", "/proc/none", "/root"])
def test_without_a_home_to_write_to_the_cache_is_a_private_temporary_folder(home):
    def where():
        become_nobody(home)
        mode = cache_dir().stat().st_mode & 0o777
        return [str(cache_dir()), mode, [each.problem() for each in search_needs(Limits(), Path("/tmp/run"))]]

    folder, mode, problems = in_child(where)
    assert (folder, mode) == (f"/tmp/eplb-evolve-{NOBODY}", 0o700)
    assert problems == [None] * 8


@pytest.mark.parametrize("squat", ["open", "link", "file"])
def test_a_cache_that_another_user_prepared_is_refused(squat):
    def said():
        become_nobody()
        place = Path(f"/tmp/eplb-evolve-{NOBODY}")
        if squat == "open":
            place.mkdir()
            place.chmod(0o777)
        elif squat == "link":
            place.symlink_to("/var/tmp")
        else:
            place.write_text("")
        try:
            return str(cache_dir())
        except EnvironmentProblem as problem:
            return str(problem)

    assert "set XDG_CACHE_HOME" in in_child(said)


def test_a_working_directory_that_is_gone_is_one_sentence(tmp_path):
    def said():
        (tmp_path / "gone").mkdir()
        os.chdir(tmp_path / "gone")
        (tmp_path / "gone").rmdir()
        try:
            return str(project())
        except EnvironmentProblem as problem:
            return str(problem)

    assert "cd to another" in in_child(said)


def command(provoke, *arguments):
    def run():
        provoke()
        sys.argv = ["eplb", *map(str, arguments)]
        main()

    return run


def test_check_refuses_and_doctor_lists_everything(configured, tmp_path):
    config, said = configured(free_port()), tmp_path / "said"
    os.environ["COLUMNS"] = "80"

    def provoke():
        temporary(tmp_path / "t", flags=NOEXEC)
        full("/dev/shm")
        limit(resource.RLIMIT_FSIZE, 64 << 20)

    assert in_child(command(provoke, "check", config), said) == 3
    assert "ulimit -f" in said.read_text()
    assert len(said.read_text().splitlines()) == 1
    assert in_child(command(provoke, "doctor", "--config", config), said) == 3
    told = said.read_text()
    assert all(word in told for word in ("is it mounted noexec?", "/dev/shm (in Docker", "ulimit -f allows 64 MiB"))
    assert "sandbox level: " in told
    assert told.splitlines()[-1].endswith("is mended: resource limits, temporary files, shared memory")
    assert "Traceback" not in told


@pytest.mark.parametrize("arguments", [["evaluate", SEED], ["compare", SEED, SEED]])
def test_a_command_calls_no_program_invalid_for_the_machine(configured, tmp_path, arguments):
    config, said = configured(free_port()), tmp_path / "said"
    provoked = command(lambda: temporary(tmp_path / "t", "size=16k"), *arguments, "--config", config)
    assert in_child(provoked, said) == 3
    assert said.read_text().startswith("eplb: the temporary folder")
    assert len(said.read_text().splitlines()) == 1


def failing_search(configured, run, cause=lambda place: cache(place, flags=kernel.MS_RDONLY)):
    """A search on a machine with that fault, which it does not look for itself before the first program."""
    cause(run.parent / "place")
    return search.Search(configuration.read(configured(free_port())), ROOT, run)


@pytest.mark.parametrize("name", ["cache read-only", "TMPDIR of a few KB", "few descriptors"])
def test_the_first_program_that_cannot_be_judged_ends_a_search(configured, tmp_path, name):
    run, said = tmp_path / "run", tmp_path / "said"

    def judge():
        failing_search(configured, run, FAULTS[name][0]).evaluate(str(SEED))

    assert in_child(judge, said) == 3
    (entry,) = Ledger(run).entries()
    assert entry.evaluation.status == "evaluator_failed"
    first, last = said.read_text().splitlines()
    assert first.startswith("eplb    1  evaluator failed: ")
    ending = read_ending(run)
    assert (last, ending.exit_code) == (f"eplb: {ending.sentence}", 3)
    assert "Traceback" not in ending.sentence


def test_a_resumed_search_ends_when_its_first_program_cannot_be_judged(configured, tmp_path):
    """There a worker judges it, and ends the main process as OpenEvolve ends."""
    run = tmp_path / "run"
    ledgers.append(run, ledgers.entry(1, 2.0))
    ledgers.started(run, 2, 10, resumed=True)

    def judge():
        worker = multiprocessing.get_context("fork").Process(
            target=lambda: failing_search(configured, run).evaluate(str(SEED))
        )
        worker.start()
        worker.join()

    assert in_child(judge, tmp_path / "said") == -signal.SIGTERM
    assert read_ending(run).exit_code == 3


def test_a_search_that_cannot_write_its_ledger_ends(configured, tmp_path):
    """The run's disk fills after the start."""
    run = tmp_path / "run"

    def judge():
        mount(run, "size=64k")
        judging = failing_search(configured, run)
        (run / "large").write_bytes(bytes(60 << 10))
        judging.evaluate(str(SEED))

    assert in_child(judge, tmp_path / "said") == 3
    said = (tmp_path / "said").read_text()
    assert said.startswith(f"eplb: cannot write {run}/")
    assert "No space left on device" in said
    assert len(said.splitlines()) == 1


def test_later_on_it_takes_three_failures_in_a_row(configured, tmp_path):
    run = tmp_path / "run"
    ledgers.started(run, 0, 10)

    def judge():
        judging = failing_search(configured, run)
        for number in range(2):
            ledgers.append(run, ledgers.entry(number, 2.0))
            for _ in range(2):
                told = judging.evaluate(str(SEED))
                assert told.metrics["evaluator_failed"] == 1
                assert "says nothing about the program" in told.artifacts["verdict"]
        judging.evaluate(str(SEED))

    assert in_child(judge, tmp_path / "said") == 3
    told = [entry.evaluation.status == "evaluator_failed" for entry in Ledger(run).entries()]
    assert told == [*[False, True, True] * 2, True]


def test_a_disk_that_a_program_found_too_small_is_not_its_fault(configured, tmp_path):
    """The stock command: the program keeps within its limits, and the disk runs full."""
    seed, run = tmp_path / "seed.py", tmp_path / "run"
    seed.write_text(SEED.read_text() + '\nopen("large", "wb").write(bytes(100 << 20))\n')
    stock = [str(OPENEVOLVE), str(seed), str(ROOT / "evaluator.py"), "--config", str(configured(free_port()))]
    place = tmp_path / "t"

    def start():
        temporary(place, "mode=1777,size=50m")
        return subprocess.run([*stock, "--output", str(run), "--iterations", "2"], check=False).returncode

    assert in_child(start, tmp_path / "said") == 3
    ending = read_ending(run)
    assert f"the disk of {place}" in ending.sentence
    assert f"eplb: {ending.sentence}\n" in (tmp_path / "said").read_text()
    assert [each.evaluation.status for each in Ledger(run).entries()] == ["evaluator_failed"]


@pytest.mark.parametrize("options", ["size=600k", "nr_inodes=4"])
def test_a_full_disk_is_a_shortage(tmp_path, options):
    problem = in_child(lambda: Shortage(str(mount(tmp_path / "t", options)), 100).problem())
    assert f"the disk of {tmp_path / 't'}" in problem


MEMORY = Path("/sys/fs/cgroup/memory")


@pytest.mark.skipif(not os.access(MEMORY / "cgroup.procs", os.W_OK), reason="needs a cgroup of memory to write to")
def test_a_machine_without_memory_is_not_a_programs_fault(program, zygotes):
    """The kernel kills a program that uses less than its own limit."""
    group = MEMORY / f"eplb-test-{os.getpid()}"
    group.mkdir()
    try:
        (group / "memory.limit_in_bytes").write_text(str(100 << 20))
        with closing(zygotes()) as zygote:
            home = Path(f"/proc/{zygote.pid}/cgroup").read_text().partition(":memory:")[2].partition("\n")[0]
            (group / "cgroup.procs").write_text(str(zygote.pid))
            try:
                with pytest.raises(EnvironmentProblem, match="ran out of memory") as failure:
                    zygote.spawn(program("held = bytearray(b'x') * (400 << 20)"), Limits(memory_mb=4096))
            finally:
                (Path(f"{MEMORY}{home}") / "cgroup.procs").write_text(str(zygote.pid))
        assert "eplb.limits.memory_mb, now 4096" in str(failure.value)
    finally:
        group.rmdir()


def test_a_limit_of_processor_time_is_not_a_programs_fault():
    """`ulimit -t`, as seen by the process that watches over a program."""

    def said():
        limit(resource.RLIMIT_CPU, 1)
        outputs = os.memfd_create("outputs")
        os.ftruncate(outputs, 4096)
        keeper = Timekeeper(outputs, 0, None, Limits())
        keeper._pid = os.fork()
        while keeper._pid == 0:
            pass
        os.waitid(os.P_PID, keeper._pid, os.WEXITED | os.WNOWAIT)
        death = keeper._death("call")
        return isinstance(death, EnvironmentProblem), str(death)

    assert in_child(said) == [
        True,
        "this machine gives a process 1 s of processor time; lift that (ulimit -t unlimited)",
    ]
