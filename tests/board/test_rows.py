"""Who ranks where, and that tables, Markdown and JSON say the same."""

import dataclasses
import io
import json

import pytest
from evaluations import evaluated
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from support import ROOT

from eplb_evolve.board import terminal
from eplb_evolve.board.markdown import to_markdown
from eplb_evolve.board.metrics import BY_NAME, METRICS
from eplb_evolve.board.ranking import Reach, levels, pareto, tables
from eplb_evolve.board.records import Record, read_records
from eplb_evolve.board.rows import Row, evolved_rows
from eplb_evolve.board.shipped_rows import Measuring, Shipped, read_shipped
from eplb_evolve.errors import UsageError
from eplb_evolve.feedback import metrics
from eplb_evolve.runs.ledger import Entry
from eplb_evolve.runs.origin import declared_provenance
from eplb_evolve.runs.run_info import versions


def evaluation(name, ratio=None, **fields):
    about = {"program": f"{name}.py", "sha256": name, "split": "holdout", "machine": "some CPU"}
    return evaluated(ratio, **about | fields)


def row(name, ratio=None, provenance="evolved", **fields):
    return Row(name, provenance, evaluation(name, ratio, **fields))


def test_faster_ranks_higher_and_infeasible_rows_have_no_rank():
    rows = [row("slow", 4.0), row("wrong", reason="broken"), row("fast", 0.5), row("near", 0.1, feasible=False)]
    (table,) = tables(rows)
    assert [(each.name, each.rank) for each in table.rows][:2] == [("fast", 1), ("slow", 2)]
    assert {each.name for each in table.rows if each.rank is None} == {"wrong", "near"}


@pytest.mark.parametrize("field", ["workload", "split", "device", "machine", "sandbox_level"])
def test_only_comparable_rows_share_a_table(field):
    assert len(tables([row("one", 1.0), row("two", 2.0, **{field: "other"})])) == 2


def test_the_last_measurement_of_a_program_counts():
    (table,) = tables([row("one", 1.0), row("one", 3.0)])
    assert [each.evaluation.timing.ratio_to_reference for each in table.rows] == [3.0]


def test_the_terminal_table_fits_80_columns_and_gives_reasons():
    rows = [row(f"program{i}", 1.0 + i) for i in range(5)]
    rows += [
        row("deepseek", 50.0, "seed", speedup_over_seed=1.0),
        row("bad", reason="layer 3: expert 7 has no replica"),
        row("near", 0.5, feasible=False, valid=True, reason="balancedness of the worst layer is 0.7 x"),
    ]
    out = io.StringIO()
    (table,) = tables(rows)
    terminal.to_terminal(table, Console(file=out, width=80), limit=2)
    text = out.getvalue()
    assert all(len(line) <= 80 for line in text.splitlines())
    assert "program0" in text
    assert "program4" not in text
    assert "and 3 more" in text
    assert "deepseek" in text
    assert "near, infeasible: balancedness of the worst layer is 0.7 x" in text
    assert "1 programs are invalid" in text
    assert "layer 3" not in text


def test_invalid_programs_are_shown_with_their_reasons_when_asked_for():
    out = io.StringIO()
    (table,) = tables([row("fine", 1.0), row("bad", reason="layer 3: expert 7\nhas no \x1b[2Jreplica [b]")])
    terminal.to_terminal(table, Console(file=out, width=80), 2, invalid=True)
    assert "layer 3: expert 7 has no \\x1b[2Jreplica [b]" in out.getvalue()
    assert "fine" not in out.getvalue()


def test_the_wide_table_has_every_figure_in_one_line_each():
    out = io.StringIO()
    (table,) = tables([row("fine", 1.0, balancedness_worst_layer=0.7654, time_p99_ms=1.25)])
    terminal.to_terminal(table, Console(file=out, width=80), 2, wide=True)
    (line,) = [line for line in out.getvalue().splitlines() if "fine" in line]
    assert "0.7654" in line
    assert "1.25" in line
    assert all(metric.heading in out.getvalue() for metric in METRICS)


def costs(name, time, balance, moved):
    """Of figures that are exact."""
    figures = {"ratio": time, "balancedness_ratio": balance, "transfers_more": moved}
    ends = {f"{which}_{end}": value for which, value in figures.items() for end in ("low", "high")}
    return row(name, time, balancedness_ratio=balance, transfers_more=moved, **ends)


