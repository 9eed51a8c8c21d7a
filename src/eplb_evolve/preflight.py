"""What an evaluation and a search need of the machine, each need tried in earnest, in milliseconds.

A fault that is found only later looks like a fault of every program, and the proposals have been paid for.
"""

import errno
import fcntl
import mmap
import multiprocessing
import os
import resource
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from eplb_evolve.errors import EnvironmentProblem, in_words
from eplb_evolve.paths import cache_dir
from eplb_evolve.sandbox import Limits, kernel
from eplb_evolve.sandbox.shortage import lacks_room

TEMPORARY_BYTES = 32 << 20
"""A compiled program with what compilers write on the way."""
KEPT_BYTES = 1 << 20
"""Of a ledger with its programs, or of the cache, for a start."""
DESCRIPTORS, DESCRIPTORS_EACH = 40, 8
"""Beside those that are open, for one program and for each further one."""
TASKS, TASKS_EACH = 48, 4
"""Processes and threads at once: a worker of a search has two zygotes and some eight pairs of timekeeper and worker;
then those of each further program."""


@dataclass(frozen=True)
class Need:
    """Something that the machine must allow.

    Attributes:
        attempt: raises EnvironmentProblem, in a sentence, where the machine does not
        where: the folder that it is about
    """

    name: str
    attempt: Callable[[], None]
    where: Callable[[], object] | None = None

    def problem(self) -> str | None:
        """What is wrong and how to mend it; None where the attempt succeeds."""
        try:
            self.attempt()
        except EnvironmentProblem as problem:
            return str(problem)
        except OSError as problem:
            return f"{self.name}: {in_words(problem)}"
        return None


def evaluation_needs(limits: Limits, programs: int = 1) -> list[Need]:
    """Of evaluations whose programs have these limits. programs: how many run at a time."""
    further = programs - 1
    return [
        Need("open files", partial(_descriptors, DESCRIPTORS + DESCRIPTORS_EACH * further)),
        Need("/proc and /dev", _system_files),
        Need("resource limits", partial(_limits, limits)),
        Need("processes", partial(_tasks, TASKS + TASKS_EACH * further)),
        Need("temporary files", _temporary_files, tempfile.gettempdir),
        Need("cache", _cache, cache_dir),
    ]


def search_needs(limits: Limits, run: Path | None) -> list[Need]:
    """Of a search that writes to the folder `run`, None where that is not known yet."""
    needs = [*evaluation_needs(limits), Need("shared memory", _shared_memory)]
    return needs if run is None else [*needs, Need("results", partial(_results, run))]


def demand(needs: Sequence[Need]) -> None:
    """Raise EnvironmentProblem for the first need that is not met."""
    for need in needs:
        if problem := need.problem():
            raise EnvironmentProblem(problem)


def _system_files() -> None:
    try:
        Path(f"/proc/self/task/{os.getpid()}/children").read_bytes()
        os.listdir("/proc/self/fd")
    except OSError as problem:
        raise EnvironmentProblem(
            f"/proc does not show the processes here: {in_words(problem)}; mount it: mount -t proc proc /proc"
        ) from problem
    for device, flags, open_to_all in (("/dev/null", os.O_RDWR, 0o006), ("/dev/urandom", os.O_RDONLY, 0o004)):
        why = ""
        try:
            os.close(os.open(device, flags))
        except OSError as problem:
            why = str(problem.strerror)
        if not why and os.getuid() == 0 and os.stat(device).st_mode & open_to_all != open_to_all:
            why = "it is for root alone, and programs run as another user"
        if why:
            raise EnvironmentProblem(f"{device} cannot be opened: {why}; mount /dev, or chmod 666 {device}")
    try:
        os.close(os.pidfd_open(os.getpid()))
        with os.fdopen(os.memfd_create("preflight", os.MFD_ALLOW_SEALING)) as file:
            kernel.seal(file.fileno(), kernel.F_SEAL_FUTURE_WRITE)
    except OSError as problem:
        if problem.errno in (errno.EMFILE, errno.ENFILE):
            raise
        raise EnvironmentProblem(
            f"the kernel lacks pidfd_open or sealed memory ({problem.strerror}); use Linux 5.3 or newer"
        ) from problem


def _limits(limits: Limits) -> None:
    """Programs are promised what the configuration says: below that they would fail for the machine's reasons."""
    file_mb = max(limits.file_mb, limits.output_mb)
    file_key = "file_mb" if file_mb == limits.file_mb else "output_mb"
    for which, option, promised, key in (
        (resource.RLIMIT_AS, "-v", limits.memory_mb, "memory_mb"),
        (resource.RLIMIT_DATA, "-d", limits.memory_mb, "memory_mb"),
        (resource.RLIMIT_FSIZE, "-f", file_mb, file_key),
    ):
        allowed = resource.getrlimit(which)[0]
        if allowed != resource.RLIM_INFINITY and allowed < promised << 20:
            raise EnvironmentProblem(
                f"ulimit {option} allows {allowed >> 20} MiB here, and eplb.limits.{key} promises programs {promised}; "
                f"raise the one (ulimit {option} unlimited) or lower the other"
            )


