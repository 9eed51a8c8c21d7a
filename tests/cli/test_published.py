"""`eplb evaluate --published`: the table, the JSON, and what it is not for."""

import json

import pytest
from clocked import Clocked, taking
from support import ROOT, SEED

from eplb_evolve.cli import evaluate as command
from eplb_evolve.evaluation.pipeline import evaluate

TORN = "from eplb_evolve.reference import rebalance_experts as honest\n\n\n" + (
    "def rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus):\n"
    "    return honest(weight, num_replicas, 1, 1, num_gpus)\n"
)
GROUPED = ("--groups", "4", "--nodes", "2", "--replicas", "40", "--gpus", "8")


@pytest.fixture
def eplb(eplb, project, monkeypatch):
    """Without clock and sandbox."""
    monkeypatch.setattr(command, "open_bench", lambda _: Clocked())
    monkeypatch.setattr(command, "is_deepseek_form", lambda _: False)
    monkeypatch.setattr(command, "evaluate_with_speedup", lambda *given: evaluate(*given[:3]))
    return eplb


def rows(out):
    """Cells of the table's rows, by the program's name."""
    return {line.split()[0]: line.split()[1:] for line in out.splitlines() if line.split()}


def test_the_table_has_both_scores_beside_our_verdict(eplb, written):
    files = written("good", taking(0.02)), written("torn", TORN), written("broken", "import nothing\n")
    code, out, err = eplb("evaluate", *files, "--published", *GROUPED)
    assert code == 1, err
    found = rows(out)
    assert found["good"][0] == "ok"
    assert found["good"][1] == "2"
    assert found["good"][-2:] == ["yes", "yes"]
    assert found["torn"][:2] == ["no", "-"]
    assert found["torn"][-2:] == ["no", "yes"]
    assert float(found["torn"][3]) > float(found["good"][3])  # the leaderboard's score
    assert "broken: no public score: import:" in out
    assert "torn: invalid here: layer" in out
    assert "holdout windows" in out
    assert "Only the balances compare" in out
    assert all(len(line) <= 80 for line in out.splitlines())


def test_programs_of_one_name_are_told_apart(eplb, tmp_path):
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "program.py").write_text(taking(0.02))
    files = [tmp_path / folder / "program.py" for folder in ("one", "other")]
    assert {"one/program", "other/program"} <= rows(eplb("evaluate", *files, "--published")[1]).keys()
    assert str(files[0]) in eplb("evaluate", files[0], files[0], "--published")[1]


def test_json_has_them_too(eplb, written):
    code, out, _ = eplb("evaluate", written("good", taking(0.02)), written("torn", TORN), "--published", "--json")
    assert code == 1  # the small random loads have groups
    found = json.loads(out)
    assert [each["valid"] for each in found] == [True, False]
    assert [each["split"] for each in found] == ["holdout", "holdout"]
    assert found[0]["published"].keys() == found[1]["published"].keys()
    told = found[0]["published"]
    assert told["groups_kept"] is None
    assert told["log2phy_right"] is True
    assert told["leaderboard_score"] == pytest.approx(90 * told["gpu_balancedness"] + 0.5 - 0.4)


def test_without_the_option_nothing_is_said_of_it(eplb, written):
    code, out, _ = eplb("evaluate", written("good", taking(0.02)), "--json")
    assert code == 0
    (found,) = json.loads(out)
    assert found["split"] == "search"
    assert "published" not in found


def test_the_search_windows_on_demand(eplb, written):
    _, out, _ = eplb("evaluate", written("good", taking(0.02)), "--published", "--split", "search")
    assert "search windows" in out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--device", "cuda"], "both public evaluators hand over tensors on the CPU; use --device cpu"),
        (["--workload", "gptoss20b-phased+dsv2lite-esft"], "name each by itself"),
        (["--split", "all"], "split is search or holdout, not 'all'"),
    ],
)
def test_what_makes_no_sense_is_one_sentence(eplb, arguments, sentence):
    code, out, err = eplb("evaluate", SEED, "--published", *arguments)
    assert code == 2
    assert sentence in err
    assert not out
    assert "Traceback" not in err


def test_other_commands_do_not_have_it(eplb):
    code, _, err = eplb("compare", SEED, ROOT / "seeds" / "never.py", "--published")
    assert code == 2
    assert "No such option: --published" in err
