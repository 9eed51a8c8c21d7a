"""Islands that suit a search, and configurations that are adapted to it."""

import pytest
import yaml
from support import ROOT

from eplb_evolve.config_paths import standing_alone
from eplb_evolve.islands import Islands, fits, fitting


@pytest.mark.parametrize(
    ("iterations", "programs", "islands"),
    [
        (1, 1, Islands(1, 5)),
        (49, 1, Islands(1, 9)),
        (50, 1, Islands(2, 5)),
        (200, 1, Islands(3, 13)),
        (16, 3, Islands(3, 5)),
    ],
)
def test_islands_follow_from_the_iterations(iterations, programs, islands):
    assert fitting(iterations, programs) == islands


@pytest.mark.parametrize(
    ("given", "iterations", "fit"),
    [
        (Islands(3, 20), 16, False),
        (Islands(3, 20), 200, True),
        (Islands(1, 20), 16, True),
        (Islands(1, 20), 1000, True),
        (Islands(2, 60), 60, False),
        (Islands(5, 50), 200, False),
    ],
)
def test_islands_that_a_search_cannot_fill_do_not_fit(given, iterations, fit):
    assert fits(given, iterations) is fit


def test_a_configuration_is_adapted_where_it_stands(tmp_path):
    file = ROOT / "configs" / "recorded.yaml"
    text = standing_alone(file, {("database", "num_islands"): 2, ("database", "migration_interval"): 7})
    assert "num_islands: 2                # 2 from 50" in text
    assert yaml.safe_load(text)["database"] == yaml.safe_load(file.read_text())["database"] | {
        "num_islands": 2,
        "migration_interval": 7,
    }


def test_keys_that_it_lacks_are_added(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text("max_iterations: 3\n")
    text = standing_alone(file, {("database", "island_initial_programs"): [None, "/a.py"]})
    assert yaml.safe_load(text) == {"max_iterations": 3, "database": {"island_initial_programs": [None, "/a.py"]}}
