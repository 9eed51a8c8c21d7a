"""A run goes on with its own task: another workload, constraint or objective is refused with the way out."""

import dataclasses
import re

import pytest
from ledgers import append, entry, started
from support import ROOT

from eplb_evolve.errors import UsageError
from eplb_evolve.evaluation.settings import Settings, Thresholds, Timing
from eplb_evolve.evaluation.task import build_task
from eplb_evolve.placement import Topology
from eplb_evolve.runs import same_task
from eplb_evolve.runs.run_info import read_starts
from eplb_evolve.runs.same_task import identity, refuse_another
from eplb_evolve.sandbox import Limits
from eplb_evolve.serving.worth import Serving

SMALL = "eplb: {workload: gptoss20b-phased, checks: [], device: cpu"
"""The configuration of `now`, to be continued."""


@pytest.fixture(autouse=True)
def first_evaluation(monkeypatch):
    """Whatever version scores have by now: runs from before say nothing of theirs and count as the first."""
    monkeypatch.setattr(same_task, "EVALUATION_VERSION", 1)


@pytest.fixture(scope="module")
def now():
    return build_task([ROOT / "workloads"], "gptoss20b-phased", [], Settings())


@pytest.fixture
def run(tmp_path):
    """A folder with one evaluation."""
    folder = tmp_path / "run"
    append(folder, entry(1, 5.0, workload="gptoss20b-phased"))
    return folder


def settings(task, **changes):
    return dataclasses.replace(task, settings=dataclasses.replace(task.settings, **changes))


def topology(task):
    return dataclasses.replace(task, workload=dataclasses.replace(task.workload, topology=Topology(64, 1, 1, 8)))


def data(task):
    card = dataclasses.replace(task.workload.card, sha256="0" * 64)
    return dataclasses.replace(task, workload=dataclasses.replace(task.workload, card=card))


def mixed(task):
    return build_task([ROOT / "workloads"], "gptoss20b-mixed", [], task.settings)


OTHERS = {
    "workload is gptoss20b-phased there, gptoss20b-mixed now)": mixed,
    "workload.sha256 is ca6f": data,
    "topology.replicas is 40 there, 64 now)": topology,
    "objective is time there, balance now)": lambda task: settings(task, objective="balance"),
    "thresholds.same_window is 0.95 there, 0.99 now)": lambda task: settings(
        task, thresholds=Thresholds(same_window=0.99)
    ),
    "device is cpu there, cuda now)": lambda task: settings(task, device="cuda"),
    "limits.threads is 1 there, 2 now)": lambda task: settings(task, limits=Limits(threads=2)),
    "split is search there, holdout now)": lambda task: dataclasses.replace(task, split="holdout"),
    "checks is none there, gptoss20b-mixed now)": lambda task: dataclasses.replace(task, checks=[mixed(task).workload]),
}


@pytest.mark.parametrize("sentence", OTHERS)
def test_another_task_is_refused(run, now, sentence):
    started(run, 0, 5, task=identity(now))
    refuse_another(run, now)
    with pytest.raises(UsageError, match=re.escape(sentence)) as refused:
        refuse_another(run, OTHERS[sentence](now))
    assert str(refused.value).startswith(f"{run} holds a search on another task")
    assert "choose another --output" in str(refused.value)
    assert str(refused.value).endswith(f"the run's own configuration, {run / 'config.yaml'}")


def test_another_server_counts_where_it_is_scored(run, now):
    net = settings(now, objective="net_throughput")
    started(run, 0, 5, task=identity(net))
    refuse_another(run, net)
    other = Serving(interval=25)
    with pytest.raises(
        UsageError, match="serving is deepseek-v3-decode, a rebalance every 3000 steps, blocking there,"
    ):
        refuse_another(run, settings(net, serving=other))
    started(run, 1, 5, task=identity(now))
    refuse_another(run, settings(now, serving=other))


def test_a_later_evaluation_is_another_task(run, now, monkeypatch):
    started(run, 0, 5, task=identity(now))
    monkeypatch.setattr(same_task, "EVALUATION_VERSION", 2)
    with pytest.raises(UsageError, match=r"evaluation is 1 there, 2 now\)"):
        refuse_another(run, now)
    started(run, 1, 5, config=SMALL + "}\n")
    with pytest.raises(UsageError, match=r"evaluation is 1 there, 2 now\)"):
        refuse_another(run, now)


def test_what_scores_do_not_depend_on_may_change(run, now):
    started(run, 0, 5, task=identity(now))
    refuse_another(run, settings(now, timing=Timing(pairs_fast=4), limits=Limits(call_s=1.0, memory_mb=4096)))


def test_what_is_kept_is_read_back(run, now):
    started(run, 0, 5, task=identity(now))
    assert read_starts(run)[-1].task == identity(now)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("}", ""),
        (", topology: {replicas: 40, groups: 1, nodes: 1, gpus: 8}}", ""),
        (", timing: {pairs_fast: 4}}\nmax_iterations: 7", ""),
        (", profile: strict}", "thresholds.same_window is 0.99 there, 0.95 now"),
        (", objective: balance}", "objective is balance there, time now"),
        (", topology: {replicas: 64, groups: 1, nodes: 1, gpus: 8}}", "topology.replicas is 64 there, 40 now"),
        ("}\nbroken: [", "workload is w there, gptoss20b-phased now"),
        (", unknown: 1}", "workload is w there, gptoss20b-phased now"),
    ],
)
def test_a_run_from_before_is_compared_by_its_configuration_or_else_by_its_fields(run, now, text, sentence):
    started(run, 0, 5, config=SMALL + text + "\n")
    if not sentence:
        refuse_another(run, now)
        return
    with pytest.raises(UsageError, match=re.escape(sentence)):
        refuse_another(run, now)


def test_a_configuration_from_before_without_a_section_had_the_defaults(run, now):
    started(run, 0, 5, config="max_iterations: 7\n")
    with pytest.raises(
        UsageError, match=r"workload is dsv3-composite there, gptoss20b-phased now; checks is gptoss20b-ph"
    ):
        refuse_another(run, now)


@pytest.mark.parametrize(
    ("field", "value"), [("workload", "w"), ("objective", "balance"), ("device", "cuda"), ("split", "holdout")]
)
def test_a_folder_with_a_ledger_alone_is_compared_by_that(run, now, field, value):
    refuse_another(run, now)
    append(run, entry(2, 5.0, **{"workload": "gptoss20b-phased"} | {field: value}))
    with pytest.raises(UsageError, match=f"{field} is {value} there"):
        refuse_another(run, now)


def test_a_start_that_came_to_nothing_binds_nobody(tmp_path, now):
    started(tmp_path, 0, 5, task=identity(now))
    refuse_another(tmp_path, mixed(now))
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(UsageError, match="workload is gptoss20b-phased there"):
        refuse_another(tmp_path, mixed(now))
    refuse_another(tmp_path / "none", now)
