"""Build hook: a wheel carries the shipped data inside the package; an editable installation has it in the checkout."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SHIPPED = (
    "evolve_config.yaml",
    "initial_program.py",
    "evaluator.py",
    "configs/*.yaml",
    "prompts/*.txt",
    "seeds/*.py",
    "workloads/*.toml",
    "workloads/*.npz",
    "workloads/*.md",
    "workloads/licenses/*",
)
"""Laid below eplb_evolve/shipped/ as they lie in the checkout (see eplb_evolve.paths)."""


class ShippedData(BuildHookInterface):
    """Adds the files of SHIPPED to a wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it builds; version: `standard` or `editable`."""
        if version != "standard":
            return
        root = Path(self.root)
        for pattern in SHIPPED:
            files = sorted(root.glob(pattern))
            if not files:
                raise FileNotFoundError(f"nothing in {root} matches {pattern}; a wheel without it would not work")
            build_data["force_include"] |= {
                str(file): f"eplb_evolve/shipped/{file.relative_to(root)}" for file in files
            }
