"""Configurations: what is shipped is fine, and each way of being wrong is one sentence that names the key."""

import dataclasses
import re

import pytest
import yaml
from support import ROOT

from eplb_evolve import config
from eplb_evolve.errors import UsageError
from eplb_evolve.evaluation.settings import TRADED, Settings, Thresholds
from eplb_evolve.serving.worth import Serving

SHIPPED = ROOT / "evolve_config.yaml"


@pytest.fixture
def edited(tmp_path):
    """The shipped configuration with one text replaced."""

    def edit(old, new):
        text = SHIPPED.read_text()
        assert old in text
        file = tmp_path / "config.yaml"
        file.write_text(text.replace(old, new))
        return file

    return edit


def test_the_shipped_configuration_uses_the_embedded_proposer():
    read = config.read(SHIPPED)
    assert read.local_models == ("embedded",)
    assert read.gateway_api_base == "http://127.0.0.1:18765/v1"
    assert read.random_seed == 42


def test_the_shipped_file_states_the_defaults():
    """What `eplb:` says there and what the code does without it are the same."""
    assert config.read(SHIPPED).eplb == config.EplbSection()
    assert config.read(SHIPPED).eplb.settings() == Settings()
    written = yaml.safe_load(SHIPPED.read_text())["eplb"]
    assert set(written) == {field.name for field in dataclasses.fields(config.EplbSection)}


@pytest.mark.parametrize("name", sorted(file.stem for file in (ROOT / "configs").glob("*.yaml")))
def test_every_configuration_goes_through_the_gateway_and_is_fine_once_its_key_is_set(name, monkeypatch):
    monkeypatch.setenv("GEMINI_API_KEY", "x")
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    read = config.read(ROOT / "configs" / f"{name}.yaml")
    assert read.gateway_api_base == "http://127.0.0.1:18765/v1"
    assert read.direct_models == ()
    assert set(read.llm_models) == set(read.eplb.gateway.models)


def test_the_balance_configuration_differs_in_objective_and_workload_only():
    read = config.read(ROOT / "configs" / "balance.yaml")
    assert read.eplb == config.EplbSection(objective="balance", workload="gptoss20b-phased", checks=())
    assert read.llm_models == config.read(SHIPPED).llm_models


def test_net_throughput_has_a_server_and_its_own_constraint_whatever_the_profile():
    read = config.read(ROOT / "configs" / "net_throughput.yaml")
    assert read.eplb == config.EplbSection(objective="net_throughput", serving=Serving(interval=25))
    assert read.eplb.settings().thresholds == TRADED
    assert config.EplbSection(objective="time").settings().thresholds == Thresholds()


@pytest.mark.parametrize("name", ["gemini", "openai"])
def test_an_unset_key_variable_is_named(name, monkeypatch):
    variable = f"{name.upper()}_API_KEY"
    monkeypatch.delenv(variable, raising=False)
    with pytest.raises(
        UsageError, match=rf"{name}.yaml: eplb.gateway.models.* asks for the environment variable {variable}"
    ):
        config.read(ROOT / "configs" / f"{name}.yaml")


def test_an_evaluation_needs_no_key(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert config.read_eplb(ROOT / "configs" / "openai.yaml").workload == "dsv3-composite"


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("pairs_fast", "pair_fast", "unknown key 'eplb.timing.pair_fast' (did you mean 'pairs_fast'?)"),
        ("num_islands", "num_island", "unknown key 'database.num_island' (did you mean 'num_islands'?)"),
        ("\neplb:", "\neplbb:", "unknown key 'eplbb' (did you mean 'eplb'?)"),
        ("name: embedded", "nam: embedded", "unknown key 'llm.models[0].nam' (did you mean 'name'?)"),
        ("strict: {next_window", "strict: {next_widow", "'eplb.profiles.strict.next_widow' (did you mean"),
        ("pairs_fast: 40", "pairs_fast: forty", "eplb.timing.pairs_fast: input should be a valid integer"),
        ("num_islands: 2", "num_islands: two", 'field "database.num_islands" - should be "int"'),
        ("topology: null", "topology: {replicas: 288}", "eplb.topology.groups: field required"),
        (
            "topology: null",
            "topology: {replicas: 290, groups: 8, nodes: 4, gpus: 32}",
            "eplb: topology: 290 replicas do not divide among 32 GPUs",
        ),
        ("profile: default", "profile: defualt", "eplb.profile 'defualt' is not one of eplb.profiles"),
        ("preset: deepseek-v3-decode", "preset: deepseek-v3-decod", "no deployment 'deepseek-v3-decod' (did you mean"),
        ("interval: 3000", "interval: 0", "serving: interval is a number of steps, 1 at least, not 0"),
        ("mode: blocking", "mode: sync", "eplb.serving.mode: input should be 'blocking' or 'background', not 'sync'"),
        ("device: cpu", "device: tpu", "eplb.device: input should be 'cpu' or 'cuda', not 'tpu'"),
        ("file_mb: 512", "file_mb: 0", "limits: file_mb must be positive, not 0"),
        ("default: {next_window: 0.985", "default: {next_window: 98.5", "next_window is a share of the reference"),
        ("  timing:", "  timing: 3\n  x:", "eplb.timing must be a mapping of keys, not int"),
    ],
)
def test_a_wrong_key_or_value_is_named(edited, old, new, sentence):
    with pytest.raises(UsageError, match=re.escape(sentence)):
        config.read(edited(old, new))


@pytest.mark.parametrize(
    ("text", "sentence"), [("a: [", "is not YAML"), ("- a", "expected sections"), ("", "expected sections")]
)
def test_a_file_that_is_no_configuration(tmp_path, text, sentence):
    file = tmp_path / "config.yaml"
    file.write_text(text)
    with pytest.raises(UsageError, match=sentence):
        config.read(file)


def test_a_missing_file(tmp_path):
    with pytest.raises(UsageError, match=r"cannot read the configuration .*No such file"):
        config.read(tmp_path / "none.yaml")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0, -1, 1e99, True])
@pytest.mark.parametrize(
    "key", ["limits.threads", "timing.max_seconds", "limits.call_s", "limits.memory_mb", "serving.interval"]
)
def test_a_number_that_is_none_is_refused(tmp_path, key, value):
    """Each with the key's name, before a search."""
    section, name = key.split(".")
    file = tmp_path / "c.yaml"
    file.write_text(yaml.safe_dump({"eplb": {section: {name: value}}}))
    with pytest.raises(UsageError, match=rf"c\.yaml: .*{section}.*{name}"):
        config.read_eplb(file)


@pytest.mark.parametrize("value", [0, -1, 10**20, True])
@pytest.mark.parametrize("key", ["max_iterations", "checkpoint_interval", "evaluator.timeout"])
def test_a_number_of_openevolve_that_cannot_be_meant_is_refused(tmp_path, key, value):
    *above, name = key.split(".")
    document = yaml.safe_load((ROOT / "evolve_config.yaml").read_text())
    place = document
    for section in above:
        place = place.setdefault(section, {})
    place[name] = value
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(document))
    with pytest.raises(UsageError, match=name):
        config.read(tmp_path / "c.yaml")
