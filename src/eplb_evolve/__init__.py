"""Search for faster expert-parallelism load balancers, on recorded expert-load traces, with an honest clock.

As a library: `eplb_evolve.evaluate`, `compare`, `leaderboard`, `workload_names`, `load_workload` (see eplb_evolve.api).
"""

from typing import Any

__version__ = "0.1.0"
__all__ = ["compare", "evaluate", "leaderboard", "load_workload", "workload_names"]


def __getattr__(name: str) -> Any:
    """Only now: every sandboxed process imports this package, and none of them needs the library."""
    if name in __all__:
        from eplb_evolve import api

        return getattr(api, name)
    raise AttributeError(f"module 'eplb_evolve' has no attribute '{name}'")
