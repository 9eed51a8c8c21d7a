"""What each section of the page shows; where it has nothing to show, one sentence that says why."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from eplb_evolve import reference
from eplb_evolve.board.metrics import BY_NAME, Metric
from eplb_evolve.board.rows import Row, Table, evolved_rows
from eplb_evolve.evaluation.measured import DEEPSEEK_FORM_SHA256
from eplb_evolve.evaluation.task import Task
from eplb_evolve.report.board_view import Board, view
from eplb_evolve.report.code import Diff, diff
from eplb_evolve.report.figure import Figure
from eplb_evolve.report.figures_evolution import evolution_figure
from eplb_evolve.report.figures_measured import bars_figure, heat_figures, net_figures, planning_matters
from eplb_evolve.report.figures_pareto import pareto_figure
from eplb_evolve.report.figures_tree import tree_figure
from eplb_evolve.report.gather import Run
from eplb_evolve.report.run_winner import Executed
from eplb_evolve.report.text import said
from eplb_evolve.runs.family import Family
from eplb_evolve.runs.lineage import Step, steps_to, summary
from eplb_evolve.runs.models import in_words, shares
from eplb_evolve.runs.proposals import Proposals
from eplb_evolve.serving.curve import curves
from eplb_evolve.serving.worth import VLLM_STEPS, sentence

DIFF_LINES, DIFF_LINES_IN_ALL = 1500, 8000
NO_BEST = "There is no feasible program yet."
BEST_IS_START = "The best program is the one that the search started from: no step leads to it."


@dataclass(frozen=True)
class Section:
    """Sentences, then plots. `missing` says why there is nothing else."""

    figures: Sequence[Figure] = ()
    sentences: Sequence[str] = ()
    missing: str = ""


@dataclass(frozen=True)
class StepView:
    """One step of the winner's lineage: cells of a table, and what it changed (None where a text is not known)."""

    number: int
    sha256: str
    how: str
    figures: Sequence[str]
    gain: str
    verdict: str
    diff: Diff | None


@dataclass(frozen=True)
class Lineage:
    """The winner's path, the tree around it, and the changes on the way."""

    tree: Section
    columns: Sequence[Metric]
    steps: Sequence[StepView]
    summary: str
    whole: Diff | None
    missing: str


def boards(found: Sequence[Table], run: Run) -> list[Board]:
    """One for each table that holds programs of the run."""
    return [view(table, run) for table in found]


def front(found: Sequence[Table], run: Run) -> Section:
    """A scatter for each table with at least two programs to compare."""
    winner = run.winner.evaluation.sha256 if run.winner is not None else ""
    figures = {table.conditions.split: pareto_figure(table, winner) for table in reversed(found)}
    shown = [figure for _, figure in sorted(figures.items()) if figure is not None]
    missing = "" if shown else "Fewer than two feasible programs were measured, so there is no front to draw."
    return Section(shown, missing=missing)


def evolution(run: Run) -> Section:
    """The best so far, and what each model took and brought."""
    figure = evolution_figure(run)
    if figure is None:
        return Section(missing="No program has been evaluated in this run yet.")
    searched = [entry for entry in run.entries if entry.evaluation.conditions.split == "search"]
    objective = run.objective or "time"
    found = shares(Proposals(run.folder).all(), searched, objective)
    return Section([figure], [said(f"{each.model}: {in_words(each, objective)}.") for each in found])


def lineage(run: Run, family: Family) -> Lineage:
    """How the search came to its best program."""
    columns = [BY_NAME[name] for name in ("time_ms", "ratio_to_reference", "speedup_over_seed")]
    if run.winner is None:
        figure = tree_figure(run, family, "")
        tree = Section([figure]) if figure else Section(missing=family.missing)
        return Lineage(tree, columns, (), "", None, NO_BEST)
    winner = run.winner.evaluation.sha256
    source = run.source(winner)
    figure = tree_figure(run, family, winner)
    tree = Section([figure]) if figure is not None else Section(missing=family.missing)
    if run.is_start(winner):
        return Lineage(tree, columns, (), "", None, BEST_IS_START)
    steps, whole = steps_to(winner, source, family, run.entries)
    budget, views = DIFF_LINES_IN_ALL, []
    for number, step in enumerate(steps):
        changed = None
        before = steps[number - 1].source if number else ""
        if before and step.source and budget > 0:
            changed = diff(before, step.source, min(budget, DIFF_LINES))
            budget -= len(changed.lines)
        views.append(_view(number, step, columns, changed))
    seed = steps[0].source if len(steps) > 1 and steps[0].source else run.source(run.started_from)
    missing = ""
    if not source and not steps[-1].source:
        missing = "The best program's text is no longer in the run's folder."
    elif not seed:
        missing = "The text of the program that the search started from is not known."
    between = diff(seed, steps[-1].source or source, DIFF_LINES) if not missing else None
    told = summary(steps) if whole else "No trace knows the steps to the best program; these are from its own header"
    return Lineage(tree, columns, views, said(told) + ".", between, missing)


