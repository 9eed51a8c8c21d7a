"""`eplb doctor`: what is in use, what this machine allows, what is missing, and how to get it."""

import os
import platform
import shutil
import tempfile

import typer
from rich.console import Console

from eplb_evolve import __version__, machine
from eplb_evolve import config as configuration
from eplb_evolve.cli import options
from eplb_evolve.errors import EnvironmentProblem
from eplb_evolve.paths import PACKAGE, Project, project
from eplb_evolve.sandbox import at_least
from eplb_evolve.sandbox.levels import MEANING
from eplb_evolve.sandbox.probe import Finding, probe, strongest


def doctor(config: options.ConfigFile = None) -> None:
    """Say what is in use, which sandbox level this machine reaches, what is missing, and how to get it.

    Exit code 3 where the configuration demands a stronger level.
    """
    console, place = options.stdout(), project()
    for what, text in in_use(place):
        console.print(f"  {what:14s}{text}", markup=False, highlight=False, soft_wrap=True)
    with tempfile.TemporaryDirectory() as folder:
        findings = probe(os.path.realpath(folder))
    level = strongest(findings)
    console.print(f"sandbox level: {level}", style="bold", highlight=False, soft_wrap=True)
    console.print(f"  {MEANING[level]}", highlight=False)
    for finding in findings:
        _show(console, finding)
    console.print(f"machine: {machine.describe()}", highlight=False, soft_wrap=True)
    for name, use in (("c++", "candidates that compile C or C++"), ("ninja", "torch.utils.cpp_extension")):
        found = "found" if shutil.which(name) else f"missing; only {use} need it"
        console.print(f"  {name:14s}{found}", highlight=False, soft_wrap=True)
    try:
        gpu = machine.describe("cuda")
    except EnvironmentProblem as problem:
        gpu = f"none: {problem}"
    console.print(f"  {'GPU':14s}{gpu}", highlight=False, soft_wrap=True)
    minimum = configuration.read_eplb(config or place.config).minimum_sandbox_level
    if not at_least(level, minimum):
        options.say(f"eplb: the configuration demands sandbox level '{minimum}'")
        raise typer.Exit(EnvironmentProblem.exit_code)


def in_use(place: Project) -> list[tuple[str, str]]:
    """Which code, project, workloads and configuration a command takes here, and where it writes."""
    code = f"eplb-evolve {__version__} in {PACKAGE}, Python {platform.python_version()}"
    foreign = place.kind == "checkout" and not PACKAGE.is_relative_to(place.root.resolve())
    projects = {
        "checkout": f"the checkout {place.root}"
        + (f"; its own code is not in use: pip install -e {place.root} would change that" if foreign else ""),
        "project": str(place.root),
        "none": f"none in {place.root} or above; eplb init DIR makes one",
    }
    return [
        ("code", code),
        ("project", projects[place.kind]),
        ("workloads", " and ".join(map(str, place.workloads))),
        ("configuration", str(place.config)),
        ("results", str(place.results)),
    ]


def _show(console: Console, finding: Finding) -> None:
    verdict = "works" if finding.works else f"does not work: {finding.problem}"
    console.print(f"  {finding.mechanism:14s}{verdict}", markup=False, highlight=False, soft_wrap=True)
    if finding.remedy:
        console.print(f"{'':16s}{finding.remedy}", markup=False, highlight=False, soft_wrap=True)
