"""Values that OpenEvolve accepts and a search cannot use: each is one sentence that names file, key and remedy."""

import copy
import re

import pytest
import yaml
from evaluations import evaluated
from support import ROOT

from eplb_evolve import config
from eplb_evolve.board.metrics import METRICS
from eplb_evolve.config_values import GROWING
from eplb_evolve.errors import UsageError
from eplb_evolve.evaluation.result import NUMBERS
from eplb_evolve.feedback import TOLD, metrics

SHIPPED = yaml.safe_load((ROOT / "evolve_config.yaml").read_text())
NAN, INF = float("nan"), float("inf")
LOCAL = "http://127.0.0.1:18765/v1"
FORWARDED = {"api_base": "https://api.example.com/v1"}


@pytest.fixture
def changed(tmp_path):
    """The shipped configuration with these values at these dotted keys; the file's path."""

    def change(values):
        document = copy.deepcopy(SHIPPED)
        document["prompt"]["template_dir"] = str(ROOT / "prompts")
        for key, value in values.items():
            *sections, last = key.split(".")
            place = document
            for section in sections:
                place = place.setdefault(section, {})
            place[last] = value
        file = tmp_path / "config.yaml"
        file.write_text(yaml.safe_dump(document))
        return file

    return change


def refused(file):
    with pytest.raises(UsageError) as problem:
        config.read(file)
    sentence = str(problem.value)
    assert sentence.startswith(f"{file}")
    assert "\n" not in sentence
    return sentence


