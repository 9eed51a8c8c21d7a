"""`eplb lineage PROGRAM`: how a search came to a program, step by step from the seed."""

import difflib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.syntax import Syntax
from rich.text import Text

from eplb_evolve.board.find_program import find, steps_of
from eplb_evolve.board.grid import Grid
from eplb_evolve.board.metrics import BY_NAME
from eplb_evolve.cli import options
from eplb_evolve.hostile_text import printable
from eplb_evolve.paths import project
from eplb_evolve.runs.lineage import Step, summary

FIGURES = ("time_ms", "ratio_to_reference", "speedup_over_seed")


def lineage(
    program: Annotated[str, typer.Argument(help="A file, or the first digits of a sha256 as the leaderboard shows.")],
    run: Annotated[
        Path | None, typer.Option("--run", help="A run's folder. (default: the newest that knows the program)")
    ] = None,
    diff: Annotated[bool, typer.Option("--diff", help="Show under each step what it changed in the text.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Explain a program step by step from the seed: what each step changed and what it gained.

    The steps come from the run's trace; without a run, from what the program's own header tells.
    """
    found = find(program, run, project().results)
    chain, source = steps_of(found)
    if as_json:
        head = {"program": found.sha256, "run": str(found.run) if found.run else None, "source": source}
        print(json.dumps(head | {"steps": [step.as_dict() for step in chain]}, indent=1))
        return
    console = options.stdout()
    if source == "header":
        options.say("eplb: no trace knows this program; its own header tells the steps, without figures")
    if diff:
        for number, step in enumerate(chain):
            console.print(_table(chain, [number]))
            if number:
                _print_diff(chain[number - 1], step, console)
    else:
        console.print(_table(chain, range(len(chain))))
    console.print(Text(printable(summary(chain))), soft_wrap=True)


def _table(chain: Sequence[Step], rows: Sequence[int]) -> Grid:
    lines = []
    for number in rows:
        step = chain[number]
        figures = [BY_NAME[name].show(getattr(step, name)) for name in FIGURES]
        changed = step.how.replace("+", " + ") + (f": {step.idea}" if step.idea else "")
        lines.append((str(number), step.sha256[:12], step.tier, changed, *figures, step.verdict))
    headings = ("step", "program", "tier", "what changed", *(BY_NAME[name].heading for name in FIGURES), "verdict")
    return Grid(headings, lines, left=(1, 2, len(headings) - 1), prose=3)


def _print_diff(before: Step, after: Step, console: Console) -> None:
    if not before.source or not after.source:
        console.print("(the programs of this step are not known)")
        return
    old, new = (printable(step.source).split("\n") for step in (before, after))
    lines = difflib.unified_diff(old, new, before.sha256[:12], after.sha256[:12], lineterm="")
    text = "\n".join(lines)
    if console.is_terminal and not console.no_color:
        console.print(Syntax(text, "diff", word_wrap=True, background_color="default"))
    else:
        console.print(Text(text), soft_wrap=True)
