"""Why and how a gateway ends the search that started it: the money is spent, or no program comes any more."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from eplb_evolve.ending import end
from eplb_evolve.errors import EnvironmentProblem
from eplb_evolve.gateway.settings import Service
from eplb_evolve.gateway.usage import Totals

_TAKEN_IN_S = 1.0
"""OpenEvolve's main process takes in a finished evaluation within 0.1 s of the worker's next request."""


class Stop:
    """Sends the search one SIGTERM, on which OpenEvolve ends as after its last iteration.

    It drops the evaluations under way then. A worker that asks for the next reply has finished its evaluation: so
    requests are held until every worker has asked. `asked` is set as soon as the search is to end.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self.asked = asyncio.Event()
        self._held = 0
        self._all_held = asyncio.Event()
        self._sent = False

    async def hold(self, say: Callable[[], None]) -> None:
        """Until the search has been told to stop, with `say` called just before; at once where there is none."""
        self.asked.set()
        if self._service.parent is None:
            return
        self._held += 1
        if self._held >= self._service.workers:
            self._all_held.set()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._all_held.wait(), self._service.evaluation_s)
        await asyncio.sleep(_TAKEN_IN_S)
        if not self._sent and os.getppid() == self._service.parent:
            self._sent = True
            say()
            os.kill(self._service.parent, signal.SIGTERM)


class Cap:
    """gateway.max_cost: after it no request is forwarded."""

    def __init__(self, service: Service, totals: Totals) -> None:
        self._limit = service.gateway.max_cost
        self._ends_a_search = service.parent is not None
        self._totals = totals

    @property
    def reached(self) -> bool:
        """Whether the money is spent."""
        return self._limit is not None and self._totals.cost_usd >= self._limit

    @property
    def stops_all(self) -> bool:
        """Whether local models are to be silent as well: the search ends."""
        return self.reached and self._ends_a_search

    @property
    def sentence(self) -> str:
        """What a refused client is told."""
        spent = f"{self._totals.cost_usd:.2f} USD are spent, max_cost is {self._limit or 0.0:.2f}"
        return f"{spent}; raise eplb.gateway.max_cost to go on"

    def say(self) -> None:
        """On stderr: that the search stops, and at which sum."""
        spent = f"{self._totals.cost_usd:.2f} USD (max_cost {self._limit or 0.0:.2f})"
        print(f"eplb gateway: stopped the search at {spent}", file=sys.stderr, flush=True)


class Patience:
    """gateway.give_up_after: so many requests in a row without a program, or one that no later one can better."""

    def __init__(self, service: Service) -> None:
        self._run = Path(service.run) if service.run is not None else None
        self._most = service.gateway.give_up_after
        self._ends_a_search = service.parent is not None
        self._in_vain = 0
        self.sentence = ""

    @property
    def over(self) -> bool:
        """Whether the search is to end."""
        return bool(self.sentence)

    def note(self, why: str, final: bool = False) -> None:
        """Count a request. why: there is no program, and of which model; "" if there is one."""
        self._in_vain = self._in_vain + 1 if why else 0
        if not self._ends_a_search or self.over or not (final or self._in_vain >= self._most):
            return
        in_vain = f"{self._in_vain} requests in a row brought no program (give_up_after); the last: "
        self.sentence = why if final else in_vain + why
        end(self._run, self.sentence, EnvironmentProblem.exit_code)