def test_the_front_is_what_nothing_beats_in_time_balance_and_transfers():
    rows = [
        costs("fast", 1.0, 0.7, 0.9),
        costs("balanced", 3.0, 0.8, 0.9),
        costs("still", 3.0, 0.7, 0.1),
        costs("beaten", 3.0, 0.75, 0.9),
        costs("twin", 1.0, 0.7, 0.9),
    ]
    assert pareto([*rows, row("unknown", 0.1)]) == frozenset()  # it might beat any other
    assert pareto(rows) == {"fast", "balanced", "still", "twin"}
    assert pareto([]) == frozenset()
    (table,) = tables([*rows, row("infeasible", 0.1, feasible=False, balancedness_ratio=0.9, transfers_more=0.0)])
    assert {each.name for each in table.rows if each.front} == {"fast", "balanced", "still", "twin"}


@settings(max_examples=50)
@given(st.lists(st.tuples(*[st.integers(0, 3)] * 3), min_size=1, max_size=12))
def test_each_row_off_the_front_is_beaten_by_one_on_it(figures):
    rows = [costs(str(index), 1.0 + time, -balance, moved) for index, (time, balance, moved) in enumerate(figures)]
    front = pareto(rows)
    for row_, own in zip(rows, figures, strict=True):
        better = [
            other
            for at, other in enumerate(figures)
            if str(at) in front and other != own and all(x <= y for x, y in zip(other, own, strict=True))
        ]
        assert bool(better) is (row_.name not in front)


def between(name, *ends):
    """A row with these intervals of time, balance and transfers around their middles."""
    names = ("ratio", "balancedness_ratio", "transfers_more")
    figures = {}
    for which, (low, high) in zip(names, ends, strict=True):
        figures |= {f"{which}_low": low, f"{which}_high": high, which: (low + high) / 2}
    return row(name, figures.pop("ratio"), **figures)


def test_a_row_is_beaten_beyond_the_intervals_only():
    rows = [
        between("best", (0.9, 1.1), (0.99, 1.01), (0.0, 0.1)),
        between("tie", (1.0, 1.3), (0.98, 1.0), (0.05, 0.15)),
        between("slow", (400.0, 410.0), (1.0, 1.02), (0.0, 0.1)),
    ]
    assert pareto(rows) == {"best", "tie"}


def test_ties_do_not_chain():
    """The second ties with the first and the third with the second: it is held against the best."""
    rows = [
        between("fast", (1.0, 1.1), (0.96, 0.98), (0.0, 0.1)),
        between("middle", (2.0, 2.1), (0.97, 0.995), (0.0, 0.1)),
        between("balanced", (3.0, 3.1), (0.99, 1.0), (0.0, 0.1)),
    ]
    assert pareto(rows) == {"fast", "middle"}


def test_levels_are_cut_at_the_best():
    assert levels([Reach(value, value - 0.6, value + 0.6) for value in (3.0, 1.0, 2.0, 2.5)]) == [1, 0, 0, 1]


@pytest.mark.parametrize(
    ("fields", "unstable"),
    [
        ({"time_ms_low": 0.95, "time_ms_high": 1.05, "samples": 40, "undisturbed": 40}, False),
        ({"time_ms_low": 0.8, "time_ms_high": 1.2, "samples": 40, "undisturbed": 40}, True),
        ({"samples": 40, "undisturbed": 19}, True),
        ({"estimators_apart": 0.2, "ratio_low": 0.9, "ratio_high": 1.1}, True),
        ({"estimators_apart": 0.2, "ratio_low": 0.7, "ratio_high": 1.3}, False),
        ({"throttled": 2}, True),
        ({"floor_ms": 0.9}, False),
    ],
)
def test_a_row_is_marked_when_its_time_is_not_to_be_trusted(fields, unstable):
    one = row("one", 1.0, **fields)
    assert one.unstable is unstable
    assert terminal.rank(dataclasses.replace(one, rank=1)).endswith("!") is unstable


def test_a_time_under_the_clocks_resolution_is_a_bound():
    assert terminal.figure(row("one", 0.5, at_bound=True), "time_ms") == "<0.5"


def test_programs_found_under_another_objective_stand_in_the_same_table():
    """They rank by the figures that the table goes by, whatever score they were found with."""
    rows = [row("mine", 1.0), row("theirs", 0.5, objective="balance", combined_score=2.1, balancedness_ratio=1.001)]
    (table,) = tables(rows)
    assert [each.name for each in table.rows] == ["theirs", "mine"]
    (table,) = tables(rows, "balance")
    assert [(each.name, each.rank) for each in table.rows] == [("theirs", 1), ("mine", None)]


def test_figures_stand_beside_half_their_intervals():
    ends = {"net_gain": 0.0123, "net_gain_low": 0.0113, "net_gain_high": 0.0133}
    one = row("one", 1.0, ratio_low=0.9, ratio_high=1.1, balancedness_ratio=0.9987, **ends)
    names = ("ratio_to_reference", "balancedness_ratio", "transfers", "net_gain")
    assert terminal.figures(one, names) == ["1", ".1", "0.9987", "-", "-", "+1.23", ".10"]
    assert terminal.headings(names) == ["x ref", "±", "bal.", "±", "moved", "gain", "±"]


