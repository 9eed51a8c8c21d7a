"""Programs that are timed on several workloads: the geometric mean counts, and each must be feasible."""

import dataclasses
import json

import numpy as np
import pytest
from support import ROOT

from eplb_evolve.errors import UsageError
from eplb_evolve.evaluation import sampling
from eplb_evolve.evaluation.objectives import Incumbent, refuse_several
from eplb_evolve.evaluation.objectives.time import time_score
from eplb_evolve.evaluation.pipeline import evaluate
from eplb_evolve.evaluation.result import Evaluation
from eplb_evolve.evaluation.settings import Settings, Timing
from eplb_evolve.evaluation.task import build_task, workload_names

NAMES = ["gptoss20b-phased", "dsv2lite-esft"]
FOLDERS = [ROOT / "workloads"]


@pytest.fixture(scope="module")
def several(task):
    return build_task(FOLDERS, NAMES, NAMES, task.settings)


@pytest.fixture(scope="module")
def found(several, bench):
    return evaluate(ROOT / "seeds" / "adrs_snake.py", several, bench)


def test_the_score_is_by_the_geometric_mean_and_each_is_shown(found):
    assert found.feasible, found.reason
    assert found.conditions.workload == "gptoss20b-phased+dsv2lite-esft"
    assert [each.workload for each in found.on] == NAMES
    ratios = [each.ratio_to_reference for each in found.on]
    assert found.timing.ratio_to_reference == pytest.approx(float(np.sqrt(np.prod(ratios))))
    assert found.timing.ratio_low <= found.timing.ratio_to_reference <= found.timing.ratio_high
    assert found.ratio_worst == max(ratios)
    assert found.combined_score == time_score(found.timing.ratio_to_reference)
    assert found.replayed


def test_it_survives_json(found):
    assert Evaluation.from_dict(json.loads(json.dumps(found.as_dict()))) == found


def test_it_must_be_feasible_on_each(several, bench, program):
    """Balanced on 32 experts, not on 64."""
    body = "if weight.shape[1] == 64: weight = torch.ones_like(weight)\n"
    body += "return honest(weight, num_replicas, num_groups, num_nodes, num_gpus)"
    result = evaluate(program(wrapping=body), several, bench)
    assert result.valid
    assert not result.feasible
    assert "dsv2lite-esft" in result.reason
    assert result.combined_score < 1


def test_a_task_of_each_has_no_check_on_its_own_workload(several):
    assert [one.name for one in several.each] == NAMES
    assert [[check.name for check in one.checks] for one in several.each] == [NAMES[1:], NAMES[:1]]


def test_a_second_look_is_on_each(several, bench):
    """A stored score that is far too bad: the candidate seems better, and is the same program."""
    program = ROOT / "seeds" / "adrs_snake.py"
    result = evaluate(program, several, bench, Incumbent(program, 1e3, 1.1))
    assert result.second_look.won is not None
    assert result.second_look.gain_low <= result.second_look.gain <= result.second_look.gain_high
    assert 0.5 < result.second_look.gain < 2
    assert len(result.on) == 2


def test_several_share_the_pairs_in_both_looks(bench, task, monkeypatch):
    """Each of four gets half; what counts as enough undisturbed pairs is of that half too."""
    plans = []
    real = sampling.planned
    monkeypatch.setattr(sampling, "planned", lambda block, plan, *who: plans.append(plan) or real(block, plan, *who))
    settings = dataclasses.replace(task.settings, timing=Timing(pairs_fast=8, pairs_slow=8))
    four = build_task(FOLDERS, [*NAMES, "gptoss20b-mixed", "dsv3-composite"], [], settings)
    program = ROOT / "seeds" / "adrs_snake.py"
    found = evaluate(program, four, bench, Incumbent(program, 1e3, 1.1))
    assert found.second_look.won is not None
    assert {plan.pairs_fast for plan in plans} == {4}


@pytest.mark.parametrize(
    ("names", "changes", "reason"),
    [
        (["gptoss20b-phased", "gptoss20b-phased"], {}, "'gptoss20b-phased' is there twice"),
        ([], {}, "the list is empty"),
        (NAMES, {"objective": "balance"}, "under objective time only"),
        (["gptoss20b-phased", "nowhere"], {}, "nowhere"),
    ],
)
def test_what_does_not_go_together_is_refused(names, changes, reason):
    with pytest.raises(UsageError, match=reason):
        refuse_several(build_task(FOLDERS, names, [], dataclasses.replace(Settings(), **changes)))


def test_names_are_taken_apart():
    assert workload_names("a+b") == workload_names(["a", "b"]) == ["a", "b"]
    assert workload_names("a") == ["a"]
