"""One program on several workloads: its ratio on each, side by side."""

from collections.abc import Sequence
from dataclasses import dataclass

from eplb_evolve.board.grid import Grid
from eplb_evolve.board.rows import Row, Table
from eplb_evolve.board.terminal import conditions_in_words
from eplb_evolve.evaluation.task import SEPARATOR, WITHOUT_GROUPS

UNRANKED = "({})"


@dataclass(frozen=True)
class Everywhere:
    """Rows that were measured on more than one workload, under the same conditions.

    Attributes:
        where: what they have in common, in words
        workloads: the columns
        rows: by their ranks; for each program its row and its ratio_to_reference on each workload, as shown; `-` where
            it has none
    """

    where: str
    workloads: Sequence[str]
    rows: Sequence[tuple[Row, Sequence[str]]]

    def grid(self) -> Grid:
        """For a terminal."""
        rows = [(row.name, *cells) for row, cells in self.rows]
        title = f"x ref on each workload, {self.where}; in brackets where not feasible"
        return Grid(("program", *(broken(name) for name in self.workloads)), rows, title=title)


def broken(name: str) -> str:
    """A workload's name that may go on in the next line of a heading."""
    return name.replace("-", "- ")


def everywhere(tables: Sequence[Table]) -> list[Everywhere]:
    """What tables of the objective `time` tell of the same program on several workloads, by split and machine.

    Without the group rule a workload is another problem, which few programs were measured on: it is left out.
    """
    groups: dict[str, list[Table]] = {}
    for table in tables:
        if table.objective == "time" and not table.conditions.workload.endswith(WITHOUT_GROUPS):
            where = f"{table.conditions.split} windows, {conditions_in_words(table.conditions)}"
            groups.setdefault(where, []).append(table)
    found = (_of(where, group) for where, group in groups.items())
    return [each for each in found if each.rows]


def _of(where: str, tables: Sequence[Table]) -> Everywhere:
    ratios: dict[str, dict[str, tuple[float, bool]]] = {}
    rows: dict[str, Row] = {}
    ranks: dict[str, list[int]] = {}
    for row in (row for table in tables for row in table.rows):
        run = row.evaluation
        ranks.setdefault(run.sha256, []).extend([row.rank] if row.rank is not None else [])
        known = [(each.workload, each.ratio_to_reference, each.feasible) for each in run.on]
        if run.timing is not None and SEPARATOR not in run.conditions.workload:
            known.append((run.conditions.workload, run.timing.ratio_to_reference, run.feasible))
        for workload, ratio, feasible in known:
            rows.setdefault(run.sha256, row)
            ratios.setdefault(run.sha256, {})[workload] = ratio, feasible
    several = {sha256: each for sha256, each in ratios.items() if len(each) > 1}
    workloads = sorted({workload for each in several.values() for workload in each})
    order = sorted(several, key=lambda sha256: (-len(ranks[sha256]), sum(ranks[sha256])))
    return Everywhere(
        where, workloads, [(rows[sha256], [_cell(several[sha256].get(name)) for name in workloads]) for sha256 in order]
    )


def _cell(known: tuple[float, bool] | None) -> str:
    if known is None:
        return "-"
    ratio, feasible = known
    return f"{ratio:.3g}" if feasible else UNRANKED.format(f"{ratio:.3g}")