def _descriptors(wanted: int) -> None:
    opened: list[int] = []
    try:
        opened += (os.open("/", os.O_RDONLY) for _ in range(wanted))
    except OSError as problem:
        allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        raise EnvironmentProblem(
            f"no {wanted} more files can be opened ({problem.strerror}; ulimit -n allows {allowed}); "
            "allow more: ulimit -n 1024"
        ) from problem
    finally:
        for descriptor in opened:
            os.close(descriptor)


def _tasks(wanted: int) -> None:
    go_on = threading.Event()
    started: list[threading.Thread] = []
    size = threading.stack_size(256 << 10)
    try:
        for _ in range(wanted):
            thread = threading.Thread(target=go_on.wait, daemon=True)
            thread.start()
            started.append(thread)
    except (RuntimeError, MemoryError) as problem:
        raise EnvironmentProblem(
            f"no {wanted} more processes or threads can be started, only {len(started)}; allow this user more "
            "(ulimit -u), raise the container's pids limit, or end other programs"
        ) from problem
    finally:
        threading.stack_size(size)
        go_on.set()
        for thread in started:
            thread.join()


def _temporary_files() -> None:
    try:
        folder = os.path.realpath(tempfile.gettempdir())
    except OSError as problem:
        raise EnvironmentProblem(
            "no temporary folder can be written to, neither $TMPDIR nor /tmp, /var/tmp or the working directory; "
            f"{_other_folder()}"
        ) from problem
    if complaint := _unfit_for_programs(folder):
        raise EnvironmentProblem(f"{complaint}; {_other_folder()}")


def _unfit_for_programs(folder: str) -> str | None:
    """Why programs cannot be compiled and run in this folder; None if they can."""
    try:
        if lack := lacks_room(folder, TEMPORARY_BYTES):
            return f"the temporary folder {folder} {lack}"
        with tempfile.TemporaryDirectory(dir=folder) as place:
            for number in range(4):
                Path(place, str(number)).write_bytes(bytes(mmap.PAGESIZE))
            with Path(place, "0").open("rb") as file:
                what = (mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_EXEC)
                try:
                    mmap.mmap(file.fileno(), mmap.PAGESIZE, *what).close()
                except OSError as problem:
                    why = f"{problem.strerror}; is it mounted noexec?"
                    return f"compiled programs cannot run in the temporary folder {folder} ({why})"
    except OSError as problem:
        return f"the temporary folder {folder} cannot be used: {problem.strerror}"
    return None


def _other_folder() -> str:
    """How to mend it, with the first usual folder that is fit."""
    for folder in ("/tmp", "/var/tmp", os.path.expanduser("~"), "/dev/shm"):
        if os.path.isdir(folder) and _unfit_for_programs(folder) is None:
            return f"set another one: TMPDIR={folder}"
    return "set TMPDIR to a folder on a disk with room that is not mounted noexec"


def _cache() -> None:
    _keep_files(cache_dir(), "the cache", "set XDG_CACHE_HOME to another one")


def _results(run: Path) -> None:
    _keep_files(run, "the run's folder", "choose another --output")


def _keep_files(folder: Path, what: str, mend: str) -> None:
    """Try to write and lock a file in a folder, or in the one where it would be made."""
    place = Path(os.path.abspath(folder))
    while not os.path.lexists(place):
        place = place.parent
    try:
        lack = lacks_room(str(place), KEPT_BYTES)
        with tempfile.TemporaryFile(dir=place) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
    except OSError as problem:
        why = "cannot be locked" if problem.errno in (errno.ENOLCK, errno.EOPNOTSUPP) else "cannot be written"
        raise EnvironmentProblem(
            f"{what} {folder} {why}: {problem.strerror}; make {place} writable, or {mend}"
        ) from problem
    if lack:
        raise EnvironmentProblem(f"{what} {folder} {lack}; make room, or {mend}")


def _shared_memory() -> None:
    try:
        multiprocessing.get_context().Lock()
    except (OSError, ImportError, NotImplementedError) as problem:
        raise EnvironmentProblem(
            f"OpenEvolve's worker processes need locks in /dev/shm, and there are none: {problem}; mount it: "
            "mount -t tmpfs -o mode=1777 tmpfs /dev/shm (in Docker: --tmpfs /dev/shm)"
        ) from problem
