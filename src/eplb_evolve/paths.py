"""Where things lie: the project's folders and the user's cache."""

import os
from pathlib import Path

from eplb_evolve.errors import UsageError

CONFIG_NAME = "evolve_config.yaml"


def project_root() -> Path:
    """The nearest folder, from the working directory up, with workloads/ and evolve_config.yaml; else our checkout."""
    here = Path.cwd()
    for folder in (here, *here.parents, Path(__file__).parents[2]):
        if (folder / "workloads").is_dir() and (folder / CONFIG_NAME).is_file():
            return folder
    raise UsageError(f"no workloads/ and {CONFIG_NAME} in {here} or above; change into a checkout of eplb-evolve")


def cache_dir() -> Path:
    """$XDG_CACHE_HOME/eplb-evolve, by default ~/.cache/eplb-evolve; created when first written to."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "eplb-evolve"
