"""Settings of memory and threads, from the environment or by a call, stay with the program that made them."""

import pytest

from eplb_evolve.errors import CandidateFailure
from eplb_evolve.sandbox.client import _clean_environment
from eplb_evolve.sandbox.limits import Limits

TELLS = """
import os, torch
names = ("MALLOC_ARENA_MAX", "GLIBC_TUNABLES", "LD_PRELOAD", "OMP_NUM_THREADS", "KMP_BLOCKTIME")
raise ValueError([{name: os.environ.get(name) for name in names}, torch.get_num_threads()])
"""
MEDDLES = """
import ctypes, os, torch
for name in ("MALLOC_ARENA_MAX", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES", "OMP_NUM_THREADS", "KMP_BLOCKTIME"):
    os.environ[name] = "7"
    ctypes.CDLL(None).setenv(name.encode(), b"7", 1)
ctypes.CDLL(None).mallopt(-3, 1 << 30)
torch.set_num_threads(7)


def rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus):
    pass
"""


@pytest.fixture
def told(bench, tmp_path):
    """What a new worker of the bench, as the reference's is one, says of itself."""

    def ask():
        (tmp_path / "tells.py").write_text(TELLS)
        with pytest.raises(CandidateFailure) as said:
            bench.zygote.spawn(tmp_path / "tells.py", Limits())
        return str(said.value)

    return ask


def test_a_programs_own_settings_reach_no_other_worker(told, bench, tmp_path):
    before = told()
    (tmp_path / "meddles.py").write_text(MEDDLES)
    worker = bench.zygote.spawn(tmp_path / "meddles.py", Limits())
    try:
        assert told() == before
        assert "7" not in before
    finally:
        worker.close()


@pytest.mark.parametrize(
    "name", ["MALLOC_ARENA_MAX", "GLIBC_TUNABLES", "LD_PRELOAD", "KMP_BLOCKTIME", "MALLOC_TRIM_THRESHOLD_"]
)
def test_no_such_setting_of_the_users_reaches_any_worker(monkeypatch, name):
    monkeypatch.setenv(name, "7")
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    environment = _clean_environment("cpu")
    assert name not in environment
    assert environment["OMP_NUM_THREADS"] == "1"
