"""Who ranks where, and that tables, Markdown and JSON say the same."""

import dataclasses
import io
import json

import pytest
from rich.console import Console

from eplb_evolve.errors import UsageError
from eplb_evolve.evaluation.result import Evaluation
from eplb_evolve.evaluation.score import combined_score
from eplb_evolve.results import show
from eplb_evolve.results.board import Row, declared_provenance, evolved_rows, tables
from eplb_evolve.results.ledger import Entry
from eplb_evolve.results.metrics import BY_NAME, METRICS
from eplb_evolve.results.records import Record, read_records, versions


def evaluation(name, ratio=None, **fields):
    blank = Evaluation(f"{name}.py", name, "w", "holdout", "cpu", "some CPU", "rlimits")
    given: dict = {}
    if ratio:
        score = combined_score(True, ratio, 1.0)
        given = {
            "valid": True,
            "feasible": True,
            "ratio_to_reference": ratio,
            "time_ms": ratio,
            "combined_score": score,
        }
    return dataclasses.replace(blank, **(given | fields))


def row(name, ratio=None, provenance="evolved", **fields):
    return Row(name, provenance, evaluation(name, ratio, **fields))


def test_faster_ranks_higher_and_infeasible_rows_have_no_rank():
    rows = [row("slow", 4.0), row("wrong", reason="broken"), row("fast", 0.5), row("near", 0.1, feasible=False)]
    (table,) = tables(rows)
    assert [(each.name, each.rank) for each in table.rows][:2] == [("fast", 1), ("slow", 2)]
    assert {each.name for each in table.rows if each.rank is None} == {"wrong", "near"}


@pytest.mark.parametrize("field", ["workload", "split", "device", "machine"])
def test_only_comparable_rows_share_a_table(field):
    assert len(tables([row("one", 1.0), row("two", 2.0, **{field: "other"})])) == 2


def test_the_last_measurement_of_a_program_counts():
    (table,) = tables([row("one", 1.0), row("one", 3.0)])
    assert [each.evaluation.ratio_to_reference for each in table.rows] == [3.0]


def test_the_terminal_table_fits_80_columns_and_gives_reasons():
    rows = [row(f"program{i}", 1.0 + i) for i in range(5)]
    rows += [
        row("deepseek", 50.0, "seed", speedup_over_seed=1.0),
        row("bad", reason="layer 3: expert 7 has no replica"),
    ]
    out = io.StringIO()
    (table,) = tables(rows)
    show.to_terminal(table, Console(file=out, width=80), limit=2)
    text = out.getvalue()
    assert all(len(line) <= 80 for line in text.splitlines())
    assert "program0" in text
    assert "program4" not in text
    assert "and 3 more" in text
    assert "deepseek" in text
    assert "layer 3: expert 7 has no replica" in text


def served(name, net, **fields):
    figures = {"net_blocking_3000": net, "net_background_3000": 1.25, "net_blocking_best": 1.1, "of_perfect": 0.5}
    figures |= {"net_background_best": 1.2, "best_interval_steps": 1_000_000, "break_even_steps": 12_345.6}
    return row(name, 1.0, serving="some-server, a rebalance every 3000 steps, blocking", **figures | fields)


def test_what_programs_are_worth_to_a_server_stands_below_in_80_columns():
    rows = [served("a" * 18, 1.1), served("b", 1.3, break_even_steps=None), row("old", 0.5)]
    out = io.StringIO()
    (table,) = tables(rows)
    show.to_terminal(table, Console(file=out, width=80), limit=5)
    below = out.getvalue().split("Throughput / that of never rebalancing, some-server:")[1]
    assert all(len(line) <= 80 for line in below.splitlines())
    assert below.index(" b ") < below.index("a" * 18)
    assert "never" in below
    assert "12,346" in below
    assert "old" not in below
    assert "| [b]() | 1.300 | 1.250 | 1.100 | 1.200 | 1,000,000 | never | 50 |" in show.to_markdown([table])


def test_a_search_for_net_throughput_shows_what_it_goes_by():
    out = io.StringIO()
    (table,) = tables([served("a", 1.1, net_throughput=1.2222)])
    show.to_terminal(table, Console(file=out, width=80), 5, "net_throughput")
    assert "1.2222" in out.getvalue()


def test_markdown_links_every_row_to_its_program_and_gives_reasons():
    rows = [
        dataclasses.replace(each, link=f"records/{each.name}/") for each in (row("fast", 0.5), row("bad", reason="no"))
    ]
    text = show.to_markdown(tables(rows))
    assert "| 1 | [fast](records/fast/) | evolved | 0.5 |" in text
    assert "| - | [bad](records/bad/) | evolved | - |" in text
    assert "- bad: no" in text


def test_every_column_is_a_declared_metric_of_an_evaluation():
    fields = {field.name for field in dataclasses.fields(Evaluation)}
    assert set(show.COLUMNS) <= set(BY_NAME)
    assert {metric.name for metric in METRICS} <= fields


def test_shares_are_shown_as_per_cent():
    assert BY_NAME["transfers"].show(0.91) == "91"
    assert BY_NAME["time_ms"].show(None) == "-"


def test_evolved_rows_say_how_they_were_made():
    (only,) = evolved_rows([Entry(evaluation("abcdef0123456", 1.0), "now", "T0", ("one", "two"))])
    assert (only.name, only.how) == ("abcdef0123", "T0 one+two")


def test_a_record_comes_back_as_it_was_written(tmp_path):
    record = Record(
        "first", "evolved", "T0 one", "now", "eplb record", "make evolve", versions(), [evaluation("a", 1.0)]
    )
    record.write(tmp_path, b"x = 1\n")
    assert read_records(tmp_path) == [record]
    assert (tmp_path / "first" / "program.py").read_bytes() == b"x = 1\n"
    with pytest.raises(UsageError, match="records are not overwritten"):
        record.write(tmp_path, b"x = 2\n")


def test_a_broken_record_is_named(tmp_path):
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "record.json").write_text(json.dumps({"name": "odd"}))
    with pytest.raises(UsageError, match=r"odd/record\.json is not a record"):
        read_records(tmp_path)


@pytest.mark.parametrize(
    ("docstring", "provenance"),
    [
        ("A seed.\n\nProvenance: baseline\n", "baseline"),
        ("A seed.\n\nProvenance: reference\n", "reference"),
        ("Provenance: evolved\n", "seed"),
        ("No line of that name.", "seed"),
    ],
)
def test_a_programs_header_says_where_it_comes_from(tmp_path, docstring, provenance):
    program = tmp_path / "program.py"
    program.write_text(f'"""{docstring}"""\n')
    assert declared_provenance(program) == provenance
