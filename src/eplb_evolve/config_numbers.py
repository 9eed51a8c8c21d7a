"""The numbers that work in OpenEvolve 0.4.1, which takes any: 0 islands, a retry less than none, a share of 30."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eplb_evolve.errors import UsageError

LARGEST = 2**31 - 1


@dataclass(frozen=True)
class Range:
    """Numbers that work, both ends included; `above`: the least is not."""

    least: float
    most: float = math.inf
    above: bool = False

    def holds(self, value: float) -> bool:
        """Whether the value is one of them."""
        return (value > self.least if self.above else value >= self.least) and value <= self.most

    def demand(self, value: float) -> str:
        """What is allowed instead of this value."""
        if self.most < LARGEST or LARGEST < self.most < math.inf:
            return f"{self.least:.10g} to {self.most:.10g}"
        if value > self.least:
            return f"{self.most:.10g} at most"
        return f"above {self.least:g}" if self.above else f"{self.least:g} or more"


SHARE, COUNT, SOME = Range(0, 1), Range(0, LARGEST), Range(1, LARGEST)

SEARCH = {
    "max_iterations": SOME,
    "checkpoint_interval": SOME,
    "random_seed": Range(0, 2**32 - 1),
    "max_code_length": Range(500),  # the contract alone takes as much
    "max_tasks_per_child": SOME,
}
MODEL = {
    "weight": COUNT,
    "primary_model_weight": COUNT,
    "secondary_model_weight": COUNT,
    "temperature": COUNT,
    "top_p": SHARE,
    "max_tokens": SOME,
    "timeout": SOME,
    "retries": COUNT,
    "retry_delay": COUNT,
    "max_budget_usd": Range(0, above=True),
    "max_ai_credits": Range(0, above=True),
}
PROMPT = {
    "num_top_programs": COUNT,
    "num_diverse_programs": COUNT,
    "max_artifact_bytes": COUNT,
    "diff_summary_max_line_len": COUNT,
    "diff_summary_max_lines": COUNT,
}
DATABASE = {
    "population_size": SOME,
    "archive_size": SOME,
    "num_islands": SOME,
    "elite_selection_ratio": SHARE,
    "exploration_ratio": SHARE,
    "exploitation_ratio": SHARE,
    "diversity_reference_size": SOME,
    "migration_interval": SOME,
    "migration_rate": SHARE,
    "artifact_size_threshold": COUNT,
    "artifact_retention_days": COUNT,
    "max_snapshot_artifacts": COUNT,
    "similarity_threshold": Range(0, above=True),
}
EVALUATOR = {
    "timeout": SOME,
    "max_retries": COUNT,
    "parallel_evaluations": SOME,
    "llm_feedback_weight": COUNT,
    "max_artifact_storage": COUNT,
}
TRACE = {"buffer_size": SOME}


def check(document: dict[str, Any], path: Path) -> None:
    """UsageError for the first number out of its range in OpenEvolve's sections, as the file `path` holds them."""
    for key, value, allowed in _numbers(document):
        if isinstance(value, int | float) and not allowed.holds(value):
            raise UsageError(f"{path}: {key} must be {allowed.demand(value)}, not {value}")


def _numbers(document: dict[str, Any]) -> Iterator[tuple[str, object, Range]]:
    llm = document.get("llm", {})
    sections = [("", document, SEARCH), ("llm.", llm, MODEL)]
    for name in ("models", "evaluator_models"):
        sections += [(f"llm.{name}[{index}].", model, MODEL) for index, model in enumerate(llm.get(name, []))]
    for name, table in (
        ("prompt", PROMPT),
        ("database", DATABASE),
        ("evaluator", EVALUATOR),
        ("evolution_trace", TRACE),
    ):
        sections.append((f"{name}.", document.get(name, {}), table))
    for prefix, section, table in sections:
        for key, allowed in table.items():
            yield f"{prefix}{key}", section.get(key), allowed
    bins = document.get("database", {}).get("feature_bins")
    if not isinstance(bins, dict):
        yield "database.feature_bins", bins, SOME
    else:
        for key, value in bins.items():
            yield f"database.feature_bins.{key}", value, SOME
