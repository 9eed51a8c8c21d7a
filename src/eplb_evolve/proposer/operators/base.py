"""What an operator is."""

import random
from dataclasses import dataclass
from typing import Literal, Protocol

from ..program import Program

Tier = Literal["T0", "T1"]
"""T0 is meant to keep the meaning of any program, up to the rounding of floats; T1 changes it."""


class Rewrite(Protocol):
    """Changes a program at one place."""

    def __call__(self, program: Program, rng: random.Random) -> bool:
        """Change the program in place; False, and no change, when there is no place for it."""


@dataclass(frozen=True)
class Operator:
    """A named, tagged transformation."""

    name: str
    tier: Tier
    share: float
    """How often it is drawn, relative to the others."""
    rewrite: Rewrite

    def apply(self, program: Program, rng: random.Random) -> bool:
        """Change the program, if there is a place for it."""
        changed = self.rewrite(program, rng)
        if changed:
            program.memory.clear()
        return changed
