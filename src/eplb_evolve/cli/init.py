"""`eplb init [DIR]`: what a search needs, written into a folder of the user's own."""

import shutil
from pathlib import Path
from typing import Annotated

import typer

from eplb_evolve.cli import options
from eplb_evolve.errors import EnvironmentProblem, UsageError
from eplb_evolve.paths import CONFIG_NAME, EVALUATOR_NAME, SEED_NAME, shipped

WRITTEN = (CONFIG_NAME, SEED_NAME, EVALUATOR_NAME, "prompts", "configs")


def init(folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="A new or empty folder.")] = Path()) -> None:
    """Write what a search needs: evolve_config.yaml, initial_program.py, evaluator.py, prompts/ and configs/.

    The folder must be empty but for hidden files and virtual environments; nothing is ever overwritten.
    """
    source = shipped()
    try:
        _refuse_used(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for name in WRITTEN:
            _copy(source / name, folder / name)
    except OSError as problem:
        raise EnvironmentProblem(
            f"cannot write to {folder.absolute()}: {problem.strerror}; choose another folder: eplb init DIR"
        ) from problem
    options.say(f"wrote {', '.join(WRITTEN)} into {folder.absolute()}; from there:")
    options.say(f"  openevolve-run {SEED_NAME} {EVALUATOR_NAME} --config {CONFIG_NAME}")
    options.say("  eplb run                # the same search with a live view, then the leaderboard")


def _refuse_used(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file; name a new or empty folder: eplb init DIR")
    used = [entry.name for entry in folder.iterdir() if _counts(entry)] if folder.is_dir() else []
    if used:
        more = f" and {len(used) - 1} more" if len(used) > 1 else ""
        raise UsageError(
            f"{folder.absolute()} is not empty: it holds {min(used)}{more}; name a new or empty folder: eplb init DIR"
        )


def _counts(entry: Path) -> bool:
    """Whether an entry makes a folder a used one: hidden files and virtual environments do not."""
    return not entry.name.startswith(".") and not (entry / "pyvenv.cfg").is_file()


def _copy(source: Path, target: Path) -> None:
    """Contents alone: a read-only installation must not make read-only copies."""
    if source.is_dir():
        target.mkdir()
        for entry in sorted(source.iterdir()):
            _copy(entry, target / entry.name)
    else:
        shutil.copyfile(source, target)
