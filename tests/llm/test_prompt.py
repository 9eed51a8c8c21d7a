"""The sections of a prompt."""

import dataclasses

import pytest
from evaluations import changed, evaluated
from ledgers import append
from runs.exchanges import exchange, record

from eplb_evolve.evaluation.result import Margin
from eplb_evolve.gateway.parsing import sha256
from eplb_evolve.gateway.settings import PromptSettings
from eplb_evolve.llm import author as authors
from eplb_evolve.llm.author import RunAuthor
from eplb_evolve.llm.compilers_said import helpful
from eplb_evolve.llm.history import History
from eplb_evolve.llm.last_result import last_result
from eplb_evolve.llm.prompt import ANSWER, compose
from eplb_evolve.llm.task_file import FILE_NAME
from eplb_evolve.llm.tried import tried
from eplb_evolve.llm.verdicts import standing
from eplb_evolve.runs.ledger import Entry, Ledger
from eplb_evolve.runs.proposals import Proposals

SEED, FIRST, SECOND, BROKEN = "seed = 1\n", "first = 1\n", "second = 1\n", "broken = 1\nraise ValueError\n"


def judged(program, ratio=None, **more):
    given = {"sha256": sha256(program), "program": f"programs/{sha256(program)[:12]}.py"}
    if ratio is not None:
        given |= {"ratio_low": ratio * 0.9, "ratio_high": ratio * 1.1, "samples": 40, "balancedness_ratio": 0.99}
    return Entry(evaluated(ratio, **given | more), "2026-01-01T00:00:00+00:00")


@pytest.fixture
def run(tmp_path):
    """The seed; FIRST and SECOND of it; BROKEN of SECOND; a lost one. SECOND is the best."""
    append(tmp_path, judged(SEED, 50.0), judged(FIRST, 5.0), judged(SECOND, 0.5))
    append(tmp_path, judged(BROKEN, reason="call: ValueError: no (line 2, in rebalance_experts)"))
    record(
        tmp_path,
        exchange(SEED, FIRST, idea="heaps"),
        exchange(SEED, SECOND, idea="one | kernel"),
        exchange(SECOND, BROKEN, idea="bold"),
        exchange(SEED, lost="The reply is empty."),
    )
    for program in (SEED, FIRST, SECOND, BROKEN):
        Ledger(tmp_path).keep_program(program.encode(), sha256(program))
    (tmp_path / FILE_NAME).write_text("# Task\nthe task\n")
    return tmp_path


def history(run):
    return History(Ledger(run).entries(), Proposals(run).all())


def result(run, program, objective="time"):
    found = history(run)
    return last_result(found.row(sha256(program)), program, found, objective)


def test_the_table_has_a_line_for_each_proposal(run):
    lines = tried(history(run), "time", 4000).splitlines()[4:]
    assert lines == [
        "| seed | - | what the run started from | 50 [45, 55] | 0.9900 | 100 x as slow as the best |",
        "| 1 | seed | heaps | 5 [4.5, 5.5] | 0.9900 | 10 x as slow as the best |",
        "| 2 | seed | one / kernel | 0.5 [0.45, 0.55] | 0.9900 | the best |",
        "| 3 | 2 | bold | - | - | invalid: call: ValueError: no (line 2, in rebalance_experts) |",
        "| 4 | seed | (no words) | - | - | lost: The reply is empty. |",
    ]


def many(run, count):
    """So many more: failures of two kinds, and slow programs."""
    for number in range(count):
        program = f"x = {number}\n"
        if number % 3 == 0:
            record(run, exchange(SEED, lost=f"SEARCH block {number % 4} is empty.", idea=f"idea {number}"))
        else:
            record(run, exchange(FIRST, program, idea=f"idea {number} " + "word " * 15))
            made = {"ratio": 40.0 + number} if number % 3 == 1 else {"reason": f"call: KeyError: {number}"}
            append(run, judged(program, **made))


def test_the_table_stays_short_and_keeps_what_says_most(run):
    many(run, 120)
    text = tried(history(run), "time", 3000, history(run).row(sha256(FIRST)))
    assert 2500 < len(text.encode()) <= 3000
    assert "| seed |" in text  # it was the best
    assert "| 1 | seed | heaps" in text  # the parent
    assert "| 2 | seed | one / kernel" in text  # the best
    assert "idea 118" in text
    assert "others, most of them older: " in text


