"""Islands that suit a search, and configurations that are adapted to it."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from support import ROOT

from eplb_evolve.config_paths import standing_alone
from eplb_evolve.islands import Islands, adapted, difference


@pytest.mark.parametrize(
    ("before", "iterations", "programs", "islands"),
    [
        (Islands(3, 20), 16, 1, Islands(1, 20)),
        (Islands(3, 20), 49, 1, Islands(1, 20)),
        (Islands(3, 20), 50, 1, Islands(2, 5)),
        (Islands(3, 20), 199, 1, Islands(2, 20)),
        (Islands(3, 20), 200, 1, Islands(3, 20)),
        (Islands(5, 50), 200, 1, Islands(3, 13)),
        (Islands(1, 20), 1000, 1, Islands(1, 20)),
        (Islands(2, 60), 60, 1, Islands(2, 6)),
        (Islands(2, 100), 300, 1, Islands(2, 30)),
        (Islands(1, 20), 16, 3, Islands(3, 2)),
        (Islands(5, 50), 16, 2, Islands(2, 4)),
        (Islands(8, 15), 16, 8, Islands(8, 1)),
    ],
)
def test_islands_follow_from_iterations_and_programs(before, iterations, programs, islands):
    assert adapted(before, iterations, programs) == islands


@given(
    count=st.integers(1, 20), interval=st.integers(1, 500), iterations=st.integers(2, 2000), programs=st.integers(1, 8)
)
def test_islands_exchange_programs_twice_at_least_where_they_have_proposals_for_it(
    count, interval, iterations, programs
):
    found = adapted(Islands(count, interval), iterations, programs)
    assert programs <= found.count <= max(count, programs)
    each = iterations // found.count
    assert found.count == 1 or each < 2 or each // found.migration_interval >= 2
    assert adapted(found, iterations, programs) == found


@pytest.mark.parametrize(
    ("before", "iterations", "programs", "said"),
    [
        (Islands(3, 20), 16, 1, "one island instead of 3, for 16 iterations"),
        (Islands(3, 20), 100, 1, "2 islands instead of 3, for 100 iterations"),
        (
            Islands(2, 60),
            60,
            1,
            "islands exchange programs every 6 of their own instead of 60, for 60 iterations",
        ),
        (Islands(1, 2), 40, 2, "2 islands instead of 1: one for each program"),
        (Islands(2, 15), 60, 1, ""),
    ],
)
def test_what_is_adapted_is_said(before, iterations, programs, said):
    assert difference(before, adapted(before, iterations, programs), iterations) == said


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
