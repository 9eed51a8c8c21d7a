"""The cost model against figures worked out by hand."""

import dataclasses
import math

import pytest

from eplb_evolve.errors import UsageError
from eplb_evolve.serving.cost import (
    Interval,
    best_interval,
    break_even_steps,
    drift_s_per_step,
    net_throughput,
    step_s,
    transfer_s,
)
from eplb_evolve.serving.presets import DEPLOYMENTS, HARDWARE, Deployment, Hardware, Model, deployment

MODEL = Model("m", layers=10, experts=8, top_k=2, expert_bytes=4e6)
NODE = Hardware("h", scale_up_bytes_per_s=400e9, scale_out_bytes_per_s=40e9, domain_gpus=4)
SERVED = Deployment("d", MODEL, NODE, gpus=4, step_s=0.1, load_share=0.5, layer_overhead_s=0.01, sources={})


def interval(**changed):
    values = {"plan_s": 0.5, "received_slots": 2.0, "balancedness": 0.8, "balancedness_stale": 0.5}
    return Interval(**values | {"balancedness_never": 0.4} | changed)


def test_a_step_grows_by_its_load_share_alone():
    assert step_s(SERVED, 1.0) == pytest.approx(0.1)
    assert step_s(SERVED, 0.5) == pytest.approx(0.1 * (0.5 + 0.5 * 2))


@pytest.mark.parametrize("balancedness", [0.0, -0.1, 1.1, math.nan])
def test_a_balancedness_that_cannot_be_is_refused(balancedness):
    with pytest.raises(UsageError, match="balancedness"):
        step_s(SERVED, balancedness)


def test_moving_takes_the_overhead_and_the_bytes_of_the_busiest_gpu_in_each_layer():
    assert transfer_s(SERVED, 2.0) == pytest.approx(10 * (0.01 + 2 * 4e6 / 400e9))
    assert transfer_s(SERVED, 0.0) == 0


def test_transfers_that_leave_the_domain_take_the_slower_link():
    two_nodes = dataclasses.replace(SERVED, gpus=8)
    assert two_nodes.crossing_share == pytest.approx(4 / 7)
    expected = 10 * (0.01 + 2 * 4e6 * (3 / 7 / 400e9 + 4 / 7 / 40e9))
    assert transfer_s(two_nodes, 2.0) == pytest.approx(expected)


def test_blocking_pays_the_whole_cost_in_each_interval():
    cost = 0.5 + transfer_s(SERVED, 2.0)
    expected = 100 * step_s(SERVED, 0.4) / (cost + 100 * step_s(SERVED, 0.8))
    assert net_throughput(SERVED, [interval()], 100, "blocking") == pytest.approx(expected)


def test_in_the_background_the_old_placement_serves_meanwhile():
    late = (0.5 + transfer_s(SERVED, 2.0)) / step_s(SERVED, 0.5)
    spent = late * step_s(SERVED, 0.5) + (100 - late) * step_s(SERVED, 0.8)
    assert net_throughput(SERVED, [interval()], 100, "background") == pytest.approx(100 * step_s(SERVED, 0.4) / spent)


def test_a_plan_that_is_never_ready_leaves_the_old_placement():
    never_ready = [interval(plan_s=1e6)]
    expected = step_s(SERVED, 0.4) / step_s(SERVED, 0.5)
    assert net_throughput(SERVED, never_ready, 100, "background") == pytest.approx(expected)


def test_break_even_is_where_blocking_is_worth_as_much_as_never():
    steps = break_even_steps(SERVED, [interval()])
    assert net_throughput(SERVED, [interval()], round(steps) - 1, "blocking") < 1
    assert net_throughput(SERVED, [interval()], round(steps) + 1, "blocking") > 1
    assert break_even_steps(SERVED, [interval(balancedness=0.3)]) == math.inf


def test_the_best_interval_is_the_square_root_of_twice_the_cost_over_the_drift():
    aged = [interval(balancedness_stale=0.78)] * 3
    drift = drift_s_per_step(SERVED, aged, window_steps=100)
    assert drift == pytest.approx((step_s(SERVED, 0.78) - step_s(SERVED, 0.8)) / 100)
    steps, net = best_interval(SERVED, aged, "blocking", drift)
    assert steps == pytest.approx(math.sqrt(2 * (0.5 + transfer_s(SERVED, 2.0)) / drift), rel=0.07)
    assert net > net_throughput(SERVED, aged, 2 * steps, "blocking", drift)


def test_where_plans_do_not_age_the_longest_interval_is_the_best():
    assert drift_s_per_step(SERVED, [interval(balancedness_stale=0.9)] * 3, 100) == 0
    assert best_interval(SERVED, [interval()], "blocking", 0.0)[0] == 10**6


@pytest.mark.parametrize(("steps", "intervals", "words"), [(0, [interval()], "one step"), (10, [], "nothing to judge")])
def test_no_interval_and_an_empty_trace_are_refused(steps, intervals, words):
    with pytest.raises(UsageError, match=words):
        net_throughput(SERVED, intervals, steps, "blocking")


def test_a_preset_that_is_not_there_gets_a_suggestion():
    with pytest.raises(UsageError, match="deepseek-v3-decode"):
        deployment("deepseek-v3-decod")


@pytest.mark.parametrize("served", DEPLOYMENTS.values(), ids=DEPLOYMENTS)
def test_each_number_of_a_preset_has_a_source(served):
    assert set(served.sources) == {"step_s", "load_share", "layer_overhead_s"}
    assert served.hardware in HARDWARE.values()


@pytest.mark.parametrize("wrong", [{"step_s": 0.0}, {"load_share": 1.5}, {"load_share": 0.0}, {"gpus": 0}])
def test_a_deployment_that_cannot_be_is_refused(wrong):
    with pytest.raises(UsageError, match=next(iter(wrong))):
        dataclasses.replace(SERVED, **wrong)