def test_failures_of_a_kind_share_a_line(run):
    many(run, 9)
    text = tried(history(run), "time", 4000)
    assert "| 5, 8, 11 | seed | idea 0 / idea 3 / idea 6 | - | - | lost: SEARCH block 0 is empty. |" in text
    assert text.count("KeyError") == 1


def test_the_last_result_tells_figures_and_where_the_program_stands(run):
    told = result(run, FIRST)
    assert 'proposal 1 ("heaps")' in told
    assert "Ratio 5 [4.5, 5.5], 40 pairs of calls" in told
    assert "10 x as fast as its own parent (seed: 50 [45, 55])" in told
    assert "The run's best is proposal 2, 0.5 [0.45, 0.55]; this one is 10 x as slow as it." in told
    assert "It is the run's best." in result(run, SECOND)


def test_a_crash_is_told_with_its_line(run):
    told = result(run, BROKEN)
    assert "Invalid: call: ValueError: no (line 2, in rebalance_experts)" in told
    assert "Line 2 is: raise ValueError" in told


def test_balance_is_told_with_limits_and_slack_on_other_loads_too(run):
    margins = [
        {"on": "w", "figure": "next_window", "share": 0.999, "least": 0.985},
        {"on": "w", "figure": "worst_layer", "share": 0.9, "least": 0.8},
        *({"on": f"load {i}", "figure": "same_window", "share": 0.9 + i / 100, "least": 0.88} for i in range(5)),
    ]
    append(run, judged("m = 1\n", 3.0, margins=margins))
    told = result(run, "m = 1\n")
    assert "Balance on w / the exact greedy's (limit, slack in points): next window 0.9990 (0.985, +1.4), worst" in told
    assert "tightest elsewhere: same window 0.9000 (0.88, +2.0) on load 0, same window 0.9100" in told
    assert "load 3" not in told


def test_profile_and_output_are_told_the_latter_by_its_end(run):
    append(run, judged("m = 1\n", 3.0, profile="1 ms\nplan (line 3): 2 ms", log="x" * 500 + "fast path"))
    told = result(run, "m = 1\n")
    assert "Where a call's time goes:\n1 ms\nplan (line 3): 2 ms\n" in told
    assert told.endswith("x" * 291 + "fast path\n")


def test_at_the_floor_that_is_said(run):
    assert "At the mark" not in result(run, SECOND)
    append(run, judged("m = 1\n", 0.07, floor_ratio=0.066))
    assert "At the mark: the best program takes hardly longer" in result(run, FIRST)
    assert "At the mark" not in result(run, FIRST, "net_throughput")


@pytest.mark.parametrize(
    ("mine", "theirs", "said"),
    [
        ({}, {}, "not distinguishable from it"),
        ({"ratio_to_reference": 1.0, "ratio_low": 0.98, "ratio_high": 1.02}, {}, "5 x as fast as it"),
        ({}, {"ratio_to_reference": 1.0, "ratio_low": 0.98, "ratio_high": 1.02}, "5 x as slow as it"),
        ({"ratio_low": 4.0, "ratio_high": 5.0}, {"ratio_low": 5.1, "ratio_high": 6.0}, "not distinguishable from it"),
        ({"ratio_low": None}, {}, "not distinguishable from it"),
    ],
)
def test_programs_of_two_processes_are_told_apart_only_beyond_what_processes_differ_by(mine, theirs, said):
    base = judged(FIRST, 5.0).evaluation
    assert standing(changed(base, **mine), changed(base, sha256="cd" * 32, **theirs), "it", "time") == said


def test_programs_that_were_measured_together_are_compared_by_that():
    other = judged(SEED, 1.0).evaluation
    ends = {"gain": 2.0, "gain_low": 1.9, "gain_high": 2.1}
    look = {"first_look_ratio": 0.5, "won": True, "beside": other.sha256, **ends}
    mine = judged(FIRST, 0.5, **look).evaluation
    said = standing(mine, other, "the best", "time")
    assert said == "better than the best on the same calls: 2 x as fast [1.9 x as fast, 2.1 x as fast]"


def prompt(run, program, best=SECOND, **settings):
    found = history(run)
    row = found.row(sha256(program))
    return compose("# Task\n", found, program, row, best, "time", dataclasses.replace(PromptSettings(), **settings))


def test_a_program_stands_in_a_prompt_once(run):
    text = "".join(message["content"] for message in prompt(run, SECOND).messages)
    assert text.count(SECOND) == 1
    assert "# From the parent" not in text


