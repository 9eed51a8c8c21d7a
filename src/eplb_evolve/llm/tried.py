"""The section that tells what a run has tried: a line for each proposal of all islands, lost ones too."""

from collections import Counter
from collections.abc import Sequence

from eplb_evolve.hostile_text import clip, sentence
from eplb_evolve.llm.history import History, Row
from eplb_evolve.llm.verdicts import figure, verdict

MOST = 4000
"""Bytes of the table, whatever the run's length."""
_HEAD = """\
# What the run has tried
All islands; "of": what was changed; balance: on the next window / the exact greedy's.
| # | of | idea | {figure} | balance | verdict |
|--|--|--|--|--|--|
"""
_FIGURES = {"time": "ratio [95 %]", "balance": "balance [95 %]", "net_throughput": "net gain [95 %]"}
_MOST_VERDICT, _KIND = 110, 60
_SUMMARY = 260
"""Bytes of the line that the oldest are merged into, at most."""


def tried(history: History, objective: str, most: int, parent: Row | None = None) -> str:
    """The table in at most `most` bytes. The oldest lines are merged where they do not fit.

    Those stay that say most: the parent, the run's best and those that were its best before.
    """
    head = _HEAD.format(figure=_FIGURES.get(objective, f"{objective} [95 %]"))
    groups = _grouped(history.rows)
    lines = {rows[0].name: _line(rows, history, objective) for rows in groups}
    kept = {row.name for row in (parent, history.best) if row is not None}
    leading = [row.name for row in history.rows if row.evaluation and row.evaluation.sha256 in history.leaders]
    order = [rows[0].name for rows in groups if rows[0].name not in {*kept, *leading}]
    order += [name for name in leading if name not in kept]
    merged: list[Row] = []
    by_name = {rows[0].name: rows for rows in groups}
    for name in order:
        if _size(head, *lines.values()) + (_SUMMARY if merged else 0) <= most:
            break
        merged += by_name[name]
        del lines[name]
    return head + "".join(lines.values()) + (_summary(merged, objective) if merged else "")


def _size(*texts: str) -> int:
    return sum(len(text.encode()) for text in texts)


def _grouped(rows: Sequence[Row]) -> list[list[Row]]:
    """Rows that failed in the same way stand together, where the first of them stands."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(_kind(row) or f"row {row.name}", []).append(row)
    return list(found.values())


def _kind(row: Row) -> str:
    """How a proposal failed, without its numbers; "" where it did not, or nobody knows yet."""
    if row.evaluation is not None and (row.evaluation.feasible or row.evaluation.timing is not None):
        return ""
    text = row.lost or (row.evaluation.reason if row.evaluation is not None else "")
    return "".join("0" if letter.isdigit() else letter for letter in text)[:_KIND]


def _line(rows: Sequence[Row], history: History, objective: str) -> str:
    row, several = rows[0], len(rows) > 1
    names = ", ".join(clip(each.name, 9) for each in rows[:8]) + (", ..." if len(rows) > 8 else "")
    idea = " / ".join(each.idea or "(no words)" for each in rows[:3]) if several else row.idea or "(no words)"
    ratio, balance = "-", "-"
    if row.lost:
        said = f"lost: {row.lost}"
    elif row.evaluation is None:
        said = "not judged yet"
    else:
        ratio, balance = figure(row.evaluation, objective), figure(row.evaluation, "balance", interval=False)
        said = verdict(row.evaluation, history.best.evaluation if history.best else None, objective)
    cells = (names, row.base or "-", clip(idea, 150 if several else 110), ratio, balance, sentence(said, _MOST_VERDICT))
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |\n"


def _summary(rows: Sequence[Row], objective: str) -> str:
    judged = [row.evaluation for row in rows if row.evaluation is not None and row.evaluation.feasible]
    text = f"And {len(rows)} others, most of them older: {len(judged)} feasible"
    if judged:
        by_score = sorted(judged, key=lambda evaluation: evaluation.combined_score)
        text += f" ({figure(by_score[-1], objective, False)} to {figure(by_score[0], objective, False)})"
    failures = Counter(clip(sentence(_kind(row)), 40) for row in rows if _kind(row))
    for kind, count in failures.most_common(2):
        text += f"; {count} x {kind}"
    return text + ".\n"
