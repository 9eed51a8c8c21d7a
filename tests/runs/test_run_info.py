"""How a run was started is kept beside its ledger."""

import dataclasses
import json

import pytest

from eplb_evolve.errors import UsageError
from eplb_evolve.runs.run_info import FILE_NAME, RunInfo, add_start, configuration_of, read_starts

START = RunInfo(
    started="2026-11-25T02:00:00+00:00",
    command=("openevolve-run", "initial_program.py", "evaluator.py"),
    iterations=30,
    resumed=False,
    workload="w",
    objective="time",
    proposer="the embedded proposer (no LLM is used)",
    random_seed=42,
    seed_program="initial_program.py",
    seed_sha256="ab" * 32,
    config="eplb:\n",
    versions={"python": "3.11"},
)


def test_each_start_of_a_run_is_kept(tmp_path):
    assert read_starts(tmp_path) == []
    again = dataclasses.replace(START, iterations=10, resumed=True)
    add_start(tmp_path / "run", START)
    add_start(tmp_path / "run", again)
    assert read_starts(tmp_path / "run") == [START, again]
    assert configuration_of(tmp_path / "run").read_text() == START.config
    assert configuration_of(tmp_path) is None


def test_every_program_that_a_search_starts_from_is_kept_whatever_its_file_is_called(tmp_path):
    several = dataclasses.replace(START, island_programs=(("program.py", "cd" * 32), ("program.py", "ef" * 32)))
    add_start(tmp_path, several)
    add_start(tmp_path, several)
    assert read_starts(tmp_path) == [several, several]
    assert [sha256[:2] for _, sha256 in several.seeds] == ["ab", "cd", "ef"]


def test_a_run_from_before_there_were_several_is_read(tmp_path):
    add_start(tmp_path, START)
    (old,) = json.loads((tmp_path / FILE_NAME).read_text())
    del old["island_programs"]
    (tmp_path / FILE_NAME).write_text(json.dumps([old]))
    assert read_starts(tmp_path) == [START]


def test_a_broken_file_is_named(tmp_path):
    (tmp_path / FILE_NAME).write_text("[{}]")
    with pytest.raises(UsageError, match=r"run\.json is broken"):
        read_starts(tmp_path)
