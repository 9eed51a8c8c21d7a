"""What a candidate may read: Python, its packages and the system, but not our own package.

An installed package lies among all others and holds the recorded windows, those of the holdout split too.
"""

import os
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

from eplb_evolve.paths import PACKAGE


def interpreter_folders() -> list[str]:
    """Every folder that Python and its packages are read from; none lies in another one."""
    paths = sysconfig.get_paths()
    places = [sys.prefix, sys.base_prefix, *(paths[key] for key in ("stdlib", "purelib", "platlib"))]
    places += [place for place in sys.path if Path(place).name in ("site-packages", "dist-packages")]
    folders: list[Path] = []
    for place in sorted({Path(place).resolve() for place in places if os.path.isdir(place)}):
        if not any(place.is_relative_to(folder) for folder in folders):
            folders.append(place)
    return [str(folder) for folder in folders]


def without_our_package(places: Iterable[str]) -> tuple[list[str], list[str]]:
    """What to allow so that `places` can be read without our package: what to read whole, what only to list.

    A place that holds our package is taken apart. The folders on the way to the package are only listed, for Python
    looks for modules in them; whatever lies beside that way is read whole.
    """
    whole, listed = [], []
    for place in places:
        way = Path(place).resolve()
        if not PACKAGE.is_relative_to(way):
            whole.append(place)
            continue
        for step in PACKAGE.relative_to(way).parts:
            listed.append(str(way))
            whole += [str(beside) for beside in way.iterdir() if not PACKAGE.is_relative_to(beside.resolve())]
            way /= step
    return whole, listed
