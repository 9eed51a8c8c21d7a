"""Where things lie: what the package ships, the project that a command works in, the user's cache."""

import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from eplb_evolve.errors import EnvironmentProblem

PACKAGE = Path(__file__).resolve().parent
CONFIG_NAME, SEED_NAME, EVALUATOR_NAME = "evolve_config.yaml", "initial_program.py", "evaluator.py"
WORKLOADS, SEEDS = "workloads", "seeds"
CACHE_NAME = "eplb-evolve"

SHIPPED = (WORKLOADS, SEEDS, "prompts", "configs", CONFIG_NAME, SEED_NAME, EVALUATOR_NAME)

Kind = Literal["checkout", "project", "none"]


def shipped() -> Path:
    """The folder with the shipped workloads, seeds, prompts and configurations.

    It is `shipped` inside an installed package, or the checkout that the package is imported from.
    """
    places = (PACKAGE / "shipped", PACKAGE.parents[1])
    for folder in places:
        if all((folder / name).exists() for name in SHIPPED):
            return folder
    lacking = ", ".join(name for name in SHIPPED if not (places[0] / name).exists())
    raise EnvironmentProblem(
        f"this installation of eplb-evolve lacks its data: no {lacking} in {places[0]}; "
        "install it again: pip install --force-reinstall --no-deps eplb-evolve"
    )


@dataclass(frozen=True)
class Project:
    """What a command works with, and where it writes.

    Attributes:
        root: the folder; results/ is below it
        kind: `checkout` of this repository, which uses its own data alone; `project`, a folder as `eplb init` writes
            it, whose workloads/ and seeds/ add to the shipped ones; `none`, any other folder
    """

    root: Path
    kind: Kind

    @property
    def config(self) -> Path:
        """Its configuration, or the shipped one where it has none."""
        return (shipped() if self.kind == "none" else self.root) / CONFIG_NAME

    @property
    def workloads(self) -> tuple[Path, ...]:
        """Folders of workloads; a name in an earlier one hides the same name in a later one."""
        return self._folders(WORKLOADS)

    @property
    def seeds(self) -> tuple[Path, ...]:
        """Folders of balancers to compare with, in the same way."""
        return self._folders(SEEDS)

    def seed_files(self) -> dict[str, Path]:
        """The balancers in `seeds` by the stems of their files, sorted."""
        found = {file.stem: file for folder in reversed(self.seeds) for file in folder.glob("*.py")}
        return dict(sorted(found.items()))

    @property
    def deepseek_form(self) -> Path:
        """DeepSeek's published form, which speedup_over_seed is measured against."""
        return self.seeds[-1] / "deepseek.py"

    @property
    def results(self) -> Path:
        """Runs, records and leaderboard."""
        return self.root / "results"

    def _folders(self, name: str) -> tuple[Path, ...]:
        if self.kind == "checkout":
            return (self.root / name,)
        own = self.root / name
        return (own, shipped() / name) if self.kind == "project" and own.is_dir() else (shipped() / name,)


def project() -> Project:
    """The nearest project from the working directory up; the working directory itself where there is none."""
    try:
        here = Path.cwd()
    except OSError as problem:
        raise EnvironmentProblem(
            f"the working directory cannot be read: {problem.strerror}; cd to another"
        ) from problem
    for folder in (here, *here.parents):
        found = project_at(folder)
        if found.kind != "none":
            return found
    return Project(here, "none")


def project_at(folder: Path) -> Project:
    """The project in this very folder."""
    if not (folder / CONFIG_NAME).is_file():
        return Project(folder, "none")
    checkout = (folder / WORKLOADS).is_dir() and (folder / "src" / PACKAGE.name).is_dir()
    return Project(folder, "checkout" if checkout else "project")


def cache_dir() -> Path:
    """$XDG_CACHE_HOME/eplb-evolve, by default ~/.cache/eplb-evolve, which is created.

    A user without a home folder, or with one that cannot be written to, gets a folder in the temporary directory that
    is open to nobody else. EnvironmentProblem where that cannot be had.
    """
    base = os.environ.get("XDG_CACHE_HOME")
    if base:
        return Path(base) / CACHE_NAME
    home = Path(os.path.expanduser("~"))  # unlike Path.home() it stays "~" where nobody knows
    kept = home / ".cache" / CACHE_NAME
    return kept if home.is_absolute() and _is_ours(kept) else _private_folder()


def _is_ours(folder: Path) -> bool:
    """Whether this user may write to a folder; it is made where it does not exist."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)


def _private_folder() -> Path:
    mend = "there is no home folder to write to either; set XDG_CACHE_HOME to a folder that can be written to"
    try:
        folder = Path(tempfile.gettempdir()) / f"{CACHE_NAME}-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as problem:
        raise EnvironmentProblem(f"there is no place for a cache: {problem.strerror}; {mend}") from problem
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise EnvironmentProblem(f"{folder} is open to other users and no place for a cache, and {mend}")
    return folder
