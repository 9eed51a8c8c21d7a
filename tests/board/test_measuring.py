"""What stands on the board beside a run."""

from support import ROOT

from eplb_evolve.board.measuring import seed_rows
from eplb_evolve.evaluation.bench import LazyBench
from eplb_evolve.paths import project_at


def test_without_a_bench_nothing_is_measured(task, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert seed_rows(project_at(ROOT), task, None, True, lambda _: None) == []


def test_a_bench_that_nobody_asks_for_is_not_opened(task, monkeypatch):
    monkeypatch.setattr("eplb_evolve.evaluation.bench.open_bench", lambda _: 1 / 0)
    LazyBench(task.settings).close()
