"""Shared fixtures: a private cache, one bench for all tests, a small task, and programs made from the seed."""

import glob
import os
import time
from contextlib import closing
from pathlib import Path

import pytest
from support import ROOT, SEED
from zygotes import Zygotes

from eplb_evolve.evaluation import bench as benches
from eplb_evolve.evaluation.bench import Bench
from eplb_evolve.evaluation.settings import RobustThresholds, Settings, Thresholds, Timing
from eplb_evolve.evaluation.task import build_task
from eplb_evolve.sandbox import Limits

CHEATS_FILES = ("/tmp/eplb-plan*", "/dev/shm/eplb-plan*", str(Path.home() / "*eplb-plan*"))
"""What programs of tests/exploits write where a weak sandbox lets them."""


def pytest_sessionfinish(session):
    if not hasattr(session.config, "workerinput"):  # once, after all processes of pytest-xdist
        for pattern in CHEATS_FILES:
            for file in glob.glob(pattern):
                Path(file).unlink()


def pytest_addoption(parser):
    parser.addoption(
        "--all-levels", action="store_true", help="Every program of tests/exploits at every sandbox level."
    )


UNROBUST = Thresholds(robust=RobustThresholds(0.0, 0.0, 0.0))
"""The usual constraint, without the calls on loads unlike the timed ones."""
HEADER = "def rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus):\n"


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    """The user's cache stays as it is."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["XDG_CACHE_HOME"] = str(folder)
    return folder


@pytest.fixture(scope="session", autouse=True)
def zygotes(cache):
    """Lends running zygotes; every Bench of this process uses them."""
    with closing(Zygotes()) as zygotes, pytest.MonkeyPatch.context() as patch:
        patch.setattr(benches, "Zygote", zygotes)
        yield zygotes


@pytest.fixture(scope="session")
def bench(cache, zygotes):
    with closing(Bench(cache / "timing.lock")) as bench:
        yield bench


@pytest.fixture(scope="session")
def task():
    """Small and quick: 24 layers x 32 experts, few pairs, short limits, no loads unlike the timed ones."""
    quick = Timing(pairs_fast=4, pairs_slow=3)
    settings = Settings(UNROBUST, quick, Limits(first_call_s=3.0, call_s=2.0))
    return build_task([ROOT / "workloads"], "gptoss20b-phased", [], settings)


def write_program(folder, text="", wrapping=""):
    """`text` as it is, or the seed with `wrapping` as the body of another rebalance_experts; the seed is `honest`."""
    if wrapping:
        indented = "".join(f"    {line}\n" for line in wrapping.splitlines())
        text = SEED.read_text() + "\n\nimport torch\nhonest = rebalance_experts\ncalls = 0\n\n\n" + HEADER + indented
    file = folder / "program.py"
    file.write_text(text)
    return file


@pytest.fixture
def program(tmp_path):
    """Write a program: `program(text)` as it is, `program(wrapping=body)` around the seed, which is `honest` there."""

    def write(text="", wrapping=""):
        return write_program(tmp_path, text, wrapping)

    return write


@pytest.fixture
def written(tmp_path):
    """Write several programs, each by its name: `written(name, text)`."""

    def write(name, text):
        (tmp_path / f"{name}.py").write_text(text)
        return tmp_path / f"{name}.py"

    return write


@pytest.fixture
def configured(tmp_path):
    """Write the configuration of a short search: `configured(port, **settings)`; the file's path."""
    from searches import write_config  # here: a GPU machine may lack what it needs

    def write(port, **settings):
        return write_config(tmp_path, port, **settings)

    return write


@pytest.fixture
def no_orphans(tmp_path, monkeypatch):
    """Fail when a process or a temporary file of the test's run is left; these lie in the test's folder."""
    from searches import processes_of

    monkeypatch.setenv("TMPDIR", str(tmp_path))
    yield
    deadline = time.monotonic() + 10
    while (left := [*processes_of(tmp_path), *tmp_path.glob("eplb-*")]) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not left


LONG = {"test_package", "test_endings", "test_search", "test_faults", "test_run", "test_exploits_weakened"}
"""Modules whose tests run whole searches, or install the package."""


def pytest_collection_modifyitems(items):
    """Those come first: at the end they would leave the other process without work."""
    items.sort(key=lambda item: item.path.stem not in LONG)
