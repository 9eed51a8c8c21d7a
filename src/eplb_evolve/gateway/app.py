"""The HTTP side: an OpenAI-compatible chat endpoint, /v1/models, /v1/usage and /health."""

import asyncio
import dataclasses
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from eplb_evolve.errors import suggestion
from eplb_evolve.gateway.asking import Asked, as_it_is, ask, prompt_in, told_of
from eplb_evolve.gateway.author import Author
from eplb_evolve.gateway.bodies import completion, fail
from eplb_evolve.gateway.local import BEHAVIOURS, DryRun, LocalModels
from eplb_evolve.gateway.record import Attempt, Exchange, Recorder, Told
from eplb_evolve.gateway.settings import NAME, Service
from eplb_evolve.gateway.stop import Cap, Patience, Stop
from eplb_evolve.gateway.usage import Totals, Usage
from eplb_evolve.hostile_text import sentence
from eplb_evolve.proposer.embedded import CannotAnswer

if TYPE_CHECKING:
    from eplb_evolve.gateway.upstream import Upstream

_MOST_BYTES = 64 * 1024 * 1024


class BadRequest(ValueError):
    """The request is not a chat request that can be answered; the message says why in one sentence."""


class Gateway:
    """Serves the local models and forwards the configured ones. `upstreams` are made here unless given.

    author: writes what a forwarded model reads; without one it reads OpenEvolve's own prompt.
    """

    def __init__(
        self,
        service: Service,
        upstreams: dict[str, Any] | None = None,
        dry_run: DryRun | None = None,
        author: Author | None = None,
    ) -> None:
        run = Path(service.run) if service.run is not None else None
        settings = service.gateway
        self._service, self._author = service, author
        self._says_why_not_written = True
        most = service.prompt.longest_program if service.prompt is not None else service.rules.max_code_length
        self._room = dataclasses.replace(service.rules, max_code_length=min(service.rules.max_code_length, most))
        self._local = LocalModels(service.seed, run, dry_run if run is not None else None)
        self._totals = Totals(run)
        self._stop, self._cap, self._patience = Stop(service), Cap(service, self._totals), Patience(service)
        self._recorder = Recorder(run) if run is not None and settings.records else None
        if upstreams is None and settings.models:
            from eplb_evolve.gateway.upstream import Upstream  # the openai package takes a second

            upstreams = {name: Upstream(name, model, settings) for name, model in settings.models.items()}
        self._upstreams = upstreams or {}

    async def probe(self) -> str:
        """Ask each endpoint whether it is there; the first sentence of what keeps one from answering, or ""."""
        probes = (upstream.probe() for upstream in self._upstreams.values())
        found = await asyncio.gather(*probes, return_exceptions=True)  # what breaks a probe proves nothing
        return next((said for said in found if isinstance(said, str) and said), "")

    def application(self) -> Starlette:
        """The routes, for an ASGI server."""
        return Starlette(
            routes=[
                Route("/health", self._health),
                Route("/v1/models", self._models),
                Route("/v1/usage", self._usage),
                Route("/v1/chat/completions", self._chat, methods=["POST"]),
            ],
            exception_handlers={404: _nothing_here, Exception: _broken},
        )

    async def _health(self, _: Request) -> JSONResponse:
        about = {"name": NAME, "pid": os.getpid(), "seed": self._service.seed, "proposals": self._local.proposals}
        about["in_vain"] = self._patience.in_short
        return JSONResponse(about)

    async def _models(self, _: Request) -> JSONResponse:
        names = [*BEHAVIOURS, *self._upstreams]
        return JSONResponse({"object": "list", "data": [{"id": name, "object": "model"} for name in names]})

    async def _usage(self, _: Request) -> JSONResponse:
        told = self._totals.as_dict()
        for name, gain in (self._author.gains() if self._author is not None else {}).items():
            told["models"].setdefault(name, {})["gain"] = gain
        return JSONResponse(told)

    async def _chat(self, request: Request) -> JSONResponse:
        try:
            body = await _body(request)
            text = _user_text(body)
            name = str(body.get("model"))
            if name not in self._upstreams and name not in BEHAVIOURS:
                known = [*BEHAVIOURS, *self._upstreams]
                return fail(404, f"there is no model '{name}' here{suggestion(name, known)}")
            if self._cap.stops_all or (self._cap.reached and name in self._upstreams):
                await self._stop.hold(self._cap.say)
                return fail(402, self._cap.sentence)
            if self._patience.over or self._stop.search_ends:
                await self._stop.hold(_say_nothing)
                return fail(503, self._patience.sentence or "the search ends")
            if name in self._upstreams:
                return await self._forward(name, body, text)
            return await self._answer(name, body, text)
        except (BadRequest, CannotAnswer) as error:
            self._patience.note(str(error))
            return fail(400, str(error))

    async def _answer(self, name: str, body: dict[str, Any], text: str) -> JSONResponse:
        started = time.perf_counter()
        loop = asyncio.get_running_loop()
        with self._stop.under_way.answering():
            reply = await loop.run_in_executor(self._local.thread, self._local.answer, name, text, body.get("seed"))
            prompt = prompt_in(text)
            told = told_of(prompt, reply, self._service.rules) if prompt is not None else Told()
            parsed = told.child is not None if prompt is not None else None
            self._patience.note(f"{name}: its reply makes no program" if parsed is False else "")
            seconds = time.perf_counter() - started
            self._keep(Exchange(name, body, reply, seconds, parsed, attempts=[Attempt(200, "")], told=told))
            if parsed is not False:
                self._stop.under_way.delivered()
        return JSONResponse(completion(name, reply))

    async def _forward(self, name: str, body: dict[str, Any], text: str) -> JSONResponse:
        with self._stop.under_way.answering():
            response, parsed = await self._forwarded(name, body, text)
            if parsed is not False:
                self._stop.under_way.delivered()
        if self._patience.over and parsed is False:
            await self._stop.hold(_say_nothing)
        return response

    async def _forwarded(self, name: str, body: dict[str, Any], text: str) -> tuple[JSONResponse, bool | None]:
        """The response, counted and recorded; whether OpenEvolve makes a program of it."""
        started, upstream = time.perf_counter(), self._upstreams[name]
        try:
            asked = await self._asked(upstream, body, text)
        except Exception as problem:  # the process boundary: it may have cost money, so it counts and is recorded
            asked = Asked([upstream.broken(body, problem)], parsed=False)
            asked.why = asked.last.message
        self._patience.note("" if asked.parsed is not False else _about(upstream.place, asked.why), asked.last.final)
        if asked.told.lost and asked.told.openevolve is not None:
            print(f"eplb gateway: {name}: no program: {sentence(asked.why)}", file=sys.stderr, flush=True)
        self._keep(asked.exchange(name, time.perf_counter() - started), asked)
        return asked.response(), asked.parsed

    async def _asked(self, upstream: "Upstream", body: dict[str, Any], text: str) -> Asked:
        """Ask with a prompt of ours, or, where that cannot be, with what OpenEvolve says."""
        prompt, asked = prompt_in(text), None
        if self._author is not None and prompt is not None:
            asked = await ask(upstream, body, prompt, self._author, self._room, self._stop.asked, self._may_ask_again)
        if asked is not None:
            return asked
        if self._author is not None and self._says_why_not_written:
            self._says_why_not_written = False
            why = "the prompt is not one of OpenEvolve's" if prompt is None else "the task is not known yet"
            print(f"eplb gateway: {why}; it goes to the model as it is", file=sys.stderr, flush=True)
        return await as_it_is(upstream, body, prompt, self._service.rules, self._stop.asked)

    def _may_ask_again(self, usage: Usage | None) -> bool:
        """Whether there is money for it, after what the first time took."""
        spent = usage.cost_usd if usage is not None else None
        return not (self._cap.reached_with(spent or 0.0) or self._patience.over)

    def _keep(self, exchange: Exchange, forwarded: Asked | None = None) -> None:
        """Count and record. Where that is impossible the search ends, since it would spend unseen."""
        try:
            if forwarded is not None:
                lost = exchange.parsed is False
                self._totals.add(exchange.model, forwarded.usage or Usage(), forwarded.usage_complete, lost)
            if self._recorder is not None:
                self._recorder.append(exchange)
        except OSError as problem:
            why = f"the gateway cannot write into {self._service.run}: {problem.strerror}; make room, then resume"
            self._patience.note(why, final=True)


