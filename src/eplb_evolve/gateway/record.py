"""RUN/exchanges.jsonl: one line per exchange, on disk before the reply is delivered."""

import datetime
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eplb_evolve.gateway.usage import Usage

FILE_NAME = "exchanges.jsonl"
FAILED = "failed_replies"


@dataclass(frozen=True)
class Attempt:
    """One try: the HTTP status, None without an answer; why it was not good, "" if it was; the wait after it."""

    status: int | None
    why: str
    wait_s: float = 0.0


@dataclass(frozen=True)
class Told:
    """What became of a prompt of OpenEvolve's; programs by their sha256.

    Attributes:
        openevolve: its messages where the model read others; None where it read these
        sections: bytes of each section of what the model read instead
        parent: the program that OpenEvolve wants changed
        base: the one that the model was asked to change
        child: what OpenEvolve makes of the reply, None where that is nothing
        idea: the model's own words
        lost: why there is no child
        handed_on: the reply as OpenEvolve gets it
        refused: replies of which no program came, before the last, and why
    """

    openevolve: list[dict[str, Any]] | None = None
    parent: str | None = None
    base: str | None = None
    child: str | None = None
    idea: str = ""
    lost: str = ""
    handed_on: str | None = None
    refused: tuple[dict[str, str], ...] = ()
    sections: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Exchange:
    """A request and what came of it.

    Attributes:
        request: the body as forwarded
        reply: text of the message as it came, None when there was none
        seconds: from the request to the end of the last try
        parsed: whether OpenEvolve can make a program of the reply; None when the prompt is not one of its own
        response: raw body of the last response where it could not be used
        usage: of all tries together; None for a local model, and where no response stated it
        told: of a prompt of OpenEvolve's, see there
    """

    model: str
    request: dict[str, Any]
    reply: str | None
    seconds: float
    parsed: bool | None = None
    response: str | None = None
    usage: Usage | None = None
    attempts: list[Attempt] = field(default_factory=list)
    told: Told = field(default_factory=Told)


class Recorder:
    """Appends to the record of one run folder; replies of which OpenEvolve can make nothing are kept raw as well."""

    def __init__(self, run: Path) -> None:
        self._run = run
        self._file = run / FILE_NAME
        self._number = self._file.read_bytes().count(b"\n") if self._file.exists() else 0

    def append(self, exchange: Exchange) -> None:
        """Write one line and wait until it is on disk."""
        self._number += 1
        line = {
            "number": self._number,
            "when": datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds"),
            "model": exchange.model,
            "request": exchange.request,
            "reply": exchange.reply,
            "response": exchange.response,
            "usage": _tokens(exchange.usage),
            "cost_usd": exchange.usage.cost_usd if exchange.usage is not None else None,
            "seconds": round(exchange.seconds, 3),
            "attempts": [vars(attempt) for attempt in exchange.attempts],
            "parsed": exchange.parsed,
            **vars(exchange.told),
        }
        self._run.mkdir(parents=True, exist_ok=True)
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())
        raw = exchange.reply if exchange.reply is not None else exchange.response
        if exchange.parsed is False and raw is not None:
            (self._run / FAILED).mkdir(exist_ok=True)
            (self._run / FAILED / f"{self._number:04}.txt").write_text(raw, encoding="utf-8", errors="replace")


def _tokens(usage: Usage | None) -> dict[str, int] | None:
    if usage is None:
        return None
    return {"prompt_tokens": usage.prompt_tokens, "completion_tokens": usage.completion_tokens}
