"""The section that tells what the evaluator found about the program to be changed."""

import re

from eplb_evolve.evaluation.objectives.time import AT_FLOOR, at_floor
from eplb_evolve.evaluation.result import Evaluation, Margin
from eplb_evolve.hostile_text import clip, printable, sentence
from eplb_evolve.llm.compilers_said import helpful
from eplb_evolve.llm.history import History, Row
from eplb_evolve.llm.verdicts import figure, standing

MOST_PRINTED = 300
"""Characters of what a program printed that the next prompt shows."""
_MOST_REASON = 700
_ELSEWHERE = 3
"""Loads beside the timed one whose balance is told: the tightest."""


def last_result(row: Row | None, program: str, history: History, objective: str) -> str:
    """A few lines. row: of the program, None where it was never measured; program: its text."""
    evaluation = row.evaluation if row is not None else None
    if row is None or evaluation is None:
        return "# Last result\nThe parent has not been measured.\n"
    idea = f' ("{row.idea}")' if row.idea and not row.name.startswith("seed") else ""
    said = [f"# Last result: the parent, {row.called}{idea}"]
    if evaluation.feasible or evaluation.timing is not None:
        said.append(_figures(row, evaluation, history, objective))
    if not evaluation.feasible:
        said += _failure(evaluation, program)
    if evaluation.margins:
        said.append(_balance(evaluation.margins))
    if history.best is not None and history.best.evaluation is not None and objective == "time":
        said += [f"At the mark: {AT_FLOOR}."] if at_floor(history.best.evaluation) else []
    if evaluation.first_call_ms is not None:
        said.append(f"Import and first call took {evaluation.first_call_ms / 1e3:.1f} s.")
    if evaluation.profile:
        said.append(f"Where a call's time goes:\n{evaluation.profile.rstrip()}")
    if evaluation.log.strip() and evaluation.feasible:
        said.append(f"It printed: {printable(evaluation.log.strip())[-MOST_PRINTED:]}")
    return "\n".join(said) + "\n"


def _figures(row: Row, evaluation: Evaluation, history: History, objective: str) -> str:
    name = {"time": "Ratio", "balance": "Balance", "net_throughput": "Net gain"}.get(objective, "Figure")
    text = f"{name} {figure(evaluation, objective)}"
    timing = evaluation.timing
    if timing is not None:
        text += f", {timing.samples} pairs of calls, {timing.undisturbed} undisturbed"
        if objective != "time":
            text += f"; time {timing.ratio_to_reference:.3g} x the reference's"
        if timing.raced:
            text += "; given up early, clearly behind the best"
    best, base = history.best, history.named(row.base)
    if base is not None and base.evaluation is not None and base.evaluation.timing is not None:
        text += f". It is {standing(evaluation, base.evaluation, 'its own parent', objective)}"
        text += f" ({base.name}: {figure(base.evaluation, objective)})"
    if best is row:
        text += ". It is the run's best"
    elif best is not None and best.evaluation is not None:
        beside = base is best or standing(evaluation, best.evaluation, "it", objective)
        text += f". The run's best is {best.called}, {figure(best.evaluation, objective)}"
        text += "" if beside is True else f"; this one is {beside}"
    return text + "."


def _balance(margins: tuple[Margin, ...]) -> str:
    """Shares of the exact greedy's balance on the same calls: all on the timed loads, the tightest elsewhere."""
    timed = margins[0].on
    here = [_margin(each) for each in margins if each.on == timed]
    text = f"Balance on {timed} / the exact greedy's (limit, slack in points): {', '.join(here)}"
    others = sorted((each for each in margins if each.on != timed), key=lambda each: each.share - each.least)
    there = [f"{_margin(each)} on {each.on}" for each in others[:_ELSEWHERE]]
    return text + (f"; tightest elsewhere: {', '.join(there)}." if there else ".")


def _margin(margin: Margin) -> str:
    slack = 100 * (margin.share - margin.least)
    return f"{margin.figure.replace('_', ' ')} {margin.share:.4f} ({margin.least:g}, {slack:+.1f})"


def _failure(evaluation: Evaluation, program: str) -> list[str]:
    """Why it is not feasible, the line of its text where it failed, and what compilers said."""
    word = "Not balanced enough" if evaluation.valid else "Invalid"
    said = [f"{word}: {clip(helpful(evaluation.reason, _MOST_REASON), _MOST_REASON)}"]
    lines = program.split("\n")
    found = re.findall(r"\(line (\d+)[,)]", evaluation.reason)
    if found and 0 < int(found[-1]) <= len(lines):
        said.append(f"Line {found[-1]} is: {sentence(lines[int(found[-1]) - 1], 200)}")
    if evaluation.log.strip():
        said.append(f"It printed: {helpful(evaluation.log, MOST_PRINTED)}")
    return said
