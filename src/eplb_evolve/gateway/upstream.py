"""Forward a chat request to a model's real endpoint, again and again where that can help."""

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import openai

from eplb_evolve.gateway.client import new_client
from eplb_evolve.gateway.models import known_models, near_models
from eplb_evolve.gateway.parameters import adapted, refused_parameter
from eplb_evolve.gateway.proxies import proxy_variable
from eplb_evolve.gateway.record import Attempt
from eplb_evolve.gateway.replies import Reply, read_reply
from eplb_evolve.gateway.secret import Secret
from eplb_evolve.gateway.settings import ForwardedModel, GatewaySettings
from eplb_evolve.gateway.usage import Usage, read_usage
from eplb_evolve.gateway.waits import Backoff, asked_to_wait
from eplb_evolve.gateway.words import error_words, unreachable
from eplb_evolve.hostile_text import sentence

_TRANSIENT = (408, 409, 425, 429)
_FINAL_BEFORE_A_REPLY = (401, 403, 404, 405, 407)
_NO_MONEY = (
    "insufficient_quota",
    "insufficient_balance",
    "exceeded_current_quota_error",
    "billing_hard_limit_reached",
    "billing_not_active",
)
_FIRST_REPLY_S = 8.0
"""For so long an endpoint that has never replied is tried again, unless it asks for a wait itself."""
_MOST_USELESS = 3
"""Answers with status 200 and no chat completion that one request may bring."""
_LONG_WAIT_S = 20.0
"""A wait that a person is told of."""
_PROBE_S = 10.0
_MOST_BYTES = 4 << 20
_WITHOUT_SEED = ("generativelanguage.googleapis.com",)


@dataclass(frozen=True)
class Outcome:
    """What forwarding came to.

    Attributes:
        request: the body as forwarded
        reply: what was read of the last answer; its text is None where there is none of use
        status: for the client
        message: why there is no text, "" if there is
        response: raw body of the last answer where it could not be used
        final: whether every later request will fail too, until somebody mends something
    """

    request: dict[str, Any]
    attempts: list[Attempt]
    usage: Usage | None
    usage_complete: bool
    reply: Reply
    status: int
    message: str
    response: str | None
    final: bool


@dataclass(frozen=True)
class _Answer:
    """One try. http: its status, None when there was no answer. status: what the answer's own words make of it.

    lasting: the connection fails in a way that lasts.
    """

    http: int | None
    status: int | None
    text: str
    headers: Mapping[str, str]
    why: str
    reply: Reply = field(default_factory=Reply)
    lasting: bool = False