@pytest.mark.parametrize(
    ("key", "values", "allowed"),
    [
        ("max_iterations", (0, -1), "1 or more"),
        ("checkpoint_interval", (0, -5), "1 or more"),
        ("max_code_length", (0, 499), "500 or more"),
        ("max_tasks_per_child", (0,), "1 or more"),
        ("random_seed", (-1, 2**32), "0 to 4294967295"),
        ("database.num_islands", (0, -1), "1 or more"),
        ("database.population_size", (0,), "1 or more"),
        ("database.archive_size", (0, -1), "1 or more"),
        ("database.migration_interval", (0,), "1 or more"),
        ("database.migration_rate", (-0.1, 2), "0 to 1"),
        ("database.elite_selection_ratio", (-1, 1.5), "0 to 1"),
        ("database.exploration_ratio", (-0.1, 30), "0 to 1"),
        ("database.exploitation_ratio", (-0.1, 70), "0 to 1"),
        ("database.feature_bins", (0,), "1 or more"),
        ("database.similarity_threshold", (0,), "above 0"),
        ("evaluator.parallel_evaluations", (0, -2), "1 or more"),
        ("evaluator.timeout", (0, -900), "1 or more"),
        ("evaluator.max_retries", (-1,), "0 or more"),
        ("llm.timeout", (0,), "1 or more"),
        ("llm.retries", (-1,), "0 or more"),
        ("llm.max_tokens", (0, -1), "1 or more"),
        ("llm.temperature", (-1,), "0 or more"),
        ("llm.top_p", (1.5,), "0 to 1"),
        ("prompt.num_top_programs", (-1,), "0 or more"),
        ("evolution_trace.buffer_size", (0,), "1 or more"),
    ],
)
def test_a_number_out_of_range(changed, key, values, allowed):
    for value in values:
        assert f"{key} must be {allowed}, not {value}" in refused(changed({key: value}))


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"checkpoint_interval": True}, "checkpoint_interval must be a number, not true"),
        ({"llm.temperature": NAN}, "llm.temperature must be a finite number, not nan"),
        ({"database.migration_rate": INF}, "database.migration_rate must be a finite number, not inf"),
        ({"database.feature_bins": {"complexity": False}}, "feature_bins.complexity must be a number, not false"),
        ({"evaluator.cascade_thresholds": [0.5, NAN]}, "evaluator.cascade_thresholds[1] must be a finite number"),
        ({"database.feature_dimensions": "complexity"}, "feature_dimensions must be a list, such as [a, b], not str"),
        ({"llm.models": {"name": "embedded"}}, "llm.models must be a list, such as [a, b], not dict"),
        ({"llm.models": None}, "llm.models must be a list, such as [a, b], not null"),
        ({"llm": None}, "llm must be a mapping of keys, not null"),
        ({"database": None}, "database must be a mapping of keys, not null"),
        ({"diff_pattern": 5}, "diff_pattern must be text, not int"),
        ({"log_dir": "a\0b"}, "log_dir holds a character that neither a file nor a request can hold"),
        ({"prompt.system_message": "a \ud800"}, "prompt.system_message holds a character that neither"),
        ({"checkpoint_interval": "20"}, 'wrong value type for field "checkpoint_interval" - should be "int"; write'),
        ({"eplb": []}, "eplb must be a mapping of keys, not list"),
        ({"eplb.timing.max_seconds": NAN}, "eplb.timing.max_seconds must be a finite number, not nan"),
        ({"eplb.timing.pairs_fast": True}, "eplb.timing.pairs_fast must be a number, not true"),
        ({"eplb.timing.slow_ms": -1}, "timing: slow_ms is a number of milliseconds, 0 to 1e6, not -1"),
        ({"eplb.timing.pairs_slow": 0}, "timing: an estimate needs two pairs at least"),
        ({"eplb.limits.call_s": INF}, "eplb.limits.call_s must be a finite number, not inf"),
        ({"eplb.limits.threads": 0}, "limits: threads must be positive, not 0"),
        ({"eplb.profiles.default": {"same_window": NAN}}, "profiles.default.same_window must be a finite number"),
        ({"eplb.profiles.default": {"same_window": 95}}, "same_window is a share of the reference, 0..1, not 95"),
        ({"eplb.serving.interval": NAN}, "eplb.serving.interval must be a finite number"),
        ({"eplb.checks": ["gptoss20b-phased"] * 2}, "eplb.checks has 'gptoss20b-phased' twice; leave one"),
        ({"eplb.topology": {"replicas": True, "groups": 8, "nodes": 4, "gpus": 32}}, "replicas must be a number"),
    ],
)
def test_a_value_of_the_wrong_kind(changed, values, sentence):
    assert sentence in refused(changed(values))


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"log_level": "warning"}, "log_level 'warning' is none (did you mean 'WARNING'?); there are DEBUG, INFO,"),
        ({"log_level": "Logger"}, "log_level 'Logger' is none"),
        ({"file_suffix": "/py"}, "file_suffix must be an ending such as .py"),
        ({"evolution_trace.format": "jsnl"}, "evolution_trace.format 'jsnl' is none (did you mean 'jsonl'?)"),
        ({"database.feature_dimensions": []}, "database.feature_dimensions is empty; leave it out, or name one"),
        (
            {"database.feature_dimensions": ["balancednes"]},
            "nothing returns 'balancednes' (did you mean 'balancedness'",
        ),
        ({"database.feature_dimensions": ["score", "reason"]}, "database.feature_dimensions: nothing returns 'reason'"),
        ({"database.feature_bins": {"complexty": 3}}, "'complexty' is none of feature_dimensions (did you mean"),
        ({"early_stopping_patience": 5, "early_stopping_metric": "scroe"}, "early_stopping_metric 'scroe' does not"),
        ({"early_stopping_patience": 5, "early_stopping_metric": "time_ms"}, "'time_ms' does not grow with a better"),
        ({"database.embedding_model": "none"}, "embedding_model cannot be used: OpenEvolve does not know it"),
        ({"database.embedding_model": "text-embedding-3-small"}, "embedding_model cannot be used: its API key is not"),
        ({"diff_pattern": "(.*)=>"}, "diff_pattern needs two groups"),
        ({"diff_pattern": "FIND(.*)PUT(.*)"}, "diff_pattern does not match what the prompt asks for"),
        ({"prompt.programs_as_changes_description": True}, "needs prompt.initial_changes_description"),
        (
            {"prompt.programs_as_changes_description": True, "prompt.initial_changes_description": "none yet"},
            "prompt.programs_as_changes_description: the local model 'embedded' describes nothing; set it to false",
        ),
        ({"evaluator.evaluator_args": {"a": 1}}, "evaluator.evaluator_args: the evaluation takes none"),
        ({"evaluator.timeout": 60}, "evaluator.timeout is 60 s, less than the 90 s that eplb.limits.first_call_s"),
    ],
)
def test_a_value_that_means_nothing(changed, monkeypatch, values, sentence):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert sentence in refused(changed(values))


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"llm.models": []}, "llm.models names no model; give one"),
        ({"llm": {"api_base": LOCAL, "api_key": "none"}}, "llm.models names no model; give one"),
        ({"llm.models": [{"weight": 1}]}, "llm.models[0] has no name; add name:"),
        ({"llm.models": [{"name": "embedded"}] * 2}, "llm.models has 'embedded' twice; leave one"),
        ({"llm.primary_model": "embedded"}, "llm.models has 'embedded' twice; leave one"),
        ({"llm.models": [{"name": "embedded", "weight": 0}]}, "llm.models: every weight is 0"),
        ({"llm.models": [{"name": "embedded", "weight": -1.0}]}, "llm.models[0].weight must be 0 or more, not -1"),
        (
            {"llm.models": [{"name": "embedded", "weight": NAN}]},
            "llm.models[0].weight must be a finite number, not nan",
        ),
        ({"llm.models": [{"name": "embedded", "retries": -1}]}, "llm.models[0].retries must be 0 or more"),
        ({"llm.evaluator_models": [{"name": "m", "weight": 0}]}, "llm.evaluator_models: every weight is 0"),
        ({"llm.models": [{"name": "m", "manual_mode": True}]}, "llm.models[0].manual_mode works for all models alone"),
        (
            {"llm.models": [{"name": "embeded"}]},
            "llm.models[0].name: no LLM is called 'embeded' (did you mean 'embedded'",
        ),
        ({"llm.models": [{"name": "random_edits"}]}, "is called 'random_edits' (did you mean 'random-edits'?)"),
        ({"llm.provider": "opnai"}, "there is no provider 'opnai' (did you mean 'openai'?)"),
        ({"llm.api_key": None}, "llm.api_key is missing or empty, and OpenEvolve's client for embedded wants one"),
        ({"llm.api_key": ""}, "llm.api_key is missing or empty"),
        ({"llm.api_base": "http://127.0.0.1:99999/v1"}, "llm.api_base has a port that is no number from 1 to 65535"),
        ({"llm.api_base": "http://127.0.0.1:port/v1"}, "llm.api_base has a port that is no number from 1 to 65535"),
        ({"llm.api_base": "http://127.0.0.1:0/v1"}, "llm.api_base has the port 0"),
        ({"llm.api_base": "127.0.0.1:18765/v1"}, "llm.api_base does not begin with http:// or https://"),
        ({"llm.api_base": "http:///v1"}, "llm.api_base names no host"),
        ({"llm.api_base": "http://[::1:18765/v1"}, "llm.api_base is no URL"),
        ({"llm.models": [{"name": "m", "api_base": "x"}]}, "llm.models[0].api_base does not begin with http://"),
        ({"llm.api_base": "http://[::1]:18765/v1"}, "llm.api_base does not lead to the gateway, which serves /v1 on"),
        ({"llm.api_base": "http://127.0.0.1:1234"}, "127.0.0.1 alone; write http://127.0.0.1:1234/v1"),
        ({"llm.api_base": "http://127.0.0.1:1234/v2"}, "llm.api_base does not lead to the gateway"),
        ({"llm.api_base": "http://127.0.0.1:1234/v1?a=b"}, "llm.api_base does not lead to the gateway"),
        ({"eplb.gateway.models": {"m": {"api_base": LOCAL}}}, "eplb.gateway.models.m.api_base is the gateway itself"),
        ({"eplb.gateway.models": {"m": {"api_base": "https://h:0x50/v1"}}}, "api_base must be a URL such as https"),
    ],
)
def test_models_that_cannot_be_asked(changed, monkeypatch, values, sentence):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert sentence in refused(changed(values))


