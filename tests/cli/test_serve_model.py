"""`eplb serve-model` at the command line."""

import json

import pytest
from support import ROOT

SEEDS = [ROOT / "seeds" / f"{name}.py" for name in ("deepseek", "never")]


def test_the_table_fits_80_columns_and_ends_in_a_sentence(eplb):
    code, out, err = eplb("serve-model", *SEEDS, "--workload", "gptoss20b-phased")
    assert code == 0, err
    assert max(len(line.rstrip()) for line in out.splitlines()) <= 80
    for name in ("deepseek", "never", "placed once", "random once", "oracle", "perfect balance"):
        assert name in out
    assert "what is longer than 100 is extrapolated" in " ".join(out.split())
    assert "times the throughput of never rebalancing" in " ".join(out.split())


def test_json_holds_each_curve_and_its_sources(eplb):
    code, out, _ = eplb("serve-model", SEEDS[0], "--workload", "gptoss20b-phased", "--interval", "100", "--json")
    assert code == 0
    (document,) = json.loads(out)
    assert document["sources"].keys() == {"step_s", "load_share", "layer_overhead_s"}
    first = document["curves"][0]
    assert first["name"] == "deepseek"
    assert len(first["steps"]) == len(first["net_throughput"]["blocking"]) == len(first["net_throughput"]["background"])
    assert first["net_throughput_at_interval"]["background"] >= first["net_throughput_at_interval"]["blocking"]


def test_the_plot_is_drawn(eplb, tmp_path):
    pytest.importorskip("matplotlib")
    assert eplb("serve-model", SEEDS[0], "--workload", "gptoss20b-phased", "--plot", tmp_path / "net.svg")[0] == 0
    picture = (tmp_path / "net.svg").read_text()
    for text in ("deepseek", "placed once", "random once", "oracle", "perfect balance", "blocking", "background"):
        assert f"<!-- {text} -->" in picture


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--preset", "deepseek-v3-decod"], "did you mean"),
        (["--interval", "0"], "1 at least"),
        (["--workload", "gptoss20b-phase"], "gptoss20b-phased"),
        (["no-such-file.py"], "no-such-file.py"),
    ],
)
def test_wrong_use_is_one_sentence(eplb, arguments, words):
    code, out, err = eplb("serve-model", *arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert len(err.strip().splitlines()) == 1


def test_a_program_that_fails_is_named_and_the_rest_is_shown(eplb, tmp_path):
    broken = tmp_path / "broken.py"
    broken.write_text("def rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus):\n    return 1\n")
    code, out, _ = eplb("serve-model", broken, SEEDS[0], "--workload", "gptoss20b-phased")
    assert code == 1
    assert "deepseek" in out
    assert "broken: " in out
