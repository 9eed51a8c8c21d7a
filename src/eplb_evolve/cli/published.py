"""What `eplb evaluate --published` prints: both public scores beside our verdict."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from eplb_evolve.board.grid import Grid
from eplb_evolve.board.metrics import BY_NAME
from eplb_evolve.evaluation.published.judging import Figures, Published
from eplb_evolve.evaluation.result import Evaluation, Status
from eplb_evolve.hostile_text import one_line, printable

HEADINGS = (
    *("program", "here", "x ref", "Sky- Disc.", "ADRS board", "expert bal.", "GPU bal.", "ms"),
    *("groups kept", "log2phy right"),
)
HERE = {Status.FEASIBLE: "ok", Status.INFEASIBLE: "unbal.", Status.INVALID: "no"}
NOTHING = "-"


def show_published(results: Sequence[Evaluation], theirs: Sequence[Published], console: Console) -> None:
    """Programs on one workload: a table, why a program has no figures or no good verdict, and how to read it."""

    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False)

    where = results[0].conditions
    named = _names([result.program for result in results])
    rows = [_row(*each) for each in zip(named, results, theirs, strict=True)]
    say(one_line(f"{where.workload}, {where.split} windows; {where.machine}"))
    console.print(Grid(HEADINGS, rows, left=(0, 1)))
    for name, result, scores in zip(named, results, theirs, strict=True):
        for reason in _reasons(result, scores):
            say(printable(f"{name}: {reason}"))
    for line in _legend([each.figures for each in theirs if each.figures is not None]):
        say(line)


def _row(name: str, result: Evaluation, scores: Published) -> tuple[str, ...]:
    ratio = result.figure("ratio_to_reference")
    return (
        name,
        HERE.get(result.status, str(result.status)),
        NOTHING if ratio is None else BY_NAME["ratio_to_reference"].show(ratio),
        _number(scores.skydiscover_score, ".4f"),
        _number(scores.leaderboard_score, ".2f"),
        *_figures(scores.figures),
        _yes(scores.groups_kept),
        _yes(scores.log2phy_right),
    )


def _figures(figures: Figures | None) -> tuple[str, str, str]:
    if figures is None:
        return NOTHING, NOTHING, NOTHING
    return f"{figures.expert_balancedness:.4f}", f"{figures.gpu_balancedness:.4f}", f"{figures.call_ms:.3g}"


def _reasons(result: Evaluation, scores: Published) -> list[str]:
    reasons = [f"{result.status} here: {result.reason}"] if result.reason else []
    if scores.reason:
        said = "no public score" if scores.skydiscover_score is None else "both public scores are 0"
        reasons.append(f"{said}: {scores.reason}")
    return reasons


def _legend(figures: Sequence[Figures]) -> list[str]:
    simulated = ""
    if figures:
        least, most = (pick(each.simulation_ms for each in figures) for pick in (min, max))
        simulated = f",\n  here {least:.0f} to {most:.0f} ms"
    return [
        "",
        "here: our verdict; unbal.: valid, but not balanced enough; no: invalid.",
        f"SkyDiscover: (expert bal. + 0.002 / t) / 2; t: call and simulation in Python{simulated}.",
        "ADRS leaderboard: 90 GPU bal. + 5 min(0.002 / t, 2) - (t > 10 ms:",
        "  min(20 t, 20)); t: the call, column ms.",
        "Only the balances compare with scores from elsewhere; the times are ours.",
        "Neither looks at groups, nor at whether log2phy fits phy2log. Both count the",
        "first call, compilation included, which is left out here.",
    ]


def _names(programs: Sequence[str]) -> list[str]:
    """File stems; with their folder where those are the same, as those of records; as given where these are too."""
    files = [Path(program) for program in programs]
    for forms in ([file.stem for file in files], [f"{file.parent.name}/{file.stem}" for file in files]):
        if len(set(forms)) == len(forms):
            return forms
    return list(programs)


def _number(value: float | None, form: str) -> str:
    return NOTHING if value is None else format(value, form)


def _yes(said: bool | None) -> str:
    return NOTHING if said is None else "yes" if said else "no"
