"""What this machine allows: each mechanism tried in a short-lived child, and the level that follows."""

import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from eplb_evolve.sandbox import confinement, kernel, landlock, readable, seccomp, user
from eplb_evolve.sandbox.levels import LEVELS, Level
from eplb_evolve.sandbox.process import describe_exit


@dataclass(frozen=True)
class Finding:
    """One mechanism: whether it works here, what went wrong, and how to get it."""

    mechanism: str
    works: bool
    problem: str = ""
    remedy: str = ""


def probe(folder: str) -> list[Finding]:
    """Try every mechanism. `folder` is where workers will have their files."""
    return [
        _try(
            "namespaces",
            lambda: _enter_as_another_user(folder, confinement.enter_namespaces),
            "allow unprivileged user namespaces: sysctl user.max_user_namespaces=10000, on Debian also "
            "kernel.unprivileged_userns_clone=1, on Ubuntu kernel.apparmor_restrict_unprivileged_userns=0; "
            "in Docker run with --security-opt seccomp=unconfined --security-opt apparmor=unconfined",
        ),
        _try(
            "landlock",
            _restrict_files,
            "use Linux 5.13 or newer with landlock among the names of /sys/kernel/security/lsm "
            "(boot option lsm=landlock,...)",
        ),
        _try("seccomp", _restrict_calls, "use a 64-bit x86 machine with CONFIG_SECCOMP_FILTER"),
        _try(
            "another user",
            lambda: _enter_as_another_user(folder, _read_the_interpreter),
            "run as an ordinary user, or let every user read Python and its packages (chmod o+rx on the folders "
            "above them), or allow mounting (CAP_SYS_ADMIN, CAP_SETUID)",
        ),
    ]


def strongest(findings: Sequence[Finding]) -> Level:
    """The strongest level that these findings allow."""
    works = {finding.mechanism: finding.works for finding in findings}
    if not (works["landlock"] and works["seccomp"] and works["another user"]):
        return "rlimits"
    return "full" if works["namespaces"] else "no-userns"


def weaker(one: Level, other: Level) -> Level:
    """The weaker of two levels."""
    return max(one, other, key=LEVELS.index)


def _try(mechanism: str, attempt: Callable[[], None], remedy: str) -> Finding:
    """Run `attempt` in a child; what it raises is the problem."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        problem = ""
        try:
            attempt()
        except BaseException as error:  # the process boundary: whatever happened goes up the pipe
            problem = str(error) or type(error).__name__
        os.write(writer, problem.encode()[:1000])
        os._exit(0 if not problem else 1)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        problem = pipe.read().decode()
    status = os.waitpid(pid, 0)[1]
    if status and not problem:
        problem = f"the attempt {describe_exit(status)}"
    return Finding(mechanism, not problem, problem, "" if not problem else remedy)


def _enter_as_another_user(folder: str, attempt: Callable[[], None]) -> None:
    if os.getuid() == 0:
        user.expose(user.FIRST_UID, readable.interpreter_folders(), [folder])
        user.become(user.FIRST_UID)
    attempt()


def _read_the_interpreter() -> None:
    for place in readable.interpreter_folders():
        os.listdir(place)
    Path(os.__file__).read_bytes()


def _restrict_files() -> None:
    kernel.forbid_new_privileges()
    landlock.restrict(["/usr"], [])


def _restrict_calls() -> None:
    kernel.forbid_new_privileges()
    if not seccomp.SUPPORTED:
        raise OSError(f"no list of system calls for {platform.machine()}")
    seccomp.restrict()
