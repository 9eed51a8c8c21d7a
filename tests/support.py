"""Paths that tests share."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
SEED = ROOT / "initial_program.py"
