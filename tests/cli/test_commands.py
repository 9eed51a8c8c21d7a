"""The commands as a person or a script sees them: output, JSON fields, exit codes, sentences."""

import json

import pytest
import yaml
from evaluations import evaluated
from support import ROOT, SEED

from eplb_evolve.board.records import Record
from eplb_evolve.evaluation import measured
from eplb_evolve.runs.ledger import Ledger

CALL = "honest(weight, num_replicas, num_groups, num_nodes, num_gpus)"
PROMISED = {
    *("program", "sha256", "workload", "split", "device", "valid", "feasible", "reason", "time_ms", "time_ms_low"),
    *("time_ms_high", "ratio_to_reference", "time_p99_ms", "first_call_ms", "speedup_over_seed", "balancedness"),
    *("balancedness_same", "balancedness_worst_layer", "balancedness_reference", "transfers", "combined_score"),
    *("samples", "sandbox_level", "machine"),
}


@pytest.fixture
def eplb(project, eplb):
    """The same, in a project of the test's own."""
    return eplb


def test_evaluate_json_has_the_promised_fields(eplb, monkeypatch):
    monkeypatch.setattr(measured, "seed_ratio", lambda *_: 50.0)
    code, out, _ = eplb("evaluate", SEED, "--json", "--split", "holdout")
    (result,) = json.loads(out)
    assert code == 0
    assert set(result) >= PROMISED
    assert result["split"] == "holdout"
    assert result["feasible"] is True
    assert result["balancedness_nearest"] < result["lp_bound"]
    assert result["balancedness_even"] < result["lp_bound"] <= 1
    assert result["speedup_over_seed"] == pytest.approx(50.0 / result["ratio_to_reference"])


def test_evaluate_shows_figures_and_fits_80_columns(eplb):
    code, out, err = eplb("evaluate", SEED)
    assert code == 0, err
    assert "feasible" in out
    assert "ms per call (95 % interval" in out
    assert all(len(line) <= 80 or str(SEED) in line for line in out.splitlines())


def test_several_programs_on_several_workloads(eplb, program):
    wrong = program("x = 1")
    code, out, _ = eplb(
        *("evaluate", SEED, wrong, "--workload", "gptoss20b-phased", "--workload", "gptoss20b-mixed", "--json")
    )
    results = json.loads(out)
    assert code == 1
    assert [(each["workload"], each["valid"]) for each in results] == [
        ("gptoss20b-phased", True),
        ("gptoss20b-phased", False),
        ("gptoss20b-mixed", True),
        ("gptoss20b-mixed", False),
    ]


def test_an_invalid_program_says_why(eplb, program):
    code, out, _ = eplb("evaluate", program(wrapping="print('here')\nraise ValueError('odd')"))
    assert code == 1
    assert "invalid" in out
    assert "ValueError: odd (line" in out
    assert "here" in out


def test_a_topology_override(eplb, program):
    """Where the program is called on the workload's own shape it is given the topology asked for."""
    asked = "weight.shape != (24, 32) or (num_replicas, num_nodes, num_gpus) == (48, 2, 16)"
    file = program(wrapping=f"assert {asked}\nreturn {CALL}")
    arguments = ("evaluate", file, "--json", "--replicas", "48", "--gpus", "16", "--nodes", "2", "--groups", "4")
    code, out, err = eplb(*arguments)
    assert code == 0, err
    assert json.loads(out)[0]["feasible"]


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["evaluate", "nothing.py"], 2, "cannot read the program nothing.py: No such file or directory"),
        (["evaluate", SEED, "--workload", "gptoss"], 2, "unknown workload 'gptoss'"),
        (["evaluate", SEED, "--split", "hold"], 2, "split is search or holdout, not 'hold'"),
        (["evaluate", SEED, "--device", "gpu"], 2, "device is cpu or cuda, not 'gpu'"),
        (["evaluate", SEED, "--replicas", "41"], 2, "41 replicas do not divide among 8 GPUs"),
        (["compare", SEED, SEED, "--replicas", "32", "--gpus", "3"], 2, "--replicas 33 --groups 1 --nodes 1 --gpus 3"),
        (["evaluate", SEED, "--replicas", "24"], 2, "24 replicas cannot hold 32 experts"),
        (["evaluate", SEED, "--config", "none.yaml"], 2, "cannot read the configuration none.yaml"),
        (["workloads", "show", "gptoss20b-phasd"], 2, "did you mean 'gptoss20b-phased'?"),
        (["leaderboard", "--run", "nowhere"], 2, "nowhere holds no ledger.jsonl"),
        (["check", "nothing.yaml"], 2, "cannot read the configuration nothing.yaml"),
        (["record", SEED, "--name", "A b"], 2, "use small letters"),
        (["record", SEED, "--name", "a", "--from", "above"], 2, "--from is one of seed"),
        (["record", SEED, "--name", "a"], 2, "add --search"),
    ],
)
def test_wrong_input_is_one_sentence(eplb, arguments, code, sentence):
    found, out, err = eplb(*arguments)
    assert (found, out) == (code, "")
    assert sentence in err
    assert err.startswith("eplb: ")
    assert len(err.strip().splitlines()) == 1


