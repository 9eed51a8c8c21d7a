"""The section eplb.gateway: what asks for a gateway, and each way of being wrong in one sentence."""

import re

import pytest
import yaml
from gateway.conftest import KEY
from support import ROOT

from eplb_evolve import config
from eplb_evolve.errors import UsageError

MODEL = {
    "api_base": "https://api.example.com/v1",
    "api_key_env": "TEST_KEY",
    "input_usd_per_million": 1.0,
    "output_usd_per_million": 2.0,
}


@pytest.fixture
def written(tmp_path):
    """The shipped configuration with these models, this gateway and these values in `llm`; the file's path."""

    def write(names=("big",), llm=None, model=None, **gateway):
        document = yaml.safe_load((ROOT / "evolve_config.yaml").read_text())
        document["llm"] |= {"models": [{"name": name} for name in names], "timeout": 1200} | (llm or {})
        document["prompt"]["template_dir"] = str(ROOT / "prompts")
        document["eplb"]["gateway"] = {"models": {"big": MODEL | (model or {})}} | gateway
        file = tmp_path / "config.yaml"
        file.write_text(yaml.safe_dump(document))
        return file

    return write


def test_local_and_forwarded_models_are_served_by_one_gateway(written):
    read = config.read(written(("big", "embedded")))
    assert read.gateway_api_base == "http://127.0.0.1:18765/v1"
    assert (read.local_models, read.llm_models) == (("embedded",), ("big",))
    assert read.proposer == "models big and the embedded proposer"
    assert read.eplb.gateway.models["big"].key() == KEY


def test_a_forwarded_run_is_recorded_and_a_local_one_is_not_unless_said(written):
    assert config.read(written()).eplb.gateway.records
    assert not config.read(written(record=False)).eplb.gateway.records
    assert not config.read(ROOT / "evolve_config.yaml").eplb.gateway.records
    assert config.read(written(("embedded",), models={}, record=True)).eplb.gateway.records


def test_a_provider_on_this_machine_needs_no_gateway(written):
    path = written(("qwen",), {"api_base": "http://127.0.0.1:11434/v1", "timeout": 60}, models={})
    assert config.read(path).gateway_api_base is None


def test_the_recorded_configuration_is_fine_once_its_keys_are_set(monkeypatch):
    monkeypatch.setenv("GEMINI_API_KEY", "x")
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    read = config.read(ROOT / "configs" / "recorded.yaml")
    assert read.gateway_api_base is not None
    assert read.eplb.gateway.records
    assert set(read.llm_models) == set(read.eplb.gateway.models)


def test_an_unset_key_variable_stops_a_search_but_no_evaluation(written, monkeypatch):
    monkeypatch.delenv("TEST_KEY")
    with pytest.raises(UsageError, match="asks for the environment variable TEST_KEY, which is not set"):
        config.read(written())
    assert config.read_eplb(written()).gateway.models["big"].key() is None


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"names": ("big", "bigg")}, "'bigg' has the gateway's api_base, but is neither local nor in eplb.gateway"),
        ({"llm": {"timeout": 1199}}, "llm.timeout is 1199 s, but the gateway may take"),
        ({"llm": {"api_base": "https://api.example.com/v1"}}, "need one api_base on this machine"),
        ({"max_cost": 5, "model": {"output_usd_per_million": None}}, "max_cost needs input_usd_per_million and"),
        ({"max_cost": -1}, "max_cost must be positive"),
        ({"retry_seconds": -1}, "retry_seconds must not be negative, but is -1.0"),
        ({"request_timeout_s": 0}, "request_timeout_s must be positive, not 0.0"),
        ({"model": {"input_usd_per_million": -0.1}}, "input_usd_per_million must not be negative, but is -0.1"),
        ({"model": {"api_base": "api.example.com"}}, "api_base must be a URL such as https://host/v1"),
        ({"model": {"api_key_env": KEY}}, "api_key_env must be the name of an environment variable, never a key"),
        ({"model": {"api_key": "x"}}, "unknown key 'eplb.gateway.models.big.api_key' (did you mean 'api_key_env'?)"),
        ({"max_costs": 1}, "unknown key 'eplb.gateway.max_costs' (did you mean 'max_cost'?)"),
    ],
)
def test_a_wrong_gateway_is_one_sentence(written, change, sentence):
    with pytest.raises(UsageError, match=re.escape(sentence)) as problem:
        config.read(written(**change))
    assert "\n" not in str(problem.value)
    assert KEY not in str(problem.value)


def test_a_local_model_does_not_wait_for_llms(written):
    assert config.read(written(("embedded",), {"timeout": 60}, models={})).local_models == ("embedded",)


@pytest.mark.parametrize("end", ["\n", "\r\n", " ", "\t", "\x00", "ä"])
@pytest.mark.parametrize("direct", [False, True])
def test_a_variable_that_holds_more_than_a_key_is_named_and_not_quoted(written, monkeypatch, end, direct):
    if end == "\x00":
        end = "\x01"  # an environment cannot hold the other
    monkeypatch.setenv("TEST_KEY", f"sk-proj-0123456789{end}")
    llm = {"api_base": "https://api.example.com/v1", "api_key": "${TEST_KEY}"}
    path = written(("big",), llm, models={}) if direct else written()
    with pytest.raises(UsageError, match="which no key does") as refused:
        config.read(path)
    assert "0123" not in str(refused.value)
    assert "TEST_KEY" in str(refused.value) or "llm.api_key" in str(refused.value)


def test_a_file_that_is_not_yaml_is_not_quoted(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text('llm:\n  api_key: "sk-proj-0123456789\n  other: [\n')
    with pytest.raises(UsageError, match=r"is not YAML: line \d+, column \d+: ") as refused:
        config.read(file)
    assert "0123" not in str(refused.value)
