"""The process of a search's gateway: the gateway, and the dry run with which its local models try their programs."""

import functools
import sys
from collections.abc import Callable

from eplb_evolve.gateway import server


def dry_run(source: str) -> str | None:
    """Why a program fails on small inputs, None when it does not; in a sandbox that starts with the first program."""
    return _sandbox()(source)


@functools.cache
def _sandbox() -> Callable[[str], str | None]:
    from eplb_evolve.evaluation.dry_run import DryRun  # imports torch

    return DryRun()


if __name__ == "__main__":
    sys.exit(server.main(dry_run))