def test_a_missing_trace_is_one_sentence(eplb, project):
    (project / "workloads").unlink()
    (project / "workloads").mkdir()
    card = (ROOT / "workloads" / "gptoss20b-phased.toml").read_text()
    (project / "workloads" / "gptoss20b-phased.toml").write_text(card)
    code, _, err = eplb("evaluate", SEED)
    assert code == 2
    assert "gptoss20b-phased.npz" in err
    assert len(err.strip().splitlines()) == 1


def test_a_cache_that_cannot_be_written_is_a_problem_of_the_machine(eplb, project, monkeypatch):
    (project / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(project / "file"))
    code, _, err = eplb("evaluate", SEED)
    assert code == 3
    assert "set XDG_CACHE_HOME" in err
    assert len(err.strip().splitlines()) == 1


def test_check_says_what_a_search_will_do(eplb, project):
    base = yaml.safe_load((project / "evolve_config.yaml").read_text())["llm"]["api_base"]
    code, _, err = eplb("check", "evolve_config.yaml")
    assert code == 0
    assert "evolve_config.yaml is fine" in err
    assert f"embedded proposer at {base} (no LLM)" in err
    assert "31 windows x 24 layers x 32 experts" in err


def test_workloads_are_listed(eplb):
    code, out, _ = eplb("workloads", "list")
    assert code == 0
    assert "dsv3-composite" in out
    assert all(len(line) <= 80 for line in out.splitlines())
    listed = [each["name"] for each in json.loads(eplb("workloads", "list", "--json")[1])]
    assert listed == ["dsv2lite-esft", "dsv3-composite", "gptoss20b-mixed", "gptoss20b-phased"]


def test_a_workload_is_shown_beside_its_source(eplb):
    code, out, _ = eplb("workloads", "show", "dsv3-composite")
    assert code == 0
    assert all(len(line) <= 80 for line in out.splitlines())
    assert "dsv2lite-esft" in out
    assert "DeepSeek-V3" in out
    shown = json.loads(eplb("workloads", "show", "dsv3-composite", "--json")[1])
    assert shown["card"]["topology"]["gpus"] == 32
    assert any(row["label"].startswith("Gini") for row in shown["statistics"])


def test_the_leaderboard_measures_seeds_and_confirms_a_run(eplb, project):
    """With an empty folder there are the seed and the reference; a run's best program is measured on holdout."""
    code, out, _ = eplb("leaderboard")
    assert code == 0
    assert "deepseek" in out
    assert "greedy-numpy-1" in out
    assert "eplb run" in out
    from eplb_evolve.evaluation.result import Evaluation
    from eplb_evolve.runs.ledger import Entry

    (found,) = json.loads(eplb("evaluate", SEED, "--json")[1])
    ledger = Ledger(project / "results" / "runs" / "one")
    kept = ledger.keep_program(SEED.read_bytes() + b"# evolved\n", "ee" * 32)
    evaluation = Evaluation.from_dict(found | {"sha256": "ee" * 32, "program": str(kept.relative_to(ledger.run))})
    ledger.append(Entry(evaluation, "now", "T0", ("some_operator",)))
    code, out, err = eplb("leaderboard")
    assert code == 0, err
    assert "on the holdout windows" in err
    assert f"Best program: {kept}" in out
    assert "1 evaluations" in out
    assert [entry.evaluation.conditions.split for entry in ledger.entries()] == ["search", "holdout"]
    rows = json.loads(eplb("leaderboard", "--json")[1])
    assert {row["provenance"] for row in rows} == {"seed", "reference", "evolved"}
    assert all(set(row) >= PROMISED | {"rank", "name", "provenance"} for row in rows)
    assert all(row["split"] == "holdout" for row in rows)


def test_a_record_is_kept(eplb, project):
    (project / "results").mkdir()
    code, _, err = eplb("record", SEED, "--name", "deepseek", "--from", "seed", "--workload", "gptoss20b-phased")
    assert code == 0, err
    record = json.loads((project / "results" / "records" / "deepseek" / "record.json").read_text())
    assert {each["split"] for each in record["evaluations"]} == {"search", "holdout"}
    assert "times the throughput of never rebalancing" in record["worth"]
    assert "a rebalance by deepseek every 3,000 steps" in record["worth"]
    assert record["command"].startswith(f"eplb record {SEED.name} --name deepseek --from seed")
    readme = (project / "results" / "records" / "deepseek" / "README.md").read_text()
    assert "| gptoss20b-phased | holdout |" in readme
    assert "To be written" in readme
    assert record["worth"] in readme
    assert eplb("record", SEED, "--name", "deepseek", "--from", "seed")[0] == 2