def _about(place: str, why: str) -> str:
    return f"{place}: {why or 'the reply makes no program (failed_replies/)'}"


def _say_nothing() -> None:
    """What is to be said is said already."""


async def _body(request: Request) -> dict[str, Any]:
    length = request.headers.get("content-length", "")
    if not length.isdigit() or int(length) > _MOST_BYTES:
        raise BadRequest(f"the request needs a Content-Length of at most {_MOST_BYTES} bytes")
    try:
        body = json.loads(await request.body())
    except ValueError:
        raise BadRequest("the request's body is not JSON") from None
    if not isinstance(body, dict):
        raise BadRequest("the request is not a JSON object")
    if body.get("stream"):
        raise BadRequest("streamed replies are not served here")
    return body


def _user_text(body: dict[str, Any]) -> str:
    messages = body.get("messages")
    if not isinstance(messages, list):
        raise BadRequest("the request has no list of messages")
    texts = [
        message["content"]
        for message in messages
        if isinstance(message, dict) and message.get("role") == "user" and isinstance(message.get("content"), str)
    ]
    if not texts:
        raise BadRequest("the request has no user message with text")
    return str(texts[-1])


async def _nothing_here(request: Request, _: Exception) -> JSONResponse:
    return fail(404, f"there is nothing at {request.url.path}")


async def _broken(_: Request, problem: Exception) -> JSONResponse:
    reason = problem.strerror if isinstance(problem, OSError) else ""  # other words might hold what nobody should read
    return fail(500, f"the gateway failed: {reason or type(problem).__name__}")
