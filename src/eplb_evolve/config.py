"""One YAML file: OpenEvolve's own sections and ours, `eplb:`, read strictly.

OpenEvolve 0.4.1 ignores keys that it does not know, so a typo silently means a default. Here an unknown key is an
error, in its sections too, with the nearest known name.
"""

import dataclasses
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from eplb_evolve.checked import shown, whole_number
from eplb_evolve.errors import UsageError, suggestion
from eplb_evolve.evaluation.settings import TRADED, Device, Objective, Settings, Thresholds, Timing
from eplb_evolve.gateway.demand import gateway_api_base
from eplb_evolve.gateway.local import BEHAVIOURS
from eplb_evolve.gateway.secret import fault
from eplb_evolve.gateway.settings import GatewaySettings
from eplb_evolve.placement import Topology
from eplb_evolve.sandbox import Level, Limits
from eplb_evolve.serving.worth import Serving


@dataclass(frozen=True)
class EplbSection:
    """The section `eplb:`.

    Attributes:
        workload: what candidates are timed on
        checks: workloads on which they are checked untimed
        device: where candidates run
        objective: what the score of a feasible program rewards: `time`, `balance` on the next window, or
            `net_throughput` of `serving`, for which the profile gives way to `settings.TRADED`
        serving: the server that net throughput is computed for
        topology: replaces the workload card's
        profile: which of `profiles` is the hard constraint
        profiles: named thresholds of balancedness, as shares of the exact greedy's
        timing: how many pairs, for how long
        limits: what a candidate may use
        minimum_sandbox_level: refuse to run candidates where the machine allows less
        gateway: what the local endpoint forwards, records and may spend
    """

    workload: str = "dsv3-composite"
    checks: tuple[str, ...] = ("gptoss20b-phased",)
    device: Device = "cpu"
    objective: Objective = "time"
    serving: Serving = field(default_factory=Serving)
    topology: Topology | None = None
    profile: str = "default"
    profiles: dict[str, Thresholds] = field(
        default_factory=lambda: {"default": Thresholds(), "strict": Thresholds(same_window=0.99)}
    )
    timing: Timing = field(default_factory=Timing)
    limits: Limits = field(default_factory=Limits)
    minimum_sandbox_level: Level = "rlimits"
    gateway: GatewaySettings = field(default_factory=GatewaySettings)

    def settings(self) -> Settings:
        """The part that an evaluation needs."""
        return Settings(
            thresholds=TRADED if self.objective == "net_throughput" else self.profiles[self.profile],
            timing=self.timing,
            limits=self.limits,
            device=self.device,
            objective=self.objective,
            serving=self.serving,
            minimum_sandbox_level=self.minimum_sandbox_level,
        )


@dataclass(frozen=True)
class Config:
    """A configuration file that was read without complaint.

    Attributes:
        path: the file
        eplb: our own section
        gateway_api_base: where the gateway must listen, if a model is served by one
        local_models: names of the models that propose and are no LLM
        llm_models: names of the others
        random_seed: OpenEvolve's seed, used for the embedded proposer as well
        iterations: how many proposals OpenEvolve makes unless its command line says otherwise
        workers: how many evaluations OpenEvolve makes at once
        evaluation_s: seconds after which it gives one up
    """

    path: Path
    eplb: EplbSection
    gateway_api_base: str | None
    local_models: tuple[str, ...]
    llm_models: tuple[str, ...]
    random_seed: int
    iterations: int
    workers: int
    evaluation_s: float

    @property
    def proposer(self) -> str:
        """Who proposes, in words."""
        local = (
            "the embedded proposer" if self.local_models == ("embedded",) else "local " + ", ".join(self.local_models)
        )
        llms = "models " + ", ".join(self.llm_models)
        if not self.local_models:
            return llms
        return f"{llms} and {local}" if self.llm_models else f"{local} (no LLM is used)"


def read(path: Path) -> Config:
    """Read and check a whole configuration file; UsageError names the key, the place and the remedy."""
    document = _read_yaml(path)
    section = document.pop("eplb", {}) or {}
    eplb = _read_section(section, path)
    openevolve = _read_openevolve(document, path)
    models = openevolve.llm.models
    for model in models:
        if model.api_key and (why := fault(model.api_key)):
            raise UsageError(
                f"{path}: llm.api_key, or the variable that it names, {why}, which no key does; give it alone"
            )
    for place, number in (
        ("max_iterations", openevolve.max_iterations),
        ("checkpoint_interval", openevolve.checkpoint_interval),
        ("evaluator.parallel_evaluations", openevolve.evaluator.parallel_evaluations),
        ("evaluator.timeout", openevolve.evaluator.timeout),
        ("database.population_size", openevolve.database.population_size),
    ):
        whole_number(number, f"{path}: {place}")
    return Config(
        path=path,
        eplb=eplb,
        gateway_api_base=gateway_api_base(models, eplb.gateway, path),
        local_models=tuple(model.name for model in models if model.name in BEHAVIOURS),
        llm_models=tuple(model.name for model in models if model.name not in BEHAVIOURS),
        random_seed=openevolve.random_seed if openevolve.random_seed is not None else 0,
        iterations=openevolve.max_iterations,
        workers=openevolve.evaluator.parallel_evaluations,
        evaluation_s=openevolve.evaluator.timeout,
    )