class Upstream:
    """A model's endpoint. name: what it calls the model."""

    def __init__(
        self, name: str, model: ForwardedModel, settings: GatewaySettings, backoff: Backoff | None = None
    ) -> None:
        self.place = f"the endpoint of {name}, {_shown(model.api_base)}"
        self._name, self._model, self._settings = name, model, settings
        self._backoff = backoff or Backoff()
        self._secret = Secret(model.key() or "")
        self._client = new_client(model.api_base, model.key() or "")
        self._replied = False
        self._listed: list[str] | None = None
        self._refused = {"seed"} if urlsplit(model.api_base).hostname in _WITHOUT_SEED else set[str]()

    def request(self, body: dict[str, Any]) -> dict[str, Any]:
        """The body as this endpoint takes it: unchanged, but for the parameters that it has refused."""
        return adapted(body, self._refused)

    async def probe(self) -> str:
        """Ask for the list of models; what will keep the endpoint from answering, in a sentence, else "".

        No list proves nothing: many endpoints have none.
        """
        self._listed = []
        async with new_client(self._model.api_base, self._model.key() or "") as client:  # of this event loop
            answer = await self._ask(_PROBE_S, client.models.with_raw_response.list(timeout=_PROBE_S))
        if answer.http == 200:
            self._listed = self._secret.scrub_all(known_models(answer.text))
        refused = answer.http in (401, 403) and "scope" not in answer.text.lower()  # a key may be kept from the list
        silent = answer.http is None and (answer.lasting or not answer.why.startswith("the connection failed"))
        return f"{self.place}: {self._explained(answer)}" if refused or silent else ""

    async def forward(
        self, body: dict[str, Any], stop: asyncio.Event | None = None, since: float | None = None
    ) -> Outcome:
        """Try until there is a reply with text, the error is final, patience ends, or `stop` is set; never raises.

        since: when patience began (time.monotonic), now by default.
        """
        request, started = self.request(body), time.monotonic() if since is None else since
        attempts: list[Attempt] = []
        usage, complete, useless = None, True, 0
        while True:
            answer = await self._try(request)
            if answer.status == 400 and (name := refused_parameter(request, answer.text)) and name not in self._refused:
                self._refused.add(name)
                attempts.append(Attempt(answer.http, answer.why))
                request = self.request(body)
                continue
            if answer.http == 200:
                stated = read_usage(answer.reply.body, self._model)
                complete = complete and (stated is not None or answer.status != 200)
                usage = stated if usage is None else usage + (stated or Usage())
                useless += answer.status == 502
            asked = asked_to_wait(answer.headers, answer.text)
            patience = self._settings.retry_seconds
            if not self._replied and asked is None:
                patience = min(patience, _FIRST_REPLY_S)
            left = started + patience - time.monotonic()
            transient = answer.status != 200 and useless < _MOST_USELESS and self._transient(answer)
            if not transient or left <= 0 or (stop is not None and stop.is_set()):
                attempts.append(Attempt(answer.http, answer.why))
                useful = answer.reply.text is not None
                final = not useful and not self._replied and (self._lasting(answer) or (transient and asked is None))
                self._replied = self._replied or useful
                return await self._outcome(request, attempts, usage, complete, answer, final)
            wait = min(
                self._backoff.wait(len(attempts) + 1) if asked is None else max(asked, self._backoff.wait(1)), left
            )
            attempts.append(Attempt(answer.http, answer.why, round(wait, 3)))
            self._tell(asked, wait, answer)
            await _sleep(wait, stop)

    def broken(self, body: dict[str, Any], problem: Exception) -> Outcome:
        """What a request came to that broke the gateway itself."""
        why = f"the gateway itself failed at this request ({type(problem).__name__})"
        return Outcome(self.request(body), [Attempt(None, why)], None, False, Reply(), 502, why, None, final=False)

    def _transient(self, answer: _Answer) -> bool:
        if answer.http is None:
            return self._replied or not answer.lasting
        if answer.http == 200 and not answer.reply.again:
            return False
        status = answer.status or 502
        return (status in _TRANSIENT or status >= 500) and not any(word in answer.text for word in _NO_MONEY)

    def _lasting(self, answer: _Answer) -> bool:
        return answer.lasting or answer.status in _FINAL_BEFORE_A_REPLY

    async def _outcome(
        self,
        request: dict[str, Any],
        attempts: list[Attempt],
        usage: Usage | None,
        complete: bool,
        last: _Answer,
        final: bool,
    ) -> Outcome:
        if last.reply.text is not None:
            return Outcome(request, attempts, usage, complete, last.reply, 200, "", None, final=False)
        if self._listed is None and last.status in (400, 404, 422):
            with contextlib.suppress(openai.OpenAIError):
                await self.probe()
        tries = f" ({len(attempts)} tries)" if len(attempts) > 1 else ""
        status = last.status if last.status not in (None, 200) else 502
        message = self._explained(last) + tries
        return Outcome(request, attempts, usage, complete, last.reply, status or 502, message, self._kept(last), final)

    def _explained(self, answer: _Answer) -> str:
        """What is wrong, with the status that was stated, and what to do where that can be told."""
        stated = answer.http is not None and (answer.http != 200 or answer.reply.body is not None)
        said = f"{answer.status}: {answer.why}" if stated and answer.status not in (200, 502) else answer.why
        if answer.status in (401, 403):
            variable = self._model.api_key_env
            remedy = f"check the key in {variable}" if variable else "it may want a key: api_key_env names its variable"
            return f"{said}; {remedy}"
        if answer.status == 407:
            return f"{said}; set user and password in {proxy_variable(self._model.api_base) or 'the proxy variable'}"
        words = answer.why.lower()
        if answer.status in (400, 404, 422) and ("model" in words or self._name.lower() in words) and self._listed:
            return f"{said}; {near_models(self._name, self._listed)}"
        if answer.status in (404, 405) and answer.http != 200:
            return f"{said}; mend api_base, which often ends in /v1, or the model's name"
        return said

    def _kept(self, answer: _Answer) -> str:
        """The answer's body for the record."""
        body = answer.reply.body
        return self._secret.scrub_body(answer.text) if body is None else json.dumps(body)

    def _tell(self, asked: float | None, wait: float, answer: _Answer) -> None:
        if asked is not None and wait >= _LONG_WAIT_S:
            words = f"{self.place} asks to wait {asked:.0f} s ({answer.why}); trying again in {wait:.0f} s"
            print(f"eplb gateway: {words}", file=sys.stderr, flush=True)

    async def _try(self, request: dict[str, Any]) -> _Answer:
        rest = {name: value for name, value in request.items() if name not in ("model", "messages")}
        limit = self._settings.request_timeout_s
        create = self._client.chat.completions.with_raw_response.create
        call = create(model=request["model"], messages=request["messages"], extra_body=rest, timeout=limit)
        answer = await self._ask(limit, call)
        if answer.http != 200:
            return answer
        tokens = next((rest[name] for name in ("max_completion_tokens", "max_tokens") if rest.get(name)), None)
        read = read_reply(answer.text, tokens)
        reply = Reply(**self._secret.scrub_all(vars(read)))  # decoding joins what was apart
        return _Answer(200, reply.status, answer.text, answer.headers, reply.why, reply)

    async def _ask(self, limit: float, call: Any) -> _Answer:
        """The answer to one call of the client. Its text is as it came, its words hold nothing of the key."""
        try:
            async with asyncio.timeout(limit):  # the client's own limit is per read: a trickle would pass it
                raw = await call
        except openai.APIStatusError as error:
            text, status = _decoded(error.response.content), error.status_code
            return _Answer(status, status, text, error.response.headers, self._secret.scrub(error_words(text)))
        except (TimeoutError, openai.APITimeoutError):
            why = f"no answer within {limit:g} s; the server hangs or is busy, or api_base leads elsewhere"
            return _Answer(None, None, "", {}, why)
        except openai.APIConnectionError as error:
            found = unreachable(error, self._model.api_base)
            return _Answer(None, None, "", {}, self._secret.scrub(found.why), lasting=found.final)
        return _Answer(200, 200, _decoded(raw.content), raw.headers, "")


def _decoded(content: bytes) -> str:
    """Whatever character set the headers name, JSON is UTF-8; what is longer than any reply is cut off."""
    return content[:_MOST_BYTES].decode("utf-8-sig", "replace")


def _shown(url: str) -> str:
    """An address without what may be secret in it: user, password, query."""
    address = urlsplit(url)
    return sentence(f"{address.scheme}://{address.netloc.rpartition('@')[2]}{address.path}")


async def _sleep(seconds: float, stop: asyncio.Event | None) -> None:
    """For so long, or until `stop` is set."""
    if stop is None:
        await asyncio.sleep(seconds)
        return
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
