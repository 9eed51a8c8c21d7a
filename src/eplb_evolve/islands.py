"""How many islands suit a search, and how often they exchange programs: OpenEvolve takes any number of either.

Proposals are dealt out to the islands in turn, and an island counts its own. On three islands a third of 16 proposals
changed the first program, and no program ever migrated.
"""

from dataclasses import dataclass

_FROM = ((200, 3), (50, 2))
"""Iterations from which on so many islands have proposals enough."""
_EXCHANGES = 5
"""Migrations in a search, where that leaves an island _LEAST_INTERVAL proposals between two."""
_LEAST_INTERVAL = 5
_LEAST_EXCHANGES = 2


@dataclass(frozen=True)
class Islands:
    """database.num_islands and database.migration_interval, the latter in programs of one island."""

    count: int
    migration_interval: int


ONE_ISLAND = Islands(1, 1)


def adapted(given: Islands, iterations: int, programs: int = 1) -> Islands:
    """The islands given, if they have proposals enough and exchange programs; else fewer, or sooner.

    programs: that the search starts from, each on an island of its own, however few the proposals are.
    """
    enough = next((islands for least, islands in _FROM if iterations >= least), 1)
    count = max(programs, min(given.count, enough))
    each = iterations // count
    if count == 1 or given.migration_interval * _LEAST_EXCHANGES <= each:
        return Islands(count, given.migration_interval)
    return Islands(count, max(1, each // _EXCHANGES, min(_LEAST_INTERVAL, each // _LEAST_EXCHANGES)))


def difference(given: Islands, wanted: Islands, iterations: int) -> str:
    """What is another with `wanted` and why, in words; "" where nothing is."""
    if wanted == given:
        return ""
    often = "after every program" if wanted.migration_interval == 1 else f"every {wanted.migration_interval}"
    exchange = f"exchange programs {often} of their own"
    if wanted.count == given.count:
        return f"islands {exchange} instead of {given.migration_interval}, for {iterations} iterations"
    islands = "one island" if wanted.count == 1 else f"{wanted.count} islands"
    which = f", which {exchange}" if wanted.migration_interval != given.migration_interval else ""
    why = ": one for each program" if wanted.count > given.count else f", for {iterations} iterations"
    return f"{islands} instead of {given.count}{which}{why}"