def test_the_best_is_a_diff_whole_or_left_out(run):
    long = "".join(f"line_{number} = {number}\n" for number in range(400))
    near = long.replace("line_7 = 7", "line_7 = 8")
    assert "```diff\n" in prompt(run, long, near).parts["best"]
    assert "```python\nsecond = 1\n```" in prompt(run, long, SECOND).parts["best"]
    whole = prompt(run, SECOND, long + "x" * 45_000)
    assert "best" not in whole.parts


def test_the_task_comes_first_and_how_to_answer_last(run):
    system, user = prompt(run, FIRST).messages
    assert system == {"role": "system", "content": "# Task\n"}
    assert user["content"].endswith(ANSWER)
    assert [line for line in user["content"].splitlines() if line.startswith("# ")][:3] == [
        '# Last result: the parent, proposal 1 ("heaps")',
        "# What the run has tried",
        "# Parent",
    ]


def test_the_budget_holds_whatever_a_program_prints(run):
    append(run, judged("m = 1\n", reason="é" * 3000, log="ü" * 9000))
    many(run, 100)
    found = history(run)
    row = found.row(sha256("m = 1\n"))
    sections = compose("t" * 5000, found, "m = 1\n", row, None, "time", PromptSettings())
    assert sum(size for name, size in sections.sizes.items() if name not in ("parent", "best")) <= 10_000


def author(run, rebase=1.0, objective="time"):
    return RunAuthor(run, PromptSettings(rebase=rebase), objective)


def test_a_program_far_behind_gives_way_to_the_best(run):
    assert author(run).write(SEED).base == SECOND
    assert author(run).write(FIRST).base == SECOND
    assert author(run).write(BROKEN).base == SECOND
    assert author(run, rebase=0.0).write(SEED).base == SEED
    close = "close = 1\n"
    append(run, judged(close, 0.9))
    assert author(run).write(close).base == close
    assert author(run).write("unknown = 1\n").base == "unknown = 1\n"


def test_under_another_objective_half_of_what_was_gained_counts(run):
    append(run, judged("m = 1\n", 3.0, combined_score=103.0), judged("n = 1\n", 3.0, combined_score=104.0))
    assert author(run, objective="balance").write(FIRST).base == FIRST  # the best one's text is gone
    Ledger(run).keep_program(b"n = 1\n", sha256("n = 1\n"))
    assert author(run, objective="balance").write(FIRST).base == "n = 1\n"
    assert author(run, objective="balance").write("m = 1\n").base == "m = 1\n"


def test_the_first_part_is_the_same_in_each_prompt_and_the_user_s_own_words_end_it(run):
    writer = author(run)
    first, second = writer.write(SEED, "Use no C."), writer.write(FIRST, "Use no C.")
    assert first.messages[0] == second.messages[0]
    assert first.messages[0]["content"] == "# Task\nthe task\n\n## Notes\nUse no C.\n"
    assert writer.write(SEED, authors._stock_system_message()).messages[0]["content"] == "# Task\nthe task\n"


def test_without_a_task_nothing_is_written(run):
    (run / FILE_NAME).unlink()
    assert author(run).write(SEED) is None


def test_what_was_measured_is_known_by_its_name(run):
    assert [author(run).number_of(each) for each in (SEED, FIRST, "new = 1\n")] == ["the seed", "proposal 1", ""]
    assert author(run).gains() == {"m": pytest.approx(100.0)}


def test_of_long_messages_the_errors_are_told():
    noise = "\n".join(f"In file included from x.h:{number}:" for number in range(99))
    text = f"{noise}\na.c:3:5: error: 'y' undeclared\n    3 |     y = 1;\n{noise}\n" + "note: x\n" * 200
    assert helpful(text, 300) == "a.c:3:5: error: 'y' undeclared\n    3 |     y = 1;"
    assert helpful("short", 300) == "short"
    assert helpful("z" * 900, 300) == "z" * 300


def test_a_margin_is_told_in_points():
    from eplb_evolve.llm.last_result import _margin

    assert _margin(Margin("x", "each_call", 0.95, 0.9)) == "each call 0.9500 (0.9, +5.0)"


def test_words_of_the_user_s_own_beyond_the_budget_are_cut_and_that_is_said_once(run, capfd):
    writer = author(run)
    for _ in range(2):
        system = writer.write(SEED, "Think. " * 3000).messages[0]["content"]
        assert 5000 < len(system.encode()) < 7000
    assert capfd.readouterr().err.count("the system message has 21010 bytes, and eplb.prompt.budget leaves") == 1