@pytest.mark.parametrize(
    "values",
    [
        {"llm.api_key": 1234567890123},
        {"llm.api_key": ["1234567890123"]},
        {"llm.api_key": "${1234567890123}"},
        {"llm.api_base": "http://1234567890123@127.0.0.1:x/v1"},
        {"llm.models": [{"name": "embedded", "api_key": 1234567890123}]},
        {"eplb.gateway.models": {"m": FORWARDED | {"api_key_env": 1234567890123}}},
        {"eplb.gateway.models": {"m": FORWARDED | {"input_usd_per_million": "1234567890123 sk"}}},
        {"eplb.gateway.models": {"m": "1234567890123"}},
        {"eplb.gateway.models": {"m": {"api_base": "http://[1234567890123/v1"}}},
    ],
)
def test_no_sentence_quotes_what_may_be_a_key(changed, values):
    assert "1234567" not in refused(changed(values))


@pytest.mark.parametrize("text", ["api_key: *sk-1234567\n", "api_key: !sk-1234567 x\n", 'api_key: "sk-1234567\n'])
def test_nor_does_one_about_yaml(tmp_path, text):
    file = tmp_path / "config.yaml"
    file.write_text(text)
    assert "1234567" not in refused(file)


@pytest.mark.parametrize(
    "values",
    [
        {"llm.api_base": "http://localhost:18765/v1"},
        {"llm.api_base": LOCAL + "/"},
        {"llm.models": [{"name": "embedded", "weight": 1}, {"name": "random-edits", "weight": 0}]},
        {"llm.temperature": 0, "llm.retries": 0, "llm.top_p": None, "random_seed": None},
        {"database.feature_dimensions": ["score", "balancedness", "net_throughput"]},
        {"database.feature_bins": {"complexity": 3}},
        {"database.num_islands": 1, "database.migration_rate": 0, "prompt.num_top_programs": 0},
        {"early_stopping_patience": 5},
        {"early_stopping_patience": -1, "early_stopping_metric": "speedup_over_seed", "convergence_threshold": 20},
        {"evolution_trace.format": "json"},
        {"diff_based_evolution": False, "log_level": "DEBUG", "max_tasks_per_child": 1},
        {"prompt.system_message": "Make rebalance_experts faster."},
        {"eplb.gateway.models": {"m": FORWARDED}},
    ],
)
def test_what_works_is_not_refused(changed, values):
    config.read(changed(values))


