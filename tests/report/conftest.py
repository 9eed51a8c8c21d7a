"""One report for all tests of the page: hostile texts everywhere, placements made by the reference in this process."""

import numpy as np
import pytest
from cli.conftest import eplb  # noqa: F401, a fixture
from report.synthetic import make_run, material
from support import ROOT

from eplb_evolve import reference
from eplb_evolve.evaluation.settings import Settings
from eplb_evolve.evaluation.simulation import policies, simulate
from eplb_evolve.evaluation.task import build_task
from eplb_evolve.report.page import render
from eplb_evolve.report.run_winner import Executed, Heat


@pytest.fixture(scope="session")
def executed():
    """The reference as the best program: its course, and two heat maps that differ."""
    task = build_task([ROOT / "workloads"], "gptoss20b-phased", [], Settings(), "holdout")
    topology = task.workload.topology

    def plan(load, _held):
        return reference.plan(load, *topology.as_arguments())[0], 0.002

    course = simulate("best", task.workload, plan)
    layers = task.workload.windows.shape[1]
    uneven = np.random.default_rng(0).random((layers, topology.gpus)) * 2
    heat = Heat((3, 4), uneven, np.ones_like(uneven), 0.5, 1.0)
    return Executed("some CPU", heat, course, policies(task.workload)), task


@pytest.fixture(scope="session")
def page_file(tmp_path_factory, executed):
    """The file, in a folder whose name is hostile too."""
    folder = make_run(tmp_path_factory.mktemp("runs") / "run <b>&'name")
    file = folder / "report.html"
    file.write_text(render(material(folder, executed[0], "", executed[1])), encoding="utf-8", newline="\n")
    return file