def read_eplb(path: Path) -> EplbSection:
    """Only our own section: what an evaluation outside a search needs, whatever LLM keys are set."""
    return _read_section(_read_yaml(path).get("eplb") or {}, path)


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise UsageError(f"cannot read the configuration {path}: {problem.strerror}") from problem
    except (yaml.YAMLError, ValueError, RecursionError) as problem:
        raise UsageError(f"{path} is not YAML: {_without_quotes(problem)}") from problem
    if not isinstance(document, dict):
        raise UsageError(f"{path}: expected sections such as llm: and eplb:, found {type(document).__name__}")
    return document


def _without_quotes(problem: Exception) -> str:
    """What is wrong and where; the parser's own message quotes the file, which may hold a key."""
    mark = getattr(problem, "problem_mark", None)
    if mark is None:
        return "it is not text in UTF-8" if isinstance(problem, UnicodeDecodeError) else "it cannot be parsed"
    return f"line {mark.line + 1}, column {mark.column + 1}: {getattr(problem, 'problem', None) or 'wrong syntax'}"


def _read_section(section: object, path: Path) -> EplbSection:
    _check_keys(section, EplbSection, "eplb", path)
    try:
        eplb = TypeAdapter(EplbSection).validate_python(section)
    except ValidationError as problem:
        first = problem.errors()[0]
        where = ".".join(["eplb", *map(str, first["loc"])])
        found = "" if first["type"] == "missing" else f", not {shown(first['input'])}"
        raise UsageError(f"{path}: {where}: {first['msg'].lower()}{found}") from problem
    except UsageError as problem:
        raise UsageError(f"{path}: eplb: {problem}") from problem
    if eplb.profile not in eplb.profiles:
        raise UsageError(
            f"{path}: eplb.profile '{eplb.profile}' is not one of eplb.profiles "
            f"({', '.join(eplb.profiles)}){suggestion(eplb.profile, eplb.profiles)}"
        )
    return eplb


def _read_openevolve(document: dict[str, Any], path: Path) -> Any:
    """OpenEvolve's own reading of its sections, after the check that it does not make."""
    import dacite
    import openevolve.config as theirs  # here: it imports every LLM client

    _check_keys(document, theirs.Config, "", path)
    try:
        return theirs.Config.from_dict(document)
    except ValueError as problem:
        variable = str(problem).removeprefix("Environment variable ").removesuffix(" is not set")
        if variable != str(problem):
            raise UsageError(
                f"{path}: llm.api_key asks for the environment variable {variable}, which is not set; "
                f"export {variable}=... or use evolve_config.yaml, which needs no key"
            ) from problem
        raise UsageError(f"{path}: {problem}") from problem
    except dacite.DaciteError as problem:
        raise UsageError(f"{path}: {problem}") from problem


def _check_keys(data: object, schema: type, where: str, path: Path) -> None:
    """Raise UsageError for the first key of nested mappings that the dataclass `schema` does not have."""
    if not isinstance(data, dict):
        raise UsageError(f"{path}: {where or 'the file'} must be a mapping of keys, not {type(data).__name__}")
    known = {name: hint for name, hint in _hints(schema).items() if not name.startswith("_")}
    for key, value in data.items():
        place = f"{where}.{key}" if where else str(key)
        if key not in known:
            sections = [*known, "eplb"] if not where else [*known]
            raise UsageError(f"{path}: unknown key '{place}'{suggestion(str(key), sections)}")
        _check_value(value, known[key], place, path)


def _check_value(value: object, hint: object, place: str, path: Path) -> None:
    parts = [hint, *typing.get_args(hint)]
    if isinstance(value, bool) and bool not in parts and (int in parts or float in parts):
        raise UsageError(f"{path}: {place} must be a number, not {str(value).lower()}")
    nested = next((part for part in parts if isinstance(part, type) and dataclasses.is_dataclass(part)), None)
    if nested is None or value is None:
        return
    origin = typing.get_origin(hint)
    if origin is list and isinstance(value, list):
        for index, item in enumerate(value):
            _check_keys(item, nested, f"{place}[{index}]", path)
    elif origin is dict and isinstance(value, dict):
        for name, item in value.items():
            _check_keys(item, nested, f"{place}.{name}", path)
    else:
        _check_keys(value, nested, place, path)


def _hints(schema: type) -> dict[str, Any]:
    try:
        return typing.get_type_hints(schema)
    except NameError:  # OpenEvolve names a type that it imports for type checkers only
        return {item.name: item.type for item in dataclasses.fields(schema)}