def test_the_board_measures_every_seed_and_record_together(eplb, project):
    """Two seeds, the reference, and a program that a search found under another objective; all in one table."""
    (project / "seeds").unlink()
    (project / "seeds").mkdir()
    (project / "seeds" / "deepseek.py").write_text(SEED.read_text())  # all of them would take minutes
    (project / "seeds" / "broken.py").write_text("import nothing_of_that_name\n")
    found = Record(
        "kept", "evolved", "T0 one", "now", "eplb record", "make evolve", {}, [evaluated(0.5, objective="balance")]
    )
    found.write(project / "results" / "records", SEED.read_bytes() + b"# evolved\n", "# kept\n")
    code, out, err = eplb("board", "--workload", "gptoss20b-phased")
    assert code == 0, err
    assert all(len(line) <= 80 for line in out.splitlines() if str(project) not in line)  # a path is not broken
    results = project / "results"
    written, standing = (results / "LEADERBOARD.md").read_text(), json.loads((results / "standing.json").read_text())
    assert "`eplb board --workload gptoss20b-phased`, 20" in written
    for link in ("[deepseek](../seeds/deepseek.py)", "[kept](records/kept/)", "[greedy-numpy-1]("):
        assert link in written
    assert "- broken: import: " in written
    rows = {row["name"]: row["evaluation"] for row in standing["rows"]}
    assert (
        rows["kept"]["balancedness_ratio"] == rows["deepseek"]["balancedness_ratio"]
    )  # the same plans, the same calls
    assert all(rows[name]["replayed"] for name in ("kept", "deepseek", "greedy-numpy-1"))
    assert rows["deepseek"]["program"] == "seeds/deepseek.py"
    for place in (str(project), str(ROOT)):  # nor any other path of this machine
        assert place not in json.dumps(standing)
    assert eplb("board", "--no-measure")[0] == 0
    assert eplb("board", "--no-measure", "--workload", "gptoss20b-mixed")[0] == 2
    assert (results / "LEADERBOARD.md").read_text() == written


def test_where_groups_bind_the_board_has_a_table_without_them(eplb, project):
    (project / "seeds").unlink()
    (project / "seeds").mkdir()
    (project / "seeds" / "deepseek.py").write_text(SEED.read_text())
    (project / "seeds" / "global_snake.py").write_bytes((ROOT / "seeds" / "global_snake.py").read_bytes())
    config = yaml.safe_load((project / "evolve_config.yaml").read_text())
    config["eplb"]["topology"] = {"replicas": 40, "groups": 8, "nodes": 4, "gpus": 8}
    config["eplb"]["profiles"]["default"]["robust"] = dict.fromkeys(("next_window", "same_window", "worst_layer"), 0.0)
    (project / "evolve_config.yaml").write_text(yaml.safe_dump(config))
    code, out, err = eplb("board", "--workload", "gptoss20b-phased")
    assert code == 0, err
    assert all(len(line) <= 80 for line in out.splitlines() if str(project) not in line)
    written = (project / "results" / "LEADERBOARD.md").read_text()
    grouped, free = written.split("## gptoss20b-phased without groups (another problem), holdout windows")
    assert "- global_snake: layer " in grouped
    assert "it must stay on one" in grouped
    assert "| [global_snake](../seeds/global_snake.py) | baseline | -" not in free
    assert "Dropping the rule alone" in free
    assert "`eplb board --workload gptoss20b-phased`, 20" in free


def test_an_evolved_program_that_is_beaten_is_not_recorded(eplb, project, program):
    slow = program(wrapping=f"import time\ntime.sleep(0.05)\nreturn {CALL}")
    arguments = ("record", slow, "--name", "slow", "--workload", "gptoss20b-phased")
    code, _, err = eplb(*arguments)
    assert (code, "--search" in err) == (2, True)
    code, _, err = eplb(*arguments, "--search", "by hand")
    assert code == 1
    assert "not recorded: on gptoss20b-phased" in err
    assert "deepseek is at least as good in time, balance and transfers" in err
    assert not (project / "results" / "records").exists()


def test_outside_a_checkout_the_package_uses_its_own(eplb, monkeypatch):
    monkeypatch.chdir("/")
    code, out, _ = eplb("workloads", "list")
    assert code == 0
    assert "dsv3-composite" in out


def test_the_board_measures_the_other_seeds_on_request_only(eplb, project):
    (project / "seeds").unlink()
    (project / "seeds").mkdir()
    (project / "seeds" / "deepseek.py").symlink_to(ROOT / "initial_program.py")
    never = (ROOT / "seeds" / "never.py").read_text()
    (project / "seeds" / "never.py").write_text(f"{never}\n# {project}: no other test has measured this text\n")
    arguments = ("leaderboard", "--json")
    _, before, _ = eplb(*arguments)
    code, after, _ = eplb(*arguments, "--seeds")
    assert code == 0
    assert "never" not in {row["name"] for row in json.loads(before)}
    (row,) = [row for row in json.loads(after) if row["name"] == "never"]
    assert (row["provenance"], row["rank"], row["feasible"]) == ("baseline", None, False)
