"""Random integer formulas."""

import random
import re
from dataclasses import dataclass

_OPERATORS = ("+", "-", "*", "//", "%")


@dataclass(frozen=True)
class Terminals:
    """What a formula is made of."""

    names: tuple[str, ...]
    """Variables and numbers; a name that stands twice is twice as likely."""
    arrays: frozenset[str]
    """Those of the names that are arrays."""
    torch: str | None
    """Alias of torch in the program."""

    def conditional(self, test: str, yes: str, no: str) -> str:
        """A choice between two formulas, element by element where the test is an array."""
        if self.torch is not None and self.arrays & set(re.findall(r"\w+", test)):
            return f"{self.torch}.where({test}, {yes}, {no})"
        return f"({yes} if {test} else {no})"


def random_formula(rng: random.Random, depth: int, terminals: Terminals) -> str:
    """A random integer formula of at most so many nested operators."""
    if depth == 0 or rng.random() < 0.25:
        return rng.choice(terminals.names)
    left, right = (random_formula(rng, depth - 1, terminals) for _ in range(2))
    if rng.random() < 0.2:
        test = f"({random_formula(rng, depth - 1, terminals)}) % 2 == 0"
        return terminals.conditional(test, left, right)
    return f"({left} {rng.choice(_OPERATORS)} {right})"


def changed_formula(rng: random.Random, text: str, terminals: Terminals) -> str:
    """A formula in place of `text`, which may be a part of it."""
    kind = rng.random()
    if kind < 0.4:
        return random_formula(rng, 2, terminals)
    other = random_formula(rng, 1, terminals)
    if kind < 0.7:
        operator = rng.choice(_OPERATORS)
        return f"(({text}) {operator} {other})" if rng.random() < 0.6 else f"({other} {operator} ({text}))"
    return terminals.conditional(f"({other}) % 2 == 0", f"({text})", f"({other} - ({text}))")
