"""`eplb compare`: which is faster, by how much, how sure."""

import dataclasses
import json
import math

import pytest
from clocked import Clocked, taking
from support import SEED

from eplb_evolve.cli import compare as command
from eplb_evolve.cli.compare import in_words
from eplb_evolve.evaluation.comparison import Compared, Comparison
from eplb_evolve.evaluation.gap import Gap
from eplb_evolve.evaluation.result import Conditions
from eplb_evolve.evaluation.timing import NORMAL_95, PROCESS_SHARE

ONE = Compared("fast.py", True, "", 1.0, 0.75, 0.2, 1.4)
OTHER = Compared("slow.py", True, "", 2.0, 0.76, 0.9, 1.3)
FOUND = Comparison(
    first=ONE,
    second=OTHER,
    time=Gap(0.5, 0.4, 0.625),
    balance=Gap(0.99, 0.98, 0.995),
    net=Gap(0.1, 0.05, 0.15),
    moved=Gap(0.0, 0.0, 0.0),
    samples=40,
    conditions=Conditions("w", "holdout", "cpu", "some CPU", "full"),
    serving="some server",
)


def test_a_difference_is_said_in_words_whichever_comes_first():
    text = in_words(FOUND)
    assert "fast is 2 times as fast as slow (95 % interval 1.600 to 2.5, 40 pairs)." in text
    assert "slow balances the next window better, by 1 % (0.5 to 2 %) of slow's balancedness." in text
    assert "To a server (some server) fast is worth more, by 10 % (5 to 15 %)" in text
    turned = dataclasses.replace(FOUND, first=OTHER, second=ONE, time=Gap(2.0, 1.6, 2.5))
    assert "fast is 2 times as fast as slow (95 % interval 1.600 to 2.5, 40 pairs)." in in_words(turned)


def test_a_tie_is_called_one():
    tie = dataclasses.replace(FOUND, time=Gap(1.01, 0.9, 1.1), balance=Gap(1.0, 0.9, 1.1), net=Gap(5e-5, 4e-5, 9e-5))
    text = in_words(tie)
    assert "No difference in time can be told: fast takes 1.010 times as long (95 % interval 0.900 to 1.100" in text
    assert "balance the next window alike" in text
    assert "worth the same" in text


def test_programs_of_one_name_are_told_apart_by_their_folders():
    pair = dataclasses.replace(
        FOUND,
        first=dataclasses.replace(ONE, program="a/program.py"),
        second=dataclasses.replace(OTHER, program="b/program.py"),
    )
    assert "a/program.py is 2 times as fast as b/program.py" in in_words(pair)


def test_two_programs_are_measured_and_the_faster_is_named(eplb, project, monkeypatch):
    monkeypatch.setattr(command, "open_bench", lambda _: Clocked())
    fast, slow = project / "fast.py", project / "slow.py"
    fast.write_text(taking(0.01))
    slow.write_text(taking(0.04))
    code, out, err = eplb("compare", slow, fast)
    assert code == 0, err
    assert "fast is 4 times as fast as slow (95 % interval 3.85 to 4.16" in " ".join(out.split())
    assert all(len(line) <= 80 for line in out.splitlines())
    (found,) = json.loads(eplb("compare", fast, slow, "--json")[1])
    between_processes = math.exp(NORMAL_95 * PROCESS_SHARE)  # the calls themselves do not scatter
    ends = {"value": 0.25, "low": 0.25 / between_processes, "high": 0.25 * between_processes}
    assert found["time"] == pytest.approx(ends)
    assert found["first"]["feasible"]


@pytest.mark.parametrize(
    ("text", "why"), [("import nothing_of_that_name", "nothing_of_that_name"), ("x = 1", "rebalance_experts")]
)
def test_a_program_that_fails_is_named(eplb, project, program, text, why):
    broken = program(text).rename(project / "broken.py")
    for pair in ((broken, SEED), (SEED, broken)):
        code, _, err = eplb("compare", *pair)
        assert code == 1
        assert "broken.py" in err
        assert why in err
