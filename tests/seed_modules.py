"""The programs of seeds/ as modules that tests share: what one compiles is compiled once in a process."""

import functools
import importlib.util
import os

import pytest
from support import ROOT

os.environ["TRITON_INTERPRET"] = "1"  # Triton asks when a kernel is defined
SEEDS = sorted(file for file in (ROOT / "seeds").glob("*.py") if not file.is_symlink())


@functools.cache
def loaded(file):
    """The seed as a module; what it compiles stays."""
    spec = importlib.util.spec_from_file_location(f"seed_{file.stem}", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def grouped(files):
    """Parameters; all tests of one seed run in one process, which compiles it once."""
    return [pytest.param(file, id=file.stem, marks=pytest.mark.xdist_group(f"seed {file.stem}")) for file in files]
