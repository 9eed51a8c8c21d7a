"""Values that OpenEvolve 0.4.1 accepts, and with which a search crashes, hangs, ends at once or does nothing."""

import logging
import os
import re
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from eplb_evolve.errors import UsageError, suggestion
from eplb_evolve.evaluation.result import NUMBERS
from eplb_evolve.gateway.local import BEHAVIOURS
from eplb_evolve.gateway.settings import ForwardedModel

BUILT_IN = ("complexity", "diversity", "score")
"""Features that OpenEvolve computes itself."""
GROWING = (
    "speedup_over_seed",
    "balancedness_ratio",
    "balancedness",
    "balancedness_same",
    "balancedness_worst_layer",
    "balancedness_sglang",
    "balancedness_reference",
    "net_gain",
    "net_throughput",
    "net_throughput_low",
    "net_throughput_high",
    "net_blocking_3000",
    "net_background_3000",
    "net_blocking_best",
    "net_background_best",
    "of_perfect",
    "combined_score",
)
"""Metrics of which more is better, as board.metrics declares them."""
FORMATS = ("jsonl", "json", "hdf5")
PROVIDERS = ("openai", "claude_code", "copilot_cli", "codex_app_server")


def check(read: Any, first_call_s: float, path: Path) -> None:
    """UsageError for the first such value in OpenEvolve's configuration `read`, from the file `path`.

    first_call_s: seconds that our own limits give a candidate's first call.
    """
    for problem in (_search(read), _models(read), _features(read), _replies(read), _evaluator(read, first_call_s)):
        for sentence in problem:
            raise UsageError(f"{path}: {sentence}")


def check_gateway(api_base: str, forwarded: Mapping[str, ForwardedModel], path: Path) -> None:
    """UsageError unless the gateway, which binds 127.0.0.1, answers at `api_base`, and its models are elsewhere."""
    address = urlsplit(api_base)
    if not _is_here(address) or address.path.rstrip("/") != "/v1" or address.query or address.fragment:
        raise UsageError(
            f"{path}: llm.api_base does not lead to the gateway, which serves /v1 on 127.0.0.1 alone; "
            f"write http://127.0.0.1:{address.port or 18765}/v1"
        )
    for name, model in forwarded.items():
        key = f"eplb.gateway.models.{name}.api_base"
        if why := address_fault(model.api_base):
            raise UsageError(f"{path}: {key} {why}; write the provider's URL, such as https://host/v1")
        there = urlsplit(model.api_base)
        if _is_here(there) and there.port == address.port:
            raise UsageError(f"{path}: {key} is the gateway itself; write the provider's URL, such as https://host/v1")


def _is_here(address: SplitResult) -> bool:
    return address.hostname in ("127.0.0.1", "localhost")


def _search(read: Any) -> Iterator[str]:
    levels = logging.getLevelNamesMapping()
    if read.log_level not in levels:
        near = suggestion(read.log_level.upper(), levels)
        yield f"log_level '{read.log_level}' is none{near}; there are DEBUG, INFO, WARNING, ERROR and CRITICAL"
    if "/" in read.file_suffix:
        yield "file_suffix must be an ending such as .py, not a path"
    trace = read.evolution_trace
    if trace.enabled and trace.format not in FORMATS:
        near = suggestion(trace.format, FORMATS)
        yield f"evolution_trace.format '{trace.format}' is none{near}; there are {', '.join(FORMATS)}"
    if trace.enabled and trace.format == "hdf5" and find_spec("h5py") is None:
        yield "evolution_trace.format hdf5 needs the package h5py, which is not installed; take jsonl"


def _models(read: Any) -> Iterator[str]:
    for key, models in (("llm.models", read.llm.models), ("llm.evaluator_models", read.llm.evaluator_models)):
        if not models:
            yield f"{key} names no model; give one, such as {{name: embedded, weight: 1.0}} at the gateway's api_base"
        names = [model.name for model in models]
        for index, model in enumerate(models):
            if not model.name:
                yield f"{key}[{index}] has no name; add name: and what the endpoint calls the model"
            if names.index(model.name) < index:
                yield f"{key} has '{model.name}' twice; leave one, with the weight of both"
            yield from _endpoint(model, f"{key}[{index}]", read.llm)
            if model.manual_mode and not read.llm.manual_mode:
                yield f"{key}[{index}].manual_mode works for all models alone; set llm.manual_mode to true"
        if not sum(model.weight for model in models) > 0:
            yield f"{key}: every weight is 0, so that no model is ever asked; give one of them a weight above 0"


