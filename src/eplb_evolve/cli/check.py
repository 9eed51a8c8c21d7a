"""`eplb check CONFIG`: everything that can be wrong before a search, without running one."""

import socket
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from eplb_evolve import config as configuration
from eplb_evolve import preflight
from eplb_evolve.cli import options
from eplb_evolve.errors import EnvironmentProblem
from eplb_evolve.evaluation.objectives import objective
from eplb_evolve.gateway.client import new_client
from eplb_evolve.paths import project


def check(config: Annotated[Path, typer.Argument(help="A configuration for openevolve-run.")]) -> None:
    """Check a configuration, and whether this machine lets a search run.

    Keys, types, workloads, topology, API key variables, the gateway's port; then what eplb doctor lists under `needs`.
    """
    read = configuration.read(config)
    new_client("http://127.0.0.1/v1")  # as OpenEvolve makes one
    section = read.eplb
    task = section.task(project().workloads)
    preflight.demand(preflight.search_needs(section.limits, None))
    if read.gateway_api_base is not None:
        _check_port(read.gateway_api_base, config)
    options.say(f"{config} is fine.")
    options.say(f"  proposer  {_proposer(read)}")
    if read.llm_models and read.gateway_api_base is not None:
        gateway = section.gateway
        cap = f"stops at {gateway.max_cost:.2f} USD" if gateway.max_cost is not None else "no max_cost"
        record = "records" if gateway.records else "does not record"
        options.say(f"  gateway   at {read.gateway_api_base}: {record}, {cap}")
    if read.writes_prompts:
        prompt = section.prompt
        options.say(f"  prompt    {prompt.limit:,} bytes at most, {prompt.budget:,} of them beside the programs")
    if read.direct_models:
        names = ", ".join(read.direct_models)
        options.say(f"  direct    {names}: OpenEvolve itself asks the endpoint. Nothing is probed, tried")
        options.say("            again, recorded or capped, and its logs repeat what the endpoint says.")
        options.say("            eplb.gateway.models (configs/recorded.yaml) puts the gateway between.")
    for workload in task.workloads:
        windows, layers, experts = workload.windows.shape
        topology = workload.topology
        options.say(f"  workload  {workload.name}: {windows} windows x {layers} layers x {experts} experts")
        options.say(
            f"  topology  {topology.replicas} replicas on {topology.gpus} GPUs in {topology.nodes} nodes, "
            f"{topology.groups} expert groups"
        )
    options.say(f"  checks    {', '.join(other.name for other in task.checks) or 'none'}")
    goal = objective(section.objective)
    server = f": {section.serving}" if goal.serves else ""
    rule = "; it replaces the profile" if goal.thresholds is not None else f", profile {section.profile}"
    options.say(f"  objective {goal.name}{server}{rule}")


def _proposer(read: configuration.Config) -> str:
    parts = [f"{', '.join(read.llm_models)} (an LLM)"] if read.llm_models else []
    if read.local_models:
        local = "embedded proposer" if read.local_models == ("embedded",) else f"local {', '.join(read.local_models)}"
        parts.append(f"the {local} at {read.gateway_api_base} (no LLM)")
    return " and ".join(parts)


def _check_port(api_base: str, config: Path) -> None:
    address = urlsplit(api_base)
    with socket.socket() as probe:
        if probe.connect_ex((address.hostname or "", address.port or 80)) == 0:
            raise EnvironmentProblem(
                f"port {address.port} is in use by another process; end it, or change llm.api_base in {config}"
            )
