"""The confinement attempts of tests/sandbox/test_confinement.py, for a process that is an ordinary user."""

import importlib.util
import json
import os
import tempfile
from contextlib import closing
from pathlib import Path

from support import ROOT

from eplb_evolve.sandbox import Zygote


def main(level):
    """Print, as JSON, the level reached and the attempts that succeeded."""
    attempts = load("tests/sandbox/test_confinement.py").attempts
    write = load("tests/conftest.py").write_program
    with closing(Zygote(level)) as zygote, tempfile.TemporaryDirectory() as folder:
        succeeded = attempts(zygote, lambda wrapping: write(Path(folder), wrapping=wrapping))
        print(json.dumps({"level": zygote.level, "root": os.getuid() == 0, "succeeded": succeeded}))


def load(path):
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