def _endpoint(model: Any, key: str, shared: Any) -> Iterator[str]:
    """shared: the section `llm`, whose values hold for models that have none."""
    if model.provider is not None and model.provider not in PROVIDERS:
        near = suggestion(model.provider, PROVIDERS)
        yield f"{key}: there is no provider '{model.provider}'{near}; there are {', '.join(PROVIDERS)}"
    if model.provider not in (None, "openai") or model.manual_mode:
        return
    if not model.api_key and not os.environ.get("OPENAI_API_KEY"):
        yield (
            f"llm.api_key is missing or empty, and OpenEvolve's client for {model.name} wants one; write ${{NAME}}, "
            "a variable's name, or none where the endpoint asks for no key"
        )
    if why := address_fault(model.api_base):
        where = "llm" if model.api_base == shared.api_base else key
        yield f"{where}.api_base {why}; write a URL such as http://127.0.0.1:18765/v1"
    near = suggestion(model.name, BEHAVIOURS)
    if near and model.name not in BEHAVIOURS and _is_here(urlsplit(model.api_base)):
        yield f"{key}.name: no LLM is called '{model.name}'{near}; write the local model's name as it is"


def address_fault(api_base: str) -> str:
    """What keeps a text from being an endpoint's URL; "" if nothing does. The text may hold a key and is not quoted."""
    try:
        address = urlsplit(api_base)
        port = address.port
    except ValueError as problem:
        return "has a port that is no number from 1 to 65535" if "ort" in str(problem) else "is no URL"
    if address.scheme not in ("http", "https"):
        return "does not begin with http:// or https://"
    if not address.hostname:
        return "names no host"
    return "has the port 0, on which nothing can listen" if port == 0 else ""


def _features(read: Any) -> Iterator[str]:
    database, known = read.database, NUMBERS | {"valid", "feasible"}
    if not database.feature_dimensions:
        yield "database.feature_dimensions is empty; leave it out, or name one, such as complexity"
    for name in database.feature_dimensions:
        if name not in known | set(BUILT_IN):
            near = suggestion(name, known | set(BUILT_IN))
            yield (
                f"database.feature_dimensions: nothing returns '{name}'{near}; take {', '.join(BUILT_IN)}, or a figure "
                "of an evaluation, such as balancedness"
            )
    bins = database.feature_bins
    for name in bins if isinstance(bins, dict) else ():
        if name not in database.feature_dimensions:
            near = suggestion(name, database.feature_dimensions)
            yield f"database.feature_bins: '{name}' is none of feature_dimensions{near}; mend the name, or remove it"
    metric = read.early_stopping_metric
    if read.early_stopping_patience is not None and metric not in GROWING:
        near = suggestion(metric, GROWING)
        yield f"early_stopping_metric '{metric}' does not grow with a better program{near}; take combined_score"
    if database.embedding_model is not None:
        yield from _embedding(database)


def _embedding(database: Any) -> Iterator[str]:
    from openai import OpenAIError
    from openevolve.embedding import EmbeddingClient

    try:
        EmbeddingClient(database.embedding_model, database.embedding_api_base)
    except (ValueError, OpenAIError) as problem:
        why = "its API key is not set" if "api_key" in str(problem) else "OpenEvolve does not know it"
        yield f"database.embedding_model cannot be used: {why}; set OPENAI_API_KEY, or remove embedding_model"


def _replies(read: Any) -> Iterator[str]:
    pattern = re.compile(read.diff_pattern, re.DOTALL)  # OpenEvolve compiled it already
    if pattern.groups < 2:
        yield "diff_pattern needs two groups, the text to find and the one to put there; leave it out for the usual one"
    described = read.prompt.programs_as_changes_description
    if described and not read.prompt.initial_changes_description.strip():
        yield (
            "prompt.programs_as_changes_description needs prompt.initial_changes_description: an empty one cannot be "
            "changed, and every proposal would be refused"
        )
    local = [model.name for model in read.llm.models if model.name in BEHAVIOURS]
    if described and local:
        yield f"prompt.programs_as_changes_description: the local model '{local[0]}' describes nothing; set it to false"


def _evaluator(read: Any, first_call_s: float) -> Iterator[str]:
    if read.evaluator.evaluator_args:
        yield "evaluator.evaluator_args: the evaluation takes none; its settings are the section eplb:"
    if read.evaluator.timeout < first_call_s:
        yield (
            f"evaluator.timeout is {read.evaluator.timeout} s, less than the {first_call_s:g} s that "
            "eplb.limits.first_call_s gives a program alone; set it to 900"
        )