def test_markdown_links_every_row_to_its_program_and_gives_reasons():
    rows = [
        dataclasses.replace(each, link=f"records/{each.name}/") for each in (row("fast", 0.5), row("bad", reason="no"))
    ]
    how = {"w": Measuring("2026-01-01T10:00:00+00:00", "eplb board", 90.0)}
    text = to_markdown(Shipped([*rows, row("alone", 1.0, workload="other")], how))
    assert "| 1\\* | [fast](records/fast/) | evolved | 0.5 |" in text.replace("1 |", "1\\* |", 1)
    assert "| - | [bad](records/bad/) | evolved | - |" in text
    assert "- bad: no" in text
    assert "`eplb board`, 2026-01-01 10:00:00 UTC, 2 minutes." in text
    assert "alone" not in text  # a table of one row compares nothing


def test_markdown_has_columns_of_dispatch_where_they_were_measured():
    dispatch = {"balancedness_even": 0.8123, "lp_bound": 0.9012, "balancedness_nearest": 0.7034}
    known, unknown = (
        to_markdown(Shipped([row("a", 1.0, **dispatch), row("b", 2.0)])),
        to_markdown(Shipped([row("a", 1.0), row("b", 2.0)])),
    )
    assert "| even | lp | near |" in known
    assert "| 0.8123 | 0.9012 | 0.7034 |" in known
    assert "- **lp**: " in known
    assert "nothing ranks by them" in known
    assert not {"even", "lp", "near"} & set(unknown.replace("|", " ").replace("`", " ").split())


def test_what_a_dispatch_is_worth_ranks_nothing():
    dispatch = {"balancedness_even": 0.8, "lp_bound": 0.99, "balancedness_nearest": 0.99}
    (table,) = tables([row("slow", 2.0, **dispatch), row("fast", 1.0), row("near", 3.0, **dispatch)])
    assert [each.name for each in table.rows] == ["fast", "slow", "near"]
    assert "lp_bound" not in metrics(row("slow", 2.0, **dispatch).evaluation)


def test_every_column_is_a_declared_metric_of_an_evaluation():
    blank = evaluation("blank")
    assert set(terminal.COLUMNS) <= set(BY_NAME)
    flat = {*blank.as_dict(), "ratio_spread"}
    assert all({metric.name, *metric.interval} <= flat for metric in METRICS)


def test_shares_are_shown_as_per_cent():
    assert BY_NAME["transfers"].show(0.91) == "91"
    assert BY_NAME["time_ms"].show(None) == "-"


def test_evolved_rows_say_how_they_were_made():
    (only,) = evolved_rows([Entry(evaluation("abcdef0123456", 1.0), "now", "T0", ("one", "two"))])
    assert (only.name, only.how) == ("abcdef0123", "T0 one+two")


def test_a_record_comes_back_as_it_was_written(tmp_path):
    record = Record(
        "first",
        "evolved",
        "T0 one",
        "now",
        "eplb record",
        "make evolve",
        versions(),
        [evaluation("a", 1.0)],
        [{"how": "one"}],
    )
    record.write(tmp_path, b"x = 1\n", "# first\n")
    assert read_records(tmp_path) == [record]
    assert (tmp_path / "first" / "program.py").read_bytes() == b"x = 1\n"
    with pytest.raises(UsageError, match="records are not overwritten"):
        record.write(tmp_path, b"x = 2\n", "")


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


def test_the_shipped_page_is_that_of_the_shipped_rows():
    results = ROOT / "results"
    assert (results / "LEADERBOARD.md").read_text(encoding="utf-8") == to_markdown(read_shipped(results))


def test_a_workload_measured_anew_leaves_the_rows_of_others():
    old = Shipped([row("one", 1.0), row("one", 1.0, workload="other")], {"w": Measuring("then", "", 1.0)})
    new = old.updated(Shipped([row("two", 2.0)], {"w": Measuring("now", "", 1.0)}))
    assert [(each.name, each.evaluation.conditions.workload) for each in new.rows] == [("one", "other"), ("two", "w")]
    assert new.measuring["w"].when == "now"


def test_what_is_zero_as_shown_has_no_minus():
    assert BY_NAME["net_gain"].show(-1e-6) == "+0.00"
    assert BY_NAME["transfers"].show(-1e-6) == "0"
    assert BY_NAME["net_gain"].show(-0.0123) == "-1.23"
