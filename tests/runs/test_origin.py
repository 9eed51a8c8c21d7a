"""A program that a run did not find is not called evolved, whatever its path, header or line ends are."""

import dataclasses
import hashlib

import pytest
from ledgers import append, entry, started
from support import ROOT, SEED

from eplb_evolve.board.rows import evolved_rows, named
from eplb_evolve.cli import live
from eplb_evolve.paths import project_at
from eplb_evolve.report.gather import gather
from eplb_evolve.report.sections import BEST_IS_START, lineage
from eplb_evolve.report.verdict import verdict
from eplb_evolve.runs.family import read_family
from eplb_evolve.runs.ledger import Ledger
from eplb_evolve.runs.origin import Origins, text_sha256
from eplb_evolve.runs.progress import Follower

MINE = b"# my own seed\n" + SEED.read_bytes()
HEADER = b"# proposed-by: embedded tier=T0 operators=jit_run from=09adf10fb8df\n# steps: jit_run\n"
SHIPPED = project_at(ROOT).seed_files()


def sha(source):
    return hashlib.sha256(source).hexdigest()


@pytest.fixture
def run(tmp_path):
    return tmp_path / "run"


def made(run, *sources, ratio=1.0):
    """A run that started from MINE and evaluated these texts, one after another, each faster."""
    started(run, 0, 9, seed_program="folder/mine.py", seed_sha256=sha(MINE))
    for number, source in enumerate((MINE, *sources), 1):
        Ledger(run).keep_program(source, sha(source))
        append(run, entry(number, ratio / number, ("jit_run",) if number > 1 else (), sha256=sha(source)))
    return Origins(run, Ledger(run).entries(), SHIPPED)


def test_a_program_of_another_island_is_no_find_of_the_search(run):
    others = MINE + b"# the second\n", MINE + b"# the third\n"
    started(run, 0, 9, seed_sha256=sha(MINE), island_programs=tuple(("program.py", sha(source)) for source in others))
    for number, source in enumerate((MINE, *others), 1):
        Ledger(run).keep_program(source, sha(source))
        append(run, entry(number, 1 / number, (), sha256=sha(source)))
    progress = Follower(run).look(0)
    assert progress.nothing_found
    assert progress.expected == 3 + 9
    read = gather(run)
    assert read.winner.evaluation.sha256 == sha(others[1])
    assert "nothing better than" in verdict(read)[0]
    assert lineage(read, read_family(run)).missing == BEST_IS_START


def rows(run, origins):
    return [named(row, origins) for row in evolved_rows(Ledger(run).entries())]


@pytest.mark.parametrize(
    "again",
    [
        MINE,
        HEADER + MINE,
        MINE.replace(b"# EVOLVE-BLOCK-START\n", b"# EVOLVE-BLOCK-START\n" + HEADER),
        MINE.replace(b"\n", b"\r\n"),
        MINE.replace(b"\n", b" \n") + b"\n\n",
    ],
)
def test_the_text_that_a_run_started_from_is_its_seed(run, again):
    origins = made(run, again)
    assert [(row.name, row.provenance, row.evaluation.sha256) for row in rows(run, origins)] == [
        ("mine", "seed", sha(MINE))
    ] * 2
    progress = Follower(run).look(0)
    assert progress.nothing_found
    assert "what the search started from" in live.summary(progress)
    read = gather(run)
    assert read.winner.evaluation.sha256 == read.started_from


@pytest.mark.parametrize(
    ("name", "provenance"), [("deepseek", "seed"), ("cpp_simd", "reference"), ("vllm_default", "baseline")]
)
def test_a_shipped_program_keeps_what_it_says_of_itself(run, name, provenance):
    origins = made(run, HEADER + SHIPPED[name].read_bytes())
    found = rows(run, origins)[1]
    assert (found.name, found.provenance, found.link) == (name, provenance, f"../seeds/{name}.py")


@pytest.mark.parametrize("other", [MINE + b"x = 1\n", MINE.replace(b"import torch", b"import  torch"), b""])
def test_another_text_is_evolved(run, other):
    origins = made(run, other)
    assert [row.provenance for row in rows(run, origins)] == ["seed", "evolved"]
    assert not Follower(run).look(0).nothing_found


def test_without_run_json_the_first_program_is_the_seed(run):
    append(run, entry(1, 1.0, ()), entry(2, 0.5))
    origins = Origins(run, Ledger(run).entries(), {})
    assert [row.provenance for row in rows(run, origins)] == ["seed", "evolved"]


def test_a_program_whose_text_is_gone_is_known_by_its_hash(run):
    made(run)
    Ledger(run).keep_program(b"changed", sha(MINE))
    origins = Origins(run, Ledger(run).entries(), {})
    assert [row.provenance for row in rows(run, origins)] == ["seed"]
    assert text_sha256(b"a\n") == text_sha256(b"a  \r\n\n")


@pytest.mark.parametrize("value", ["fast", [1], float("nan"), True, None])
def test_a_ledger_line_with_a_figure_that_is_none_is_read_past(run, value):
    one = entry(1, 1.0)
    append(run, one, dataclasses.replace(one, evaluation=dataclasses.replace(one.evaluation, combined_score=value)))
    assert len(Ledger(run).entries()) == 1
    assert Follower(run).look(0).done == 1