def _view(number: int, step: Step, columns: Sequence[Metric], changed: Diff | None) -> StepView:
    figures = [metric.show(getattr(step, metric.name)) for metric in columns]
    gain = f"{step.gain:.2f} x" if step.gain is not None else ""
    how = said(f"{step.tier} {step.how.replace('+', ' + ')}".strip() + (f": {step.idea}" if step.idea else ""))
    return StepView(number, step.sha256[:10], how, figures, gain, step.verdict, changed)


def bars(run: Run, known: Sequence[Row]) -> Section:
    """The best program, the start and the reference wherever they were measured on the machine of the verdict."""
    if run.judged is None:
        return Section(missing=NO_BEST)
    own = evolved_rows(run.entries)
    where, serving = run.judged.conditions, run.judged.figure("serving")

    def of(*wanted: str) -> list[Row]:
        found: dict[tuple[str, str], Row] = {}
        for row in [*known, *own]:
            there = row.evaluation.conditions
            here = (there.device, there.machine) == (where.device, where.machine)
            if row.evaluation.sha256 in wanted and here and row.evaluation.valid:
                found[there.workload, there.split] = _served_alike(row, serving)
        return [found[key] for key in sorted(found)]

    yardstick = {row.evaluation.sha256 for row in known if row.name == reference.NAME}
    programs = [
        ("best", of(run.judged.sha256)),
        ("reference", of(*yardstick)),
        ("start", of(run.started_from) if run.started_from != run.judged.sha256 else []),
        ("DeepSeek's form", of(DEEPSEEK_FORM_SHA256) if run.started_from != DEEPSEEK_FORM_SHA256 else []),
    ]
    names = dict.fromkeys((run.fitting, "ratio_to_reference", "balancedness_ratio"))
    figures = [figure for name in names if (figure := bars_figure(name, programs)) is not None]
    return Section(figures, missing="" if figures else "No figure of the best program is known.")


def _served_alike(row: Row, serving: str) -> Row:
    """Without what was computed for another server."""
    if row.evaluation.figure("serving") == serving:
        return row
    return dataclasses.replace(row, evaluation=dataclasses.replace(row.evaluation, serving=None))


def heat(executed: Executed | None, why_not: str, task: Task | None) -> Section:
    """Load of every GPU before and after."""
    if executed is None or task is None:
        return Section(missing=why_not)
    if executed.heat is None:
        return Section(
            missing=said(f"The best program gave no placement here: {executed.best.reason or 'no holdout windows'}.")
        )
    planned, served = executed.heat.windows
    text = (
        f"{task.workload.name}: planned on window {planned}, load of window {served}, both holdout. "
        "Each cell is the load of one GPU in one layer / the mean of that layer's GPUs; 1 everywhere is perfect."
    )
    return Section(heat_figures(executed.heat), [text])


def net(executed: Executed | None, why_not: str, task: Task | None) -> Section:
    """What the best program is worth to a server."""
    if executed is None or task is None:
        return Section(missing=why_not)
    name, served = executed.best.name, task.settings.serving.deployment
    if executed.best.reason or not executed.best.intervals:
        return Section(missing=said(f"The best program did not run over the whole trace: {executed.best.reason}"))
    steps = task.workload.card.interval_steps
    drawn = curves(served, [executed.best, *executed.others], steps, VLLM_STEPS)
    at = drawn[0].at
    sentences = [
        sentence(served, task.workload.name, name, VLLM_STEPS, at["blocking"], at["background"]),
        planning_matters(executed, served),
        f"Balance, transfers and plan times were measured for this page on {executed.machine}, over the whole trace, "
        "both splits; what a step and moving weights take is a model's (docs/serving.md).",
    ]
    failed = [said(f"{course.name}: {course.reason}") for course in executed.others if course.reason]
    return Section(net_figures(drawn, name, steps), sentences + failed)
