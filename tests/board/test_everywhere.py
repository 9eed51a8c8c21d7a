"""One program on several workloads, side by side."""

import io
from dataclasses import asdict

from evaluations import evaluated
from rich.console import Console

from eplb_evolve.board.everywhere import everywhere
from eplb_evolve.board.markdown import to_markdown
from eplb_evolve.board.ranking import tables
from eplb_evolve.board.rows import Row
from eplb_evolve.board.shipped_rows import Shipped
from eplb_evolve.evaluation.result import OnWorkload


def row(name, workload, ratio, on=(), feasible=True, machine="some CPU"):
    where = {"workload": workload, "split": "holdout", "machine": machine, "sandbox_level": "full"}
    run = evaluated(ratio, program=f"{name}.py", sha256=name, **where, feasible=feasible, on=on)
    return Row(name, "baseline", run, link=f"../seeds/{name}.py")


def on(workload, ratio, feasible=True):
    return asdict(OnWorkload(workload, feasible, ratio, ratio, ratio, ratio, 0.8, 0.8, 0.5))


def test_a_program_of_two_tables_is_one_row():
    rows = [row("fast", "a", 0.1), row("fast", "b", 3.0), row("slow", "a", 2.0), row("slow", "b", 2.5, feasible=False)]
    (found,) = everywhere(tables([*rows, row("once", "a", 1.0)]))
    assert found.workloads == ["a", "b"]
    assert [(each.name, cells) for each, cells in found.rows] == [("fast", ["0.1", "3"]), ("slow", ["2", "(2.5)"])]


def test_what_was_timed_on_several_counts_by_each():
    (found,) = everywhere(tables([row("all", "a+b", 0.5, (on("a", 0.25), on("b", 1.0)))]))
    assert [cells for _, cells in found.rows] == [["0.25", "1"]]


def test_other_machines_do_not_mix():
    assert not everywhere(tables([row("one", "a", 0.1), row("one", "b", 0.2, machine="another")]))


def test_it_is_shown_in_80_columns_and_in_markdown():
    names = ("dsv2lite-esft", "dsv3-composite", "gptoss20b-mixed", "gptoss20b-phased")
    rows = [row(program, name, 0.123) for name in names for program in ("embedded-net-throughput", "x")]
    (found,) = everywhere(tables(rows))
    out = io.StringIO()
    Console(file=out, width=80).print(found.grid())
    assert all(len(line) <= 80 for line in out.getvalue().splitlines()[1:])
    assert out.getvalue().count("0.123") == 8
    assert "| [embedded-net-throughput](../seeds/embedded-net-throughput.py) | 0.123 | 0.123 |" in to_markdown(
        Shipped(rows)
    )
