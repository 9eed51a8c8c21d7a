"""Each objective keeps the protocol; adding one is adding a file."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from clocked import Clocked, taking
from evaluations import evaluated

from eplb_evolve.board.metrics import BY_NAME
from eplb_evolve.errors import UsageError
from eplb_evolve.evaluation.block import CANDIDATE, RIVAL, run_block
from eplb_evolve.evaluation.calls import Caller
from eplb_evolve.evaluation.objectives import Incumbent, infeasible_score, objective, objectives
from eplb_evolve.evaluation.objectives.time import ratio_of_score, time_score
from eplb_evolve.evaluation.timed import Timed

FIGURES = {"balancedness_ratio": 1.01, "net_gain": 0.02}
NAMES = sorted(objectives())


@pytest.mark.parametrize("name", NAMES)
def test_its_words_and_figures_are_known(name):
    goal = objective(name)
    assert goal.name == name
    assert {goal.figure, goal.shown} <= set(BY_NAME)
    assert goal.counts


@pytest.mark.parametrize("name", NAMES)
def test_a_feasible_program_is_above_every_infeasible_one_and_the_better_figure_above_the_worse(name):
    goal = objective(name)
    metric = BY_NAME[goal.figure]
    values = {"lower": (2.0, 1.0), "higher": (1.0, 1.02)}[metric.better]
    worse, better = (goal.score(evaluated(1.0, **FIGURES | {goal.figure: value})) for value in values)
    assert better > worse >= 1 > infeasible_score(math.inf)


@pytest.mark.parametrize("name", NAMES)
def test_what_says_nothing_of_it_has_no_score(name):
    with pytest.raises(ValueError, match="no score"):
        objective(name).score(evaluated(reason="broken"))


@pytest.mark.parametrize("name", NAMES)
def test_nobody_wins_a_second_look_at_himself(name, timed_pair):
    """Chained to a score that is far too low, an equal gets no more than that."""
    own, equal = timed_pair((0.02,), (0.02,))
    gain = objective(name).second_look([own], [equal], Incumbent(Path(), 1e3, 1.5))
    assert not gain.won
    assert min(gain.most, math.inf if gain.score is None else gain.score) == pytest.approx(1.5)


def test_a_faster_program_wins_by_time_and_gains_what_it_gained_beside_the_incumbent(timed_pair):
    own, slower = timed_pair((0.02,), (0.04,))
    gain = objective("time").second_look([own], [slower], Incumbent(Path(), 4.0, time_score(60.0)))
    assert gain.won
    assert gain.gap.value == pytest.approx(2.0)
    assert ratio_of_score(gain.score) == pytest.approx(30.0)


def test_without_the_incumbent_its_stored_figures_count(timed_pair):
    own, _ = timed_pair((0.02,), (0.04,))
    assert objective("time").second_look([own], [], Incumbent(Path(), 3.0)).won
    assert not objective("time").second_look([own], [], Incumbent(Path(), 2.0)).won
    assert objective("balance").second_look([own], [], Incumbent(Path(), 1.0, 1.5)).won
    assert not objective("balance").second_look([own], [], Incumbent(Path(), 1.0, 2.5)).won


def test_an_unknown_one_is_refused_with_a_suggestion():
    with pytest.raises(
        UsageError, match=r"objective is time, balance, net_throughput, not 'tme' \(did you mean 'time'"
    ):
        objective("tme")


@pytest.fixture
def timed_pair(task, written):
    """What two programs that take these seconds are, called in one block."""

    def pair(*seconds):
        bench, rng = Clocked(), np.random.default_rng(0)
        whole = dataclasses.replace(task, checks=[])
        callers = {
            who: Caller(bench.zygote.spawn(written(who, taking(*each)), None), task.workload.topology, "", rng)
            for who, each in zip((CANDIDATE, RIVAL), seconds, strict=True)
        }
        block = run_block(callers, whole, bench, rng, lambda block: block.rows() == 12)
        return tuple(Timed.of(block, whole, who) for who in callers)

    return pair
