"""What earlier versions wrote is still read: a shipped ledger, record and board of each schema, kept as they were."""

import json
from pathlib import Path

import pytest
from support import ROOT

from eplb_evolve.board.records import read_records
from eplb_evolve.board.shipped_rows import FILE_NAME, read_shipped
from eplb_evolve.evaluation.result import Evaluation, Status
from eplb_evolve.runs.ledger import FILE_NAME as LEDGER
from eplb_evolve.runs.ledger import Ledger

DATA = Path(__file__).parent / "data"
NOT_KEPT = {"evaluator_failed", "ratio_worst", "when", "tier", "operators"}
"""A flag that is a status now, what is computed, and what is the ledger's."""


def same(found: Evaluation, told: dict) -> None:
    """Every figure comes back as it was written; one that the status forbids is left out."""
    kept = found.as_dict()
    flags = (bool(told.get("valid")), bool(told.get("feasible")), bool(told.get("evaluator_failed")))
    assert (found.valid, found.feasible, found.status is Status.EVALUATOR_FAILED) == flags
    for name in set(told) - NOT_KEPT:
        assert (kept[name] or None) == (told[name] or None), name  # a text that was not there was empty


@pytest.mark.parametrize("file", sorted(DATA.glob("record-*.json")), ids=lambda file: file.stem)
def test_records(tmp_path, file):
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "record.json").write_bytes(file.read_bytes())
    (record,) = read_records(tmp_path)
    for found, told in zip(record.evaluations, json.loads(file.read_text())["evaluations"], strict=True):
        same(found, told)


@pytest.mark.parametrize("file", sorted(DATA.glob("standing-*.json")), ids=lambda file: file.stem)
def test_boards(tmp_path, file):
    (tmp_path / FILE_NAME).write_bytes(file.read_bytes())
    for row, told in zip(read_shipped(tmp_path).rows, json.loads(file.read_text())["rows"], strict=True):
        same(row.evaluation, told["evaluation"])


@pytest.mark.parametrize("file", sorted(DATA.glob("ledger-*.jsonl")), ids=lambda file: file.stem)
def test_ledgers(tmp_path, file):
    (tmp_path / LEDGER).write_bytes(file.read_bytes())
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    for entry, told in zip(Ledger(tmp_path).entries(), lines, strict=True):
        assert (entry.when, entry.tier, list(entry.operators)) == (told["when"], told["tier"], told["operators"])
        same(entry.evaluation, told)


def test_what_is_shipped_now():
    assert read_records(ROOT / "results" / "records")
    assert read_shipped(ROOT / "results").rows


def test_a_status_has_no_figures_that_it_forbids():
    told = json.loads((DATA / "ledger-58-fields.jsonl").read_text().splitlines()[0])
    assert told["feasible"]
    for flags in ({"valid": False, "feasible": False}, {"valid": False, "feasible": False, "evaluator_failed": True}):
        found = Evaluation.from_dict(told | flags)
        assert (found.timing, found.balance, found.serving) == (None, None, None)
    with pytest.raises(ValueError, match="has times"):
        Evaluation("p", "s", Evaluation.from_dict(told).conditions, Status.FEASIBLE)
    with pytest.raises(ValueError, match="has no figures"):
        Evaluation("p", "s", found.conditions, Status.INVALID, timing=Evaluation.from_dict(told).timing)
