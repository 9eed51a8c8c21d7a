"""The page itself: one HTML file that fetches nothing, and runs no script but its own two."""

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from eplb_evolve.board.rows import Row
from eplb_evolve.evaluation.objectives import objective as named_objective
from eplb_evolve.evaluation.task import Task
from eplb_evolve.report import reproduce, sections
from eplb_evolve.report.gather import Run, comparable_tables
from eplb_evolve.report.run_winner import Executed
from eplb_evolve.report.text import for_script
from eplb_evolve.report.verdict import cards, verdict
from eplb_evolve.runs.family import Family

TEMPLATES = "templates"
EMPTY_STYLE = ""
"""Plotly adds an empty style element and fills it rule by rule. It also adds a style sheet for maps, which no report
has, unless an element with its id is there."""


@dataclass(frozen=True)
class Material:
    """Everything that a page is made from.

    Attributes:
        known: rows of records, shipped programs and what this machine has measured
        executed: what running the best program gave; None when it was not run, and `why_not` says why
        task: the workload that it ran on
        when: UTC time of the page
    """

    run: Run
    known: Sequence[Row]
    family: Family
    executed: Executed | None
    why_not: str
    task: Task | None
    when: str


def render(material: Material) -> str:
    """The HTML text, for a file in UTF-8 with line ends as they are."""
    run = material.run
    heat = sections.heat(material.executed, material.why_not, material.task)
    net = sections.net(material.executed, material.why_not, material.task)
    tables = comparable_tables(run, material.known)
    front, evolution = sections.front(tables, run), sections.evolution(run)
    lineage, bars = sections.lineage(run, material.family), sections.bars(run, material.known)
    drawn = [*front.figures, *evolution.figures, *lineage.tree.figures, *heat.figures, *bars.figures, *net.figures]
    plotly, script, style = _plotly() if drawn else "", _asset("page.js"), _asset("style.css")
    environment = Environment(
        loader=PackageLoader("eplb_evolve.report", TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2").render(
        run=run,
        objective=named_objective(run.objective).counts if run.objective is not None else "not known",
        when=material.when,
        verdict=verdict(run),
        cards=cards(run),
        boards=sections.boards(tables, run),
        front=front,
        evolution=evolution,
        lineage=lineage,
        heat=heat,
        bars=bars,
        net=net,
        starts=reproduce.starts(run),
        looking=reproduce.looking(run),
        facts=reproduce.facts(run),
        figures=for_script([figure.as_dict() for figure in drawn]),
        policy=_policy([plotly, script], [style, EMPTY_STYLE]),
        plotly=Markup(plotly),
        map_styles=re.findall(r'getElementById\("([0-9a-f]{64})"\)', plotly),
        script=Markup(script),
        style=Markup(style),
    )


def _policy(scripts: Sequence[str], styles: Sequence[str]) -> str:
    """Content-Security-Policy: nothing is fetched, and of scripts and style sheets only these texts count.

    Plotly places its elements by style attributes, and shows heat maps as data: images.
    """
    listed = [" ".join(_hash(text) for text in texts) for texts in (scripts, styles)]
    return (
        f"default-src 'none'; script-src {listed[0]}; style-src-elem {listed[1]}; "
        "style-src-attr 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode('ascii')}'"


def _plotly() -> str:
    return (files("plotly") / "package_data" / "plotly.min.js").read_text(encoding="utf-8")


def _asset(name: str) -> str:
    return (files("eplb_evolve.report") / TEMPLATES / name).read_text(encoding="utf-8")
