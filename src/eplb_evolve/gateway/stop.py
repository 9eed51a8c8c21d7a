"""Why and how a gateway ends the search that started it: the money is spent, or no program comes any more."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from eplb_evolve.ending import end, read_ending
from eplb_evolve.errors import EnvironmentProblem
from eplb_evolve.gateway.settings import Service
from eplb_evolve.gateway.usage import Totals

LEDGER = "ledger.jsonl"
_LOOK_S = 0.1
TAKEN_IN_S = 1.0
"""OpenEvolve's main process takes in a finished evaluation within 0.1 s of the worker's next request."""


class UnderWay:
    """Requests that are being answered, and programs that are being evaluated, as far as the run's ledger tells."""

    def __init__(self, run: str | None) -> None:
        self._ledger = Path(run) / LEDGER if run is not None else None
        self._answering = self._delivered = 0
        self._written_before: int | None = None

    @contextlib.contextmanager
    def answering(self) -> Iterator[None]:
        """While a request is: its reply may have been paid for."""
        self._answering += 1
        try:
            yield
        finally:
            self._answering -= 1

    def delivered(self) -> None:
        """A reply of which OpenEvolve makes a program leaves the gateway."""
        if self._written_before is None:
            self._written_before = self._written()
        self._delivered += 1

    def none(self) -> bool:
        """Whether no request is being answered and each program is in the ledger; False where no ledger tells."""
        if self._ledger is None or self._answering:
            return False
        return self._written() - (self._written_before or 0) >= self._delivered

    def _written(self) -> int:
        try:
            return self._ledger.read_bytes().count(b"\n") if self._ledger is not None else 0
        except OSError:
            return 0


class Stop:
    """Sends the search one SIGTERM, on which OpenEvolve ends as after its last iteration.

    It drops the requests and evaluations under way then. A worker that asks for the next reply has finished its
    evaluation, and so has one whose program is in the ledger: requests are held until that is so of every worker.
    `asked` is set as soon as the search is to end.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self.asked = asyncio.Event()
        self.under_way = UnderWay(service.run)
        self._held = 0
        self._sent = False

    @property
    def search_ends(self) -> bool:
        """Whether any process of the search has said so."""
        run, parent = self._service.run, self._service.parent
        return run is not None and parent is not None and read_ending(Path(run)) is not None

    async def hold(self, say: Callable[[], None]) -> None:
        """Until the search has been told to stop, with `say` called just before; at once where there is none."""
        self.asked.set()
        if self._service.parent is None:
            return
        self._held += 1
        deadline = time.monotonic() + self._service.evaluation_s
        while not (self._held >= self._service.workers or self.under_way.none()) and time.monotonic() < deadline:
            await asyncio.sleep(_LOOK_S)
        await asyncio.sleep(TAKEN_IN_S)
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
        return self.reached_with(0.0)

    def reached_with(self, cost_usd: float) -> bool:
        """Whether it is once this much more is counted."""
        return self._limit is not None and self._totals.cost_usd + cost_usd >= self._limit

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
        self._in_vain = self._programs = 0
        self._last = ""
        self.sentence = ""

    @property
    def over(self) -> bool:
        """Whether the search is to end."""
        return bool(self.sentence)

    @property
    def in_short(self) -> str:
        """What a search is told that ends without a program; "" if there was one, or no request."""
        if self._programs or not self._in_vain:
            return ""
        tried = "1 request" if self._in_vain == 1 else f"{self._in_vain} requests"
        return f"no program came of {tried}; the last: {self._last}"

    def note(self, why: str, final: bool = False) -> None:
        """Count a request. why: there is no program, and of which model; "" if there is one."""
        self._in_vain = self._in_vain + 1 if why else 0
        self._programs += not why
        self._last = why or self._last
        if not self._ends_a_search or self.over or not (final or self._in_vain >= self._most):
            return
        in_vain = f"{self._in_vain} requests in a row brought no program (give_up_after); the last: "
        self.sentence = why if final else in_vain + why
        end(self._run, self.sentence, EnvironmentProblem.exit_code)
