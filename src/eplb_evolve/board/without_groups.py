"""What a table without the group rule is, and what dropping the rule gives by itself."""

import dataclasses
from collections.abc import Sequence

from eplb_evolve import reference
from eplb_evolve.board.rows import Table
from eplb_evolve.evaluation.result import BalanceFigures, Conditions
from eplb_evolve.evaluation.task import WITHOUT_GROUPS


def without_groups(table: Table, board: Sequence[Table]) -> list[str]:
    """Sentences for a table without the group rule, with figures where the board has the grouped one; else none."""
    conditions = table.conditions
    name = conditions.workload.removesuffix(WITHOUT_GROUPS)
    if name == conditions.workload:
        return []
    found = [
        f"Another problem than {name}: the same loads on the same GPUs, but the experts of a group may be on any node "
        "(the global policy). No row here ranks against one with groups."
    ]
    grouped = next((each for each in board if each.conditions == _grouped(table)), None)
    free, bound = _reference(table), _reference(grouped) if grouped is not None else None
    if free is not None and bound is not None:
        gain = 100 * (free.balancedness / bound.balancedness - 1)
        found.append(
            f"Dropping the rule alone, by the same exact greedy, takes balancedness on the next window from "
            f"{bound.balancedness:.3f} to {free.balancedness:.3f} ({gain:+.1f} %): published evolved programs that "
            "ignore groups, such as LEVI's (global_snake), owe that to the rule and not to their search."
        )
    return found


def _grouped(table: Table) -> Conditions:
    return dataclasses.replace(table.conditions, workload=table.conditions.workload.removesuffix(WITHOUT_GROUPS))


def _reference(table: Table) -> BalanceFigures | None:
    return next((row.evaluation.balance for row in table.rows if row.name == reference.NAME), None)
