"""The hard constraint as configured: no equal of the reference fails it, snake fails `strict` only, cheats fail both.

benchmarks/constraint.py shows the same with many more evaluations.
"""

import functools
import importlib
import sys

import numpy as np
import pytest
from support import ROOT

from eplb_evolve import config
from eplb_evolve.errors import CandidateFailure
from eplb_evolve.evaluation.checks import CALLS
from eplb_evolve.paths import CONFIG_NAME

sys.path.append(str(ROOT / "benchmarks"))
constraint = importlib.import_module("constraint")
policies = importlib.import_module("policies")

SECTION = config.read_eplb(ROOT / CONFIG_NAME)
PROFILES = SECTION.profiles
TIMED = SECTION.timing.pairs_slow
NUMBERS = sorted({CALLS, TIMED})
TIE_BREAKINGS = 3
RECORDED = ("dsv2lite-esft", "gptoss20b-mixed", "gptoss20b-phased")
WORKLOADS = (*RECORDED, "dsv3-composite")


@functools.cache
def evaluated(workload):
    """[(case, balance of every planner)] of a workload's cases."""
    rng = np.random.default_rng(0)
    return [
        (
            case,
            constraint.evaluate_equals(case, TIMED, TIE_BREAKINGS if workload in RECORDED else 1, rng)
            | constraint.evaluate(case, constraint.OTHERS, TIMED, 1, rng),
        )
        for case in constraint.cases(workload, ROOT / "workloads")
    ]


def passes(workload, planner, profile, calls):
    """The shares of evaluations that pass which occur in the cases of a workload."""
    results = [results[planner] for _, results in evaluated(workload)]
    return {result.passes(calls, PROFILES[profile]) / len(result.candidate) for result in results}


@pytest.mark.parametrize("calls", NUMBERS)
@pytest.mark.parametrize("profile", ["default", "strict"])
@pytest.mark.parametrize("workload", WORKLOADS)
def test_no_tie_breaking_of_the_exact_greedy_is_rejected(workload, profile, calls):
    assert passes(workload, "ties", profile, calls) == {1.0}


@pytest.mark.parametrize("planner", ["recorded ties", "near ties"])
@pytest.mark.parametrize("profile", ["default", "strict"])
@pytest.mark.parametrize("workload", WORKLOADS)
def test_ties_before_and_within_the_noise_of_the_inputs_decide_nothing(workload, profile, planner):
    assert passes(workload, planner, profile, TIMED) == {1.0}


@pytest.mark.parametrize("workload", WORKLOADS)
def test_snake_passes_the_default_profile_but_not_strict(workload):
    assert passes(workload, "snake", "default", TIMED) == {1.0}
    assert passes(workload, "snake", "strict", TIMED) == {0.0}


@pytest.mark.parametrize("profile", ["default", "strict"])
@pytest.mark.parametrize("planner", ["stale, first", "stale, half", "first layer", "overfit, peaks", "overfit, step"])
@pytest.mark.parametrize("workload", WORKLOADS)
def test_cheats_are_rejected(workload, planner, profile):
    assert passes(workload, planner, profile, TIMED) == {0.0}


@pytest.mark.parametrize("workload", ["dsv3-composite"])
def test_a_level_window_does_not_excuse_the_next_one(workload):
    """Overfitted to the window it is better there than the reference, and rejected for the next one."""
    for case, results in evaluated(workload):
        result = results["overfit, level"]
        assert (result.figures(TIMED)[:, constraint.FIGURES.index("same")] > 1).all(), case.name
        assert not any(result.passes(TIMED, least) for least in PROFILES.values()), case.name


def test_a_plan_that_ignores_groups_is_invalid():
    bound = [case for case, _ in evaluated("dsv3-composite") if case.topology.hierarchical]
    assert len(bound) == 2
    for case in bound:
        planner = {"groups ignored": constraint.fresh(policies.groups_ignored)}
        with pytest.raises(CandidateFailure, match=r"expert group \d+ is on nodes"):
            constraint.evaluate(case, planner, 1, 1, np.random.default_rng(0))


@pytest.mark.parametrize("workload", WORKLOADS)
def test_steps_add_up_to_windows(workload):
    case, _ = evaluated(workload)[0]
    interval = case.workload.card.interval_steps
    np.testing.assert_array_equal(case.steps[interval : 2 * interval].sum(axis=0), case.workload.windows[1])


@pytest.mark.parametrize("policy", [policies.RandomTies(np.random.default_rng(0)), policies.snake, policies.levelled])
def test_policies_cope_with_ties_zeros_and_idle_layers(policy):
    topology = policies.Topology(replicas=32, groups=4, nodes=2, gpus=8)
    load = np.random.default_rng(1).integers(0, 4, (6, 24)).astype(float)
    load[0], load[1, 0] = 0, 1e6
    policies.checked(policy(load, topology), 24, topology)
