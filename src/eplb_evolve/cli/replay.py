"""`eplb replay TRACE`: make a recorded run's programs again, and judge them here."""

import dataclasses
import json
import tempfile
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from eplb_evolve.board.grid import Grid
from eplb_evolve.board.metrics import BY_NAME
from eplb_evolve.cli import options
from eplb_evolve.evaluation.bench import open_bench
from eplb_evolve.evaluation.pipeline import evaluate as evaluate_program
from eplb_evolve.evaluation.result import Evaluation
from eplb_evolve.paths import project
from eplb_evolve.runs.replay import Evaluate, Replayed, Totals, check_replies, read_rules, recorded, total
from eplb_evolve.runs.replay import replay as replay_one

RATIO = BY_NAME["ratio_to_reference"]


def replay(
    trace: Annotated[Path, typer.Argument(help="A run's folder, its exchanges.jsonl, or evolution_trace.jsonl.")],
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Replay only the first lines.")] = None,
    evaluate: Annotated[bool, typer.Option(help="Judge each program again, on the search windows.")] = True,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Derive each child of a recorded run again, from its parent and the recorded reply, and judge it here.

    It reproduces the programs, not the search: which parent was chosen, what the prompt said and what a model would
    answer today are taken as recorded. It needs no network and no API key. Exit code 1 if a child cannot be derived,
    differs, or gets another verdict.
    """
    read = recorded(trace)
    check_replies(read)
    rules = read_rules(config or project().config)
    chosen = read.mutations[:limit]
    replayed = []
    with ExitStack() as stack:
        judge = _judge(config, stack) if evaluate else None
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for number, mutation in enumerate(chosen, 1):
            options.say(f"replaying {number} of {len(chosen)}: {mutation.child_sha256[:12]} ...")
            replayed.append(replay_one(mutation, rules, judge, folder))
    totals = total(replayed, read.torn)
    if as_json:
        lines = [each.as_dict() for each in replayed]
        print(json.dumps({"lines": lines, "totals": dataclasses.asdict(totals)}, indent=1))
    else:
        _print(replayed, totals)
    if not totals.agree:
        raise typer.Exit(1)


def _judge(config: Path | None, stack: ExitStack) -> Evaluate:
    (task,) = options.tasks(config, None, "search")
    bench = stack.enter_context(closing(open_bench(task.settings)))

    def judge(program: Path) -> Evaluation:
        return evaluate_program(program, task, bench)

    return judge


def _print(replayed: list[Replayed], totals: Totals) -> None:
    console = options.stdout()
    rows = []
    for each in replayed:
        derived = each.derivation if each.derivation != "cannot be derived" else "no"
        figures = (RATIO.show(value) for value in (each.ratio_recorded, each.ratio_now, each.change))
        verdicts = (each.verdict_recorded, each.verdict_now or "-")
        rows.append((str(each.iteration), each.sha256[:12], derived, *verdicts, *figures))
    headings = ("iter", "program", "derived", "recorded", "now", "x ref rec.", "x ref now", "now/rec.")
    console.print(Grid(headings, rows, left=(1, 2, 3, 4), name=1))
    for each in replayed:
        if each.why:
            console.print(Text(f"{each.sha256[:12]} cannot be derived: {each.why}"), soft_wrap=True)
    text = f"derived {totals.derived} of {totals.lines}"
    if totals.evaluated:
        text += f"; same verdict {totals.same_verdict} of {totals.evaluated}"
    if totals.change is not None:
        text += f"; median of now/recorded {totals.change:.3g}"
    if totals.torn:
        text += f"; torn lines skipped: {totals.torn}"
    console.print(text, highlight=False, soft_wrap=True)
