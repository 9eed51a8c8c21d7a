"""The table without the group rule: what it is called, what it says, and where it is left out."""

import pytest
from evaluations import evaluated
from support import ROOT

from eplb_evolve import reference
from eplb_evolve.board import terminal
from eplb_evolve.board.doubts import doubts
from eplb_evolve.board.everywhere import everywhere
from eplb_evolve.board.markdown import to_markdown
from eplb_evolve.board.ranking import tables
from eplb_evolve.board.rows import Row
from eplb_evolve.board.shipped_rows import Shipped
from eplb_evolve.board.without_groups import without_groups
from eplb_evolve.errors import UsageError
from eplb_evolve.evaluation.task import build_task

FREE = "w without groups"


def rows(workload, balancedness, names=(reference.NAME, "other")):
    """Of these programs, the first as balanced as said."""
    return [
        Row(name, "seed", evaluated(1.0 + at, sha256=name, workload=workload, balancedness=balancedness - at / 10))
        for at, name in enumerate(names)
    ]


def test_it_says_what_dropping_the_rule_gives():
    board = tables([*rows("w", 0.75), *rows(FREE, 0.81)])
    grouped, free = board
    assert without_groups(grouped, board) == []
    what, gain = without_groups(free, board)
    assert "Another problem than w:" in what
    assert "from 0.750 to 0.810 (+8.0 %)" in gain
    assert "(another problem)" in terminal.title(free)
    assert "(another problem)" not in terminal.title(grouped)


@pytest.mark.parametrize("beside", [[], rows("w", 0.75, ("one", "other")), rows("other", 0.75)])
def test_without_the_reference_on_both_sides_it_claims_no_gain(beside):
    board = tables([*beside, *rows(FREE, 0.81)])
    (free,) = [table for table in board if table.conditions.workload == FREE]
    (what,) = without_groups(free, board)
    assert "Dropping" not in what


def test_the_page_has_it_below_the_grouped_table_and_in_no_other():
    every = [*rows("w", 0.75), *rows(FREE, 0.81), *rows("x", 0.9)]
    text = to_markdown(Shipped(every))
    assert text.index("## w, search windows") < text.index(f"## {FREE} (another problem), search windows")
    assert "(+8.0 %)" in " ".join(text.split())
    assert "| program | w | x |" in text
    (one,) = everywhere(tables(every))
    assert one.workloads == ["w", "x"]


def test_a_doubt_names_commands_that_exist():
    figures = {"time_ms_low": 0.5, "time_ms_high": 1.5}
    (doubt,) = doubts(evaluated(1.0, workload="w", program="p.py", sandbox_level="full", **figures))
    assert "eplb evaluate p.py --workload w " in doubt
    (doubt,) = doubts(evaluated(1.0, workload=FREE, program="p.py", sandbox_level="full", **figures))
    assert doubt.endswith("measure again with eplb board --workload w.")
    drifting = {"estimators_apart": 0.2, "ratio_low": 0.9, "ratio_high": 1.1}
    (doubt,) = doubts(evaluated(1.0, workload=FREE, program="p.py", sandbox_level="full", **drifting))
    assert "eplb compare p.py OTHER --workload w --split search --groups 1" in doubt


def test_a_task_without_groups_has_the_same_servers(task):
    free = task.without_groups()
    assert free.name == f"{task.name} without groups"
    assert (free.workload.topology.gpus, free.workload.topology.groups) == (task.workload.topology.gpus, 1)


def test_of_several_workloads_the_rule_cannot_be_dropped(task):
    several = build_task([ROOT / "workloads"], ["gptoss20b-phased", "gptoss20b-mixed"], [], task.settings)
    with pytest.raises(UsageError, match="only one workload can be without groups"):
        several.without_groups()
