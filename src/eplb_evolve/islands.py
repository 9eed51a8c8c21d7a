"""How many islands suit a search, and how often they exchange programs: OpenEvolve takes any number of either.

Proposals are dealt out to the islands in turn, and an island counts its own. On three islands a third of 16 proposals
changed the first program, and no program ever migrated.
"""

from dataclasses import dataclass

_FROM = ((200, 3), (50, 2))
"""Iterations from which on so many islands have proposals enough."""
_EXCHANGES = 5
"""Migrations in a search, at least."""
_LEAST_INTERVAL = 5


@dataclass(frozen=True)
class Islands:
    """database.num_islands and database.migration_interval, the latter in programs of one island."""

    count: int
    migration_interval: int


ONE_ISLAND = Islands(1, 1)


def fitting(iterations: int, programs: int = 1) -> Islands:
    """For so many proposals. programs: that the search starts from, each on an island of its own."""
    count = max(programs, next((islands for least, islands in _FROM if iterations >= least), 1))
    return Islands(count, max(_LEAST_INTERVAL, iterations // (count * _EXCHANGES)))


def fits(given: Islands, iterations: int) -> bool:
    """Whether the islands given have proposals enough, and exchange programs before the end."""
    enough = given.count <= fitting(iterations).count
    return enough and (given.count == 1 or given.migration_interval <= iterations // (2 * given.count))
