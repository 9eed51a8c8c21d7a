"""The ledger: one complete line per evaluation, whatever happens to the process that writes."""

import json
import multiprocessing

import pytest
from evaluations import evaluated

from eplb_evolve.errors import EnvironmentProblem
from eplb_evolve.runs.ledger import Entry, Ledger


def entry(ratio=None, **fields):
    return Entry(evaluated(ratio, **fields), "2026-01-01T00:00:00+00:00", "T0", ("one", "two"))


def test_lines_come_back_as_they_were_written(tmp_path):
    ledger = Ledger(tmp_path / "run")
    written = [entry(2.5), entry(reason="line 1\nline 2 \u2028 é")]
    for each in written:
        ledger.append(each)
    assert ledger.entries() == written
    assert len(ledger.file.read_text().splitlines()) == 2


def test_a_torn_line_stays_apart(tmp_path):
    """A process killed while writing costs that line only, not the next."""
    ledger = Ledger(tmp_path)
    ledger.append(entry())
    with ledger.file.open("a") as file:
        file.write('{"when": "20')
    ledger.append(entry(1.0))
    assert [each.evaluation.feasible for each in ledger.entries()] == [False, True]


def test_lines_of_another_version_are_read(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.append(entry())
    line = json.loads(ledger.file.read_text())
    ledger.file.write_text(json.dumps(line | {"a_figure_of_tomorrow": 1}) + "\n")
    assert ledger.entries() == [entry()]


def append_many(folder):
    for _ in range(50):
        Ledger(folder).append(entry(reason="x" * 3000))


def test_processes_do_not_tear_each_others_lines(tmp_path):
    writers = [multiprocessing.get_context("fork").Process(target=append_many, args=(tmp_path,)) for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(Ledger(tmp_path).entries()) == 150


def test_the_best_is_the_first_feasible_program_with_the_smallest_ratio_of_the_split(tmp_path):
    ledger = Ledger(tmp_path)
    assert ledger.best("search") is None
    rows = [(True, "search", 3.0), (False, "search", 1.0), (True, "holdout", 0.5), (True, "search", 3.0)]
    for number, (feasible, split, ratio) in enumerate(rows):
        ledger.append(entry(ratio, feasible=feasible, split=split, samples=number))
    ledger.append(entry(reason="crashed"))
    assert ledger.best("search").evaluation.timing.samples == 0


def test_programs_are_kept_by_hash(tmp_path):
    kept = Ledger(tmp_path).keep_program(b"x = 1\n", "cd" * 32)
    assert kept == tmp_path / "programs" / "cdcdcdcdcdcd.py"
    assert kept.read_bytes() == b"x = 1\n"


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentProblem, match=r"cannot write .*ledger.jsonl"):
        Ledger(tmp_path / "file").append(entry())
