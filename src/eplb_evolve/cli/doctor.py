"""`eplb doctor`: what is in use, what this machine allows, what is missing, and how to get it."""

import os
import platform
import shutil
import tempfile
from collections.abc import Sequence

import typer
from rich.console import Console

from eplb_evolve import __version__, machine, preflight
from eplb_evolve import config as configuration
from eplb_evolve.cli import options
from eplb_evolve.errors import EnvironmentProblem, in_words
from eplb_evolve.evaluation import disturbance
from eplb_evolve.paths import PACKAGE, Project, project
from eplb_evolve.sandbox import at_least
from eplb_evolve.sandbox.levels import MEANING
from eplb_evolve.sandbox.probe import Finding, probe, strongest


def doctor(config: options.ConfigFile = None) -> None:
    """Say what is in use, what this machine lets a search do, what is missing, and how to get it.

    Exit code 3 where something would keep a search from working, or the configuration demands a stronger sandbox level.
    """
    console, place = options.stdout(), project()
    for what, text in in_use(place):
        console.print(f"  {what:14s}{text}", markup=False, highlight=False, soft_wrap=True)
    section = configuration.read_eplb(config or place.config)
    unmet = _show_needs(console, preflight.search_needs(section.limits, place.results))
    try:
        with tempfile.TemporaryDirectory() as folder:
            findings = probe(os.path.realpath(folder))
    except OSError as problem:
        options.say(f"eplb: the sandbox level cannot be told: {in_words(problem)}")
        raise typer.Exit(EnvironmentProblem.exit_code) from None
    level = strongest(findings)
    console.print(f"sandbox level: {level}", style="bold", highlight=False, soft_wrap=True)
    console.print(f"  {MEANING[level]}", highlight=False)
    for finding in findings:
        _show(console, finding)
    console.print(f"machine: {machine.describe()}", highlight=False, soft_wrap=True)
    for words in disturbance.words():
        console.print(f"  {'processors':14s}{words}", highlight=False, soft_wrap=True)
    for name, use in (("c++", "candidates that compile C or C++"), ("ninja", "torch.utils.cpp_extension")):
        found = "found" if shutil.which(name) else f"missing; only {use} need it"
        console.print(f"  {name:14s}{found}", highlight=False, soft_wrap=True)
    try:
        gpu = machine.describe("cuda")
    except EnvironmentProblem as problem:
        gpu = f"none: {problem}"
    console.print(f"  {'GPU':14s}{gpu}", highlight=False, soft_wrap=True)
    if not at_least(level, section.minimum_sandbox_level):
        options.say(f"eplb: the configuration demands sandbox level '{section.minimum_sandbox_level}'")
        raise typer.Exit(EnvironmentProblem.exit_code)
    if unmet:
        options.say(f"eplb: no search works here before this is mended: {', '.join(unmet)}")
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


def _show_needs(console: Console, needs: Sequence[preflight.Need]) -> list[str]:
    """Try them all; the names of those that are not met."""
    console.print("needs of a search:", style="bold", highlight=False)
    unmet = []
    for need in needs:
        problem = need.problem()
        works = f"works, in {need.where()}" if problem is None and need.where is not None else "works"
        console.print(f"  {need.name:17s}{problem or works}", markup=False, highlight=False, soft_wrap=True)
        if problem is not None:
            unmet.append(need.name)
    return unmet


def _show(console: Console, finding: Finding) -> None:
    verdict = "works" if finding.works else f"does not work: {finding.problem}"
    console.print(f"  {finding.mechanism:14s}{verdict}", markup=False, highlight=False, soft_wrap=True)
    if finding.remedy:
        console.print(f"{'':16s}{finding.remedy}", markup=False, highlight=False, soft_wrap=True)
