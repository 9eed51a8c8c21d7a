"""One YAML file: OpenEvolve's own sections and ours, `eplb:`, read strictly.

What can be wrong is checked in parts: config_file the YAML, config_shape keys and kinds, config_numbers and
config_values what OpenEvolve takes and fails on, config_paths and config_templates what lies beside the file.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from eplb_evolve import config_numbers, config_paths, config_templates, config_values
from eplb_evolve.checked import shown
from eplb_evolve.config_file import read_document
from eplb_evolve.config_shape import check_keys
from eplb_evolve.errors import UsageError, suggestion
from eplb_evolve.evaluation.objectives import objective, refuse_several
from eplb_evolve.evaluation.settings import Device, Settings, Thresholds, Timing
from eplb_evolve.evaluation.task import Task, build_task, workload_names
from eplb_evolve.gateway.local import BEHAVIOURS
from eplb_evolve.gateway.parsing import STANDARD_DIFF, Rules
from eplb_evolve.gateway.required_endpoint import gateway_api_base
from eplb_evolve.gateway.secret import fault
from eplb_evolve.gateway.settings import GatewaySettings, PromptSettings
from eplb_evolve.islands import ONE_ISLAND, Islands
from eplb_evolve.placement import Topology
from eplb_evolve.sandbox import Level, Limits
from eplb_evolve.serving.worth import Serving


@dataclass(frozen=True)
class EplbSection:
    """The section `eplb:`.

    Attributes:
        workload: what candidates are timed on; of several the geometric mean of the ratios counts
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
        prompt: what a forwarded model reads
        stop_at_floor: end a search by `time` whose best program is at its floor, see objectives.time.at_floor
    """

    workload: str | tuple[str, ...] = "dsv3-composite"
    checks: tuple[str, ...] = ("gptoss20b-phased",)
    device: Device = "cpu"
    objective: str = "time"
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
    prompt: PromptSettings = field(default_factory=PromptSettings)
    stop_at_floor: bool = False

    def task(self, folders: Sequence[Path]) -> Task:
        """What a search's programs are judged on, its workloads loaded from `folders`."""
        return refuse_several(build_task(folders, self.workload, self.checks, self.settings(), topology=self.topology))

    def settings(self) -> Settings:
        """The part that an evaluation needs."""
        return Settings(
            thresholds=objective(self.objective).thresholds or self.profiles[self.profile],
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
        direct_models: those of them that OpenEvolve asks without a gateway
        random_seed: OpenEvolve's seed, used for the embedded proposer as well
        iterations: how many proposals OpenEvolve makes unless its command line says otherwise
        workers: how many evaluations OpenEvolve makes at once
        evaluation_s: seconds after which it gives one up
        rules: by which it makes programs of replies
        feature_dimensions: figures by which it sorts programs
        islands: in which it keeps them
        island_programs: that all islands but the first start from, where they have one of their own
    """

    path: Path
    eplb: EplbSection
    gateway_api_base: str | None
    local_models: tuple[str, ...]
    llm_models: tuple[str, ...]
    direct_models: tuple[str, ...]
    random_seed: int
    iterations: int
    workers: int
    evaluation_s: float
    rules: Rules
    feature_dimensions: tuple[str, ...] = ()
    islands: Islands = ONE_ISLAND
    island_programs: tuple[Path, ...] = ()

    def check_start(self, program: Path) -> None:
        """UsageError for a program that is too long to start from: OpenEvolve would refuse what is made of it."""
        length = len(program.read_text(encoding="utf-8", errors="replace")) if program.is_file() else 0
        most = self.rules.max_code_length
        size = len(program.read_bytes()) if program.is_file() else 0
        if self.writes_prompts and size > self.eplb.prompt.longest_program:
            prompt = self.eplb.prompt
            raise UsageError(
                f"{self.path}: {program} has {size} bytes, and eplb.prompt.limit ({prompt.limit}) less budget "
                f"({prompt.budget}) leaves {prompt.longest_program} for a program; raise limit to "
                f"{size * 3 // 2 + prompt.budget} if the model reads as much"
            )
        if length > most:
            raise UsageError(
                f"{self.path}: max_code_length is {most}, but {program} has {length} characters, and "
                "OpenEvolve would refuse every proposal as long; set it to 60000"
            )

    @property
    def writes_prompts(self) -> bool:
        """Whether the gateway writes what a model reads."""
        return self.eplb.prompt.write and any(name in self.eplb.gateway.models for name in self.llm_models)

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


def read(path: Path, files: bool = True) -> Config:
    """Read and check a whole configuration file; UsageError names the key, the place and the remedy.

    files: whether what it names must be there too, templates and programs of islands, which a gateway does not need.
    """
    document = read_document(path)
    eplb = _read_section(document.pop("eplb", None), path)
    openevolve = _read_openevolve(document, path)
    config_values.check(openevolve, eplb.limits.first_call_s, path)
    models = openevolve.llm.models
    for model in models:
        if model.api_key and (why := fault(model.api_key)):
            raise UsageError(
                f"{path}: llm.api_key, or the variable that it names, {why}, which no key does; give it alone"
            )
    api_base = gateway_api_base(models, eplb.gateway, path, asks=2 if eplb.prompt.write else 1)
    if api_base is not None:
        config_values.check_gateway(api_base, eplb.gateway.models, path)
    if files:
        config_paths.check(document, path)
        folder = config_paths.template_folder(document, path)
        config_templates.check(openevolve, folder, path, served=api_base is not None)
    if eplb.prompt.write and eplb.gateway.models:
        _check_prompt(openevolve, path)
    return Config(
        path=path,
        eplb=eplb,
        gateway_api_base=api_base,
        local_models=tuple(model.name for model in models if model.weight and model.name in BEHAVIOURS),
        llm_models=tuple(model.name for model in models if model.weight and model.name not in BEHAVIOURS),
        direct_models=tuple(
            model.name
            for model in models
            if model.weight and model.name not in BEHAVIOURS and (api_base is None or model.api_base != api_base)
        ),
        random_seed=openevolve.random_seed if openevolve.random_seed is not None else 0,
        iterations=openevolve.max_iterations,
        workers=openevolve.evaluator.parallel_evaluations,
        evaluation_s=openevolve.evaluator.timeout,
        rules=Rules(openevolve.diff_pattern, openevolve.enforce_evolve_blocks, openevolve.max_code_length),
        feature_dimensions=tuple(openevolve.database.feature_dimensions),
        islands=Islands(openevolve.database.num_islands, openevolve.database.migration_interval),
        island_programs=config_paths.island_programs(document, path),
    )


def _check_prompt(openevolve: Any, path: Path) -> None:
    """UsageError for what does not go with prompts of the gateway's."""
    for key, ours in (
        ("diff_pattern", openevolve.diff_pattern == STANDARD_DIFF),
        ("prompt.programs_as_changes_description", not openevolve.prompt.programs_as_changes_description),
    ):
        if not ours:
            raise UsageError(
                f"{path}: {key} does not go with prompts that the gateway writes; leave it out, or set "
                "eplb.prompt.write to false"
            )


def read_eplb(path: Path) -> EplbSection:
    """Only our own section: what an evaluation outside a search needs, whatever LLM keys are set."""
    return section_of(read_document(path), path)


def section_of(document: dict[str, Any], path: Path) -> EplbSection:
    """The same of a document that was read from `path`."""
    return _read_section(document.get("eplb"), path)


def _read_section(section: object, path: Path) -> EplbSection:
    section = {} if section is None else section
    check_keys(section, EplbSection, "eplb", path)
    try:
        eplb = TypeAdapter(EplbSection).validate_python(section)
    except ValidationError as problem:
        first = problem.errors()[0]
        where = ".".join(["eplb", *map(str, first["loc"])])
        hidden = first["type"] == "missing" or "gateway" in first["loc"]  # there may be a key
        found = "" if hidden else f", not {shown(first['input'])}"
        raise UsageError(f"{path}: {where}: {first['msg'].lower()}{found}") from problem
    except UsageError as problem:
        raise UsageError(f"{path}: eplb: {problem}") from problem
    try:
        objective(eplb.objective)
        workload_names(eplb.workload)
    except UsageError as problem:
        raise UsageError(f"{path}: eplb.{problem}") from problem
    twice = next((name for name in eplb.checks if eplb.checks.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"{path}: eplb.checks has '{twice}' twice; leave one")
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

    check_keys(document, theirs.Config, "", path, ("eplb",))
    config_numbers.check(document, path)
    try:
        return theirs.Config.from_dict(copy.deepcopy(document))  # it changes what it is given
    except ValueError as problem:
        variable = str(problem).removeprefix("Environment variable ").removesuffix(" is not set")
        if variable != str(problem) and not variable.isidentifier():
            raise UsageError(
                f"{path}: llm.api_key: between ${{ and }} stands the name of an environment variable, never a key"
            ) from problem
        if variable != str(problem):
            raise UsageError(
                f"{path}: llm.api_key asks for the environment variable {variable}, which is not set; "
                f"export {variable}=... or use evolve_config.yaml, which needs no key"
            ) from problem
        raise UsageError(f"{path}: {problem}") from problem
    except dacite.DaciteError as problem:
        what = str(problem).partition(" instead of value ")[0]  # the value may be a key
        raise UsageError(f"{path}: {what}; write a value of that type") from problem
