"""Balancers and policies over a recorded trace."""

import dataclasses
from contextlib import closing

import numpy as np
import pytest
from clocked import KEEPS_WHAT_IS
from support import SEED

from eplb_evolve import reference
from eplb_evolve.errors import CandidateFailure, UsageError
from eplb_evolve.evaluation.simulation import planner, policies, simulate
from eplb_evolve.placement import initial_phy2log, received_slots
from eplb_evolve.sandbox import Limits
from eplb_evolve.serving.course import ORACLE, PLACED_ONCE, RANDOM_ONCE
from eplb_evolve.serving.curve import PERFECT, curves
from eplb_evolve.serving.presets import deployment

LIMITS = Limits(first_call_s=30.0, call_s=5.0)


@pytest.fixture
def workload(task):
    return task.workload


def course(bench, file, workload):
    with closing(bench.zygote.spawn(file, LIMITS)) as worker:
        return simulate(file.stem, workload, planner(worker, workload))


@pytest.fixture
def greedy(workload):
    """The exact greedy, whose plans take 2 ms."""
    return simulate(
        "greedy", workload, lambda load, _held: (reference.plan(load, *workload.topology.as_arguments())[0], 0.002)
    )


def test_a_plan_serves_the_next_window_and_the_one_before_it_is_stale(greedy, workload):
    assert len(greedy.intervals) == len(workload.windows) - 1
    assert greedy.plan_s == 0.002
    assert greedy.reason == ""
    assert all(0 < each.balancedness <= 1 for each in greedy.intervals)
    later = greedy.intervals[1:]
    assert np.mean([each.balancedness for each in later]) > np.mean([each.balancedness_stale for each in later])
    assert greedy.intervals[0].balancedness_stale == greedy.intervals[0].balancedness_never


def test_a_program_with_six_parameters_is_given_the_placement_in_force(bench, program, workload):
    assert course(bench, SEED, workload).transfers > 0.3
    kept = course(bench, program(KEEPS_WHAT_IS), workload)
    assert (kept.reason, kept.transfers) == ("", 0)
    assert all(each.balancedness == each.balancedness_never for each in kept.intervals)


def test_a_balancer_that_never_changes_anything_is_worth_nothing_and_costs_nothing(workload):
    start = initial_phy2log(*workload.windows.shape[1:], workload.topology.replicas)
    still = simulate("still", workload, lambda _load, _held: (start, 0.0))
    assert still.transfers == 0
    drawn = curves(deployment("deepseek-v3-decode"), [still], 100, 3000)[0]
    assert all(net == pytest.approx(1) for mode in drawn.net for net in drawn.net[mode])


def test_policies_stand_in_the_order_that_they_must(greedy, workload):
    once, random, oracle = policies(workload)
    assert (once.name, random.name, oracle.name) == (PLACED_ONCE, RANDOM_ONCE, ORACLE)
    drawn = curves(deployment("deepseek-v3-decode"), [greedy, once, random, oracle], 100, 3000)
    net = {curve.name: curve.at["blocking"] for curve in drawn}
    assert net[RANDOM_ONCE] < net[PLACED_ONCE] < net[greedy.name] < net[ORACLE] < net[PERFECT]
    assert drawn[-1].of_perfect("blocking") == pytest.approx(1)
    assert list(drawn[0].net["blocking"]) == sorted(drawn[0].net["blocking"])  # cost is spread over more steps


def test_a_planner_that_fails_ends_its_course_and_says_why(workload):
    def plan(load, held):
        raise CandidateFailure("it broke")

    failed = simulate("failed", workload, plan)
    assert (failed.intervals, failed.reason) == ((), "it broke")
    half = dataclasses.replace(policies(workload)[0], reason="it broke later")  # fewer windows than the others
    assert [
        curve.name for curve in curves(deployment("deepseek-v3-decode"), [half, *policies(workload)[1:]], 100, 10)
    ] == [
        RANDOM_ONCE,
        ORACLE,
        PERFECT,
    ]
    with pytest.raises(UsageError, match="nothing to draw"):
        curves(deployment("deepseek-v3-decode"), [failed], 100, 3000)


def test_a_trace_of_one_window_is_refused(workload):
    short = dataclasses.replace(workload, windows=workload.windows[:1])
    with pytest.raises(UsageError, match="1 window of 100 steps"):
        policies(short)


def test_a_layer_waits_for_the_gpu_that_receives_most():
    old = np.array([[0, 1, 2, 3, 4, 5]])
    new = np.array([[4, 5, 2, 3, 4, 0]])  # two arrive on GPU 0, none on 1, one on 2
    assert received_slots(old, new, gpus=3, experts=6) == 2
