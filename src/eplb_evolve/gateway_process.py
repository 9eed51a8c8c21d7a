"""The process of a search's gateway, and what it is handed: dry runs for local models, prompts for forwarded ones."""

import functools
import sys
from collections.abc import Callable
from pathlib import Path

from eplb_evolve.gateway import server
from eplb_evolve.gateway.author import Author
from eplb_evolve.gateway.settings import Service


def dry_run(source: str) -> str | None:
    """Why a program fails on small inputs, None when it does not; in a sandbox that starts with the first program."""
    return _sandbox()(source)


def author(service: Service) -> Author | None:
    """Who writes what forwarded models read; None where that is left to OpenEvolve, or there is no run to tell of."""
    if service.prompt is None or service.run is None or not service.gateway.models:
        return None
    from eplb_evolve.llm.author import RunAuthor  # imports scipy

    return RunAuthor(Path(service.run), service.prompt, service.objective, service.seed)


@functools.cache
def _sandbox() -> Callable[[str], str | None]:
    from eplb_evolve.evaluation.dry_run import DryRun  # imports torch

    return DryRun()


if __name__ == "__main__":
    sys.exit(server.main(dry_run, author))