@pytest.mark.parametrize("present", [True, False])
def test_a_client_without_a_key_takes_the_one_of_the_environment(changed, monkeypatch, present):
    monkeypatch.setenv("OPENAI_API_KEY", "x" if present else "")
    file = changed({"llm.api_key": None})
    if present:
        config.read(file)
    else:
        refused(file)


@pytest.mark.parametrize(
    ("text", "key", "lines"),
    [
        ("max_iterations: 1\nllm: {}\nmax_iterations: 2\n", "max_iterations", "1 and 3"),
        ("eplb:\n  timing:\n    pairs_fast: 4\n    pairs_fast: 40\n", "eplb.timing.pairs_fast", "3 and 4"),
        ("llm:\n  models:\n  - {name: a, weight: 1,\n     name: b}\n", "llm.models[0].name", "3 and 4"),
        ("eplb: {checks: []}\neplb: {}\n", "eplb", "1 and 2"),
        ("eplb: {device: cpu, device: cuda}\n", "eplb.device", "1 and 1"),
    ],
)
def test_a_key_that_stands_twice(tmp_path, text, key, lines):
    file = tmp_path / "config.yaml"
    file.write_text(text)
    for read in (config.read, config.read_eplb):
        with pytest.raises(UsageError, match=re.escape(f"{file}: the key '{key}' stands twice, in lines {lines}; ")):
            read(file)


@pytest.mark.parametrize("value", ["2026-13-45", "!!int x", "[" * 500])
def test_a_value_that_the_parser_chokes_on(tmp_path, value):
    file = tmp_path / "config.yaml"
    file.write_text(f"max_iterations: {value}\n")
    assert "is not YAML: it " in refused(file)


def test_a_program_to_start_from_fits_into_max_code_length(changed, tmp_path):
    read, program = config.read(changed({"max_code_length": 500})), tmp_path / "program.py"
    program.write_text("é" * 500)
    read.check_start(program)
    read.check_start(tmp_path / "none.py")  # OpenEvolve says that
    program.write_text("é" * 501)
    with pytest.raises(UsageError, match=r"max_code_length is 500, but .* has 501 characters"):
        read.check_start(program)


def test_each_figure_may_be_a_feature_and_is_there_for_every_program():
    """OpenEvolve drops a program that lacks one."""
    invalid = evaluated()
    assert set(TOLD) < NUMBERS
    assert set(GROWING) == {metric.name for metric in METRICS if metric.better == "higher"} & NUMBERS
    assert "balancedness" not in metrics(invalid)
    told = metrics(invalid, ("complexity", "balancedness", "samples"))
    assert (told["balancedness"], told["samples"], told["combined_score"]) == (0.0, 0.0, 0.0)
    assert "complexity" not in told
    valid = evaluated(2.0, balancedness=0.9)
    assert metrics(valid, ("balancedness",)) == metrics(valid)
