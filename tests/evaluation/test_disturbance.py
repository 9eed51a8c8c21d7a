"""Processor time that a quota or a hypervisor takes: read, named, and a reason for a call not to count."""

from types import SimpleNamespace

import numpy as np
import pytest

from eplb_evolve.evaluation import disturbance
from eplb_evolve.evaluation.block import REFERENCE, Block
from eplb_evolve.evaluation.disturbance import Taken, taken, words

STAT = "cpu  1 2 3 4 5 6 7 {all} 9 0\ncpu0 1 2 3 4 5 6 7 30 9 0\ncpu1 1 2 3 4 5 6 7 12 9 0\nintr 5\n"


@pytest.fixture
def machine(tmp_path, monkeypatch):
    monkeypatch.setattr(disturbance, "CGROUP", tmp_path)
    monkeypatch.setattr(disturbance, "STAT", tmp_path / "stat")
    return tmp_path


def test_what_was_taken_is_read(machine):
    (machine / "stat").write_text(STAT.format(all=42))
    (machine / "cpu.stat").write_text("usage_usec 5\nnr_periods 9\nnr_throttled 7\n")
    assert taken() == Taken(7, 42)
    assert taken([0]) == Taken(7, 30)
    assert taken([0, 1]) == Taken(7, 42)


def test_the_older_control_groups_are_read_as_well(machine):
    (machine / "cpu").mkdir()
    (machine / "cpu" / "cpu.stat").write_text("nr_throttled 3\n")
    assert taken() == Taken(3, 0)


@pytest.mark.parametrize("text", ["", "nr_throttled\n", "nr_throttled x\n", "cpu 1 2\n"])
def test_a_machine_that_does_not_tell_takes_nothing(machine, text):
    for name in ("cpu.stat", "stat", "cpu.max"):
        (machine / name).write_text(text)
    assert taken([0]) == Taken(0, 0)
    assert words() == []


def test_doctor_names_it(machine):
    (machine / "cpu.max").write_text("150000 100000\n")
    (machine / "cpu.stat").write_text("nr_throttled 7\n")
    (machine / "stat").write_text(STAT.format(all=1234))
    assert words() == [
        "a quota of 1.5 processors (cpu.max)",
        "throttled in 7 periods; calls beside which that happens do not count",
        "12 s stolen by the hypervisor since the start",
    ]


def test_a_call_of_the_reference_that_was_robbed_does_not_count():
    calls = [SimpleNamespace(seconds=0.01, waited=waited) for waited in (0.0, 0.0, 0.1)]
    block = Block({REFERENCE: calls}, [False, True, False])
    assert np.array_equal(block.quiet(), [True, False, False])
