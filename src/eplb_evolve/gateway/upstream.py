"""Forward a chat request to a model's real endpoint, again and again where that can help."""

import asyncio
import email.utils
import json
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import openai

from eplb_evolve.gateway.record import Attempt
from eplb_evolve.gateway.secret import Secret
from eplb_evolve.gateway.settings import ForwardedModel, GatewaySettings
from eplb_evolve.gateway.usage import Usage, read_usage

_TRANSIENT = (408, 409, 429)
_MOST_USELESS = 3
"""Replies without text, or without a chat completion, that one request may bring; each may cost money."""
_WITHOUT_SEED = ("generativelanguage.googleapis.com",)


@dataclass(frozen=True)
class Backoff:
    """Waits between tries, seconds: the first, doubled each time up to the longest, less a random quarter."""

    first_s: float = 1.0
    longest_s: float = 60.0

    def wait(self, failures: int) -> float:
        """The wait after so many failures."""
        return min(self.first_s * 2.0 ** min(failures - 1, 30), self.longest_s) * random.uniform(0.75, 1.0)


@dataclass(frozen=True)
class Outcome:
    """What forwarding came to. body: the chat completion if there is one, else status and message say what is wrong."""

    request: dict[str, Any]
    attempts: list[Attempt]
    usage: Usage | None
    usage_complete: bool
    body: dict[str, Any] | None
    reply: str | None
    status: int
    message: str
    response: str | None


@dataclass(frozen=True)
class _Answer:
    """One try. status: None when there was no answer. reply: its text, if that is of use."""

    status: int | None
    text: str
    headers: Mapping[str, str]
    why: str
    body: Any = None
    reply: str | None = None


class Upstream:
    """A model's endpoint."""

    def __init__(self, model: ForwardedModel, settings: GatewaySettings, backoff: Backoff | None = None) -> None:
        self._model, self._settings = model, settings
        self._backoff = backoff or Backoff()
        key = model.key() or ""
        self._secret = Secret(key)
        # the client insists on a key where the endpoint wants none
        self._client = openai.AsyncOpenAI(api_key=key or "none", base_url=model.api_base, max_retries=0)

    def request(self, body: dict[str, Any]) -> dict[str, Any]:
        """The body as this endpoint takes it: unchanged, but for the seed where that is an error."""
        refused = ("seed",) if urlsplit(self._model.api_base).hostname in _WITHOUT_SEED else ()
        return {name: value for name, value in body.items() if name not in refused}

    async def forward(self, body: dict[str, Any]) -> Outcome:
        """Try until there is a reply with text, the error is final, or retry_seconds are over; never raises."""
        request = self.request(body)
        deadline = time.monotonic() + self._settings.retry_seconds
        attempts: list[Attempt] = []
        usage, complete, useless = None, True, 0
        while True:
            answer = await self._try(request)
            if answer.status == 200:
                stated = read_usage(answer.body, self._model)
                complete = complete and stated is not None
                usage = stated if usage is None else usage + (stated or Usage())
                useless += answer.reply is None
            wait = _retry_after(answer.headers)
            wait = self._backoff.wait(len(attempts) + 1) if wait is None else wait
            late = time.monotonic() + wait > deadline
            if answer.reply is not None or not _transient(answer) or useless == _MOST_USELESS or late:
                attempts.append(Attempt(answer.status, answer.why))
                return self._outcome(request, attempts, usage, complete, answer)
            attempts.append(Attempt(answer.status, answer.why, round(wait, 3)))
            await asyncio.sleep(wait)

    def _outcome(
        self, request: dict[str, Any], attempts: list[Attempt], usage: Usage | None, complete: bool, last: _Answer
    ) -> Outcome:
        good = last.reply is not None
        status = 200 if good else last.status if last.status not in (None, 200) else 502
        tries = f" ({len(attempts)} tries)" if len(attempts) > 1 else ""
        return Outcome(
            request,
            attempts,
            usage,
            complete,
            last.body if good else None,
            last.reply,
            status or 502,
            "" if good else last.why + tries,
            None if good else last.text,
        )

    async def _try(self, request: dict[str, Any]) -> _Answer:
        rest = {name: value for name, value in request.items() if name not in ("model", "messages")}
        limit = self._settings.request_timeout_s
        try:
            async with asyncio.timeout(limit):  # the client's own limit is per read: a trickle would pass it
                raw = await self._client.chat.completions.with_raw_response.create(
                    model=request["model"], messages=request["messages"], extra_body=rest, timeout=limit
                )
        except openai.APIStatusError as error:
            text = self._secret.scrub(error.response.text)
            return _Answer(error.status_code, text, error.response.headers, self._secret.scrub(_message(text)))
        except (TimeoutError, openai.APITimeoutError):
            return _Answer(None, "", {}, f"no answer within {limit:g} s")
        except openai.APIConnectionError as error:
            cause = self._secret.scrub(f"{type(error.__cause__).__name__}: {error.__cause__}")
            return _Answer(None, "", {}, f"the connection failed: {cause}")
        return self._read(self._secret.scrub(raw.text), raw.headers)

    def _read(self, text: str, headers: Mapping[str, str]) -> _Answer:
        try:
            body = json.loads(text)
            content = body["choices"][0]["message"]["content"]
        except (ValueError, KeyError, IndexError, TypeError):
            return _Answer(200, text, headers, "the endpoint's answer is not a chat completion")
        if not isinstance(content, str) or not content.strip():
            return _Answer(200, text, headers, "the reply is empty", body)
        return _Answer(200, text, headers, "", body, content)


def _transient(answer: _Answer) -> bool:
    if answer.status == 429 and "insufficient_quota" in answer.text:
        return False
    return answer.status in (None, 200, *_TRANSIENT) or answer.status >= 500


def _message(text: str) -> str:
    """The provider's own words in an error body: OpenAI's form, Gemini's (the same in a list), or any text."""
    try:
        body = json.loads(text)
        body = body[0] if isinstance(body, list) else body
        return str(body["error"]["message"])
    except (ValueError, KeyError, IndexError, TypeError):
        return text.strip()[:500] or "the endpoint refused the request without a word"


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the endpoint asks to wait, given as a number or a date."""
    value = headers.get("retry-after", "")
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None
