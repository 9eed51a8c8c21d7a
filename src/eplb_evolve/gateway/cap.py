"""The spending cap: after it no request is forwarded, and the search that started the gateway is stopped cleanly."""

import asyncio
import contextlib
import os
import signal
import sys

from eplb_evolve.gateway.settings import Service
from eplb_evolve.gateway.usage import Totals

_TAKEN_IN_S = 1.0
"""OpenEvolve's main process takes in a finished evaluation within 0.1 s of the worker's next request."""


class Cap:
    """Stops the search at gateway.max_cost.

    OpenEvolve ends on SIGTERM as after its last iteration, but drops the evaluations under way. A worker that asks
    for the next reply has finished its evaluation: so requests are held until every worker has asked, and then the
    signal is sent, once.
    """

    def __init__(self, service: Service, totals: Totals) -> None:
        self._service, self._totals = service, totals
        self._held = 0
        self._all_held = asyncio.Event()
        self._stopped = False

    @property
    def reached(self) -> bool:
        """Whether the money is spent."""
        limit = self._service.gateway.max_cost
        return limit is not None and self._totals.cost_usd >= limit

    @property
    def stops_all(self) -> bool:
        """Whether local models are to be silent as well: the search ends."""
        return self.reached and self._service.parent is not None

    @property
    def sentence(self) -> str:
        """What a refused client is told."""
        limit = self._service.gateway.max_cost or 0.0
        return (
            f"{self._totals.cost_usd:.2f} USD are spent, max_cost is {limit:.2f}; raise eplb.gateway.max_cost to go on"
        )

    async def hold(self) -> None:
        """Until the search has been told to stop; at once where there is none."""
        if self._service.parent is None:
            return
        self._held += 1
        if self._held >= self._service.workers:
            self._all_held.set()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._all_held.wait(), self._service.evaluation_s)
        await asyncio.sleep(_TAKEN_IN_S)
        if not self._stopped and os.getppid() == self._service.parent:
            self._stopped = True
            limit = self._service.gateway.max_cost or 0.0
            spent = f"{self._totals.cost_usd:.2f} USD (max_cost {limit:.2f})"
            print(f"eplb gateway: stopped the search at {spent}", file=sys.stderr, flush=True)
            os.kill(self._service.parent, signal.SIGTERM)
