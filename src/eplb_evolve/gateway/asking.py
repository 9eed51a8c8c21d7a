"""One request of OpenEvolve's, from its prompt to the reply that it gets: written, asked, applied, asked once more."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from starlette.responses import JSONResponse

from eplb_evolve.gateway.author import Author, Message
from eplb_evolve.gateway.bodies import completion, fail
from eplb_evolve.gateway.edits.apply import Unusable, child_of
from eplb_evolve.gateway.edits.carry import carried, within_blocks
from eplb_evolve.gateway.edits.ideas import idea_of
from eplb_evolve.gateway.parsing import Rules, program_of, sha256
from eplb_evolve.gateway.record import Attempt, Exchange, Told
from eplb_evolve.gateway.upstream import Outcome, Upstream
from eplb_evolve.gateway.usage import Usage
from eplb_evolve.hostile_text import clip, sentence
from eplb_evolve.proposer.prompt import Prompt, UnknownPrompt, read_prompt

_ASKS = 2
_MOST_QUOTED = 24_000
"""Characters of a reply that its model is shown when it is asked again."""
_AGAIN = (
    "\n\nAnswer again, in full: either SEARCH/REPLACE blocks that fit the parent, or the whole program in one "
    "```python block."
)


@dataclass
class Asked:
    """What came of a request.

    Attributes:
        outcomes: of each time that the model was asked
        told: for the record, and for later prompts
        handed_on: the reply as OpenEvolve gets it; None: as it came
        parsed: whether OpenEvolve makes a program of it; None where the prompt is not one of its own
        why: why it makes none
        wants_diff: whether OpenEvolve reads replies as diffs; a text without one is no program then
    """

    outcomes: list[Outcome] = field(default_factory=list)
    told: Told = field(default_factory=Told)
    handed_on: str | None = None
    parsed: bool | None = False
    why: str = ""
    wants_diff: bool = False

    @property
    def last(self) -> Outcome:
        """Of the last time."""
        return self.outcomes[-1]

    @property
    def usage(self) -> Usage | None:
        """Of all times together."""
        stated = [outcome.usage for outcome in self.outcomes if outcome.usage is not None]
        return sum(stated, Usage()) if stated else None

    @property
    def usage_complete(self) -> bool:
        """Whether each reply stated its usage."""
        return all(outcome.usage_complete for outcome in self.outcomes)

    def exchange(self, model: str, seconds: float) -> Exchange:
        """For the record."""
        last, attempts = self.last, [attempt for outcome in self.outcomes for attempt in outcome.attempts]
        if self.why and not last.message:
            attempts[-1] = Attempt(200, self.why)
        raw = last.reply.raw if last.reply.text is not None else None
        return Exchange(model, last.request, raw, seconds, self.parsed, last.response, self.usage, attempts, self.told)

    def response(self) -> JSONResponse:
        """For OpenEvolve."""
        last = self.last
        if last.message:
            return fail(last.status, self.why)
        if self.parsed is False and (last.reply.doubt or self.told.openevolve is not None) and not self.wants_diff:
            return fail(502, self.why)
        if self.parsed is False and self.told.openevolve is not None:  # of which OpenEvolve says a line, not three
            return JSONResponse(completion(str(last.request.get("model")), f"No program: {sentence(self.why)}"))
        if self.handed_on is None:
            return JSONResponse(last.reply.body)
        choice = last.reply.body["choices"][0]
        message = {**choice["message"], "content": self.handed_on}
        body = {**last.reply.body, "choices": [{**choice, "message": message, "finish_reason": "stop"}]}
        if self.usage is not None and len(self.outcomes) > 1:
            tokens = {"prompt_tokens": self.usage.prompt_tokens, "completion_tokens": self.usage.completion_tokens}
            body["usage"] = {**tokens, "total_tokens": sum(tokens.values())}
        return JSONResponse(body)


def prompt_in(text: str) -> Prompt | None:
    """OpenEvolve's prompt in a user message; None where that is none."""
    try:
        return read_prompt(text)
    except UnknownPrompt:
        return None


def told_of(prompt: Prompt, reply: str, rules: Rules, cut: bool = False) -> Told:
    """What OpenEvolve makes of a reply to its own prompt."""
    parent, child = sha256(prompt.program), program_of(prompt, reply, rules, cut)
    idea, lost = idea_of(reply), "" if child is not None else "the reply makes no program"
    return Told(None, parent, parent, sha256(child) if child is not None else None, idea, lost)


async def as_it_is(
    upstream: Upstream, body: dict[str, Any], prompt: Prompt | None, rules: Rules, stop: asyncio.Event
) -> Asked:
    """Forward OpenEvolve's own prompt, and hand the reply on as it came."""
    outcome = await upstream.forward(body, stop)
    asked, reply = Asked([outcome], parsed=None), outcome.reply
    if reply.text is None:
        asked.parsed, asked.why = False, outcome.message
    if prompt is not None:
        asked.told = told_of(prompt, reply.text or "", rules, reply.cut)
        asked.parsed = asked.told.child is not None
        asked.why = outcome.message or (reply.doubt if not asked.parsed else "")
        asked.told = replace(asked.told, lost=asked.why or asked.told.lost)
    return asked


async def ask(
    upstream: Upstream,
    body: dict[str, Any],
    prompt: Prompt,
    author: Author,
    rules: Rules,
    stop: asyncio.Event,
    may_ask_again: Callable[[Usage | None], bool],
) -> Asked | None:
    """Have the prompt written, ask, and make the answer fit; once more where no program comes of it.

    None where the author has nothing to say: the request is to go on as it is. Both asks share one patience.
    """
    system = next((each["content"] for each in body["messages"] if each.get("role") == "system"), "")
    written = await asyncio.to_thread(author.write, prompt.program, str(system))
    if written is None:
        return None
    asked, since, messages = Asked(wants_diff=prompt.wants_diff), time.monotonic(), list(written.messages)
    asked.told = Told(body["messages"], sha256(prompt.program), sha256(written.base), sections=written.sizes)
    for number in range(_ASKS):
        outcome = await upstream.forward({**body, "messages": messages}, stop, since)
        asked.outcomes.append(outcome)
        reply = outcome.reply
        try:
            if reply.text is None:
                raise Unusable(outcome.message)
            child = await asyncio.to_thread(_child, written.base, prompt, reply.text, rules, author)
            asked.handed_on = await asyncio.to_thread(carried, prompt, child, idea_of(reply.text), rules)
        except Unusable as problem:
            asked.why = f"{reply.doubt}. {problem}" if reply.doubt and reply.text is not None else str(problem)
            asked.told = replace(asked.told, idea=idea_of(reply.text or "") or asked.told.idea, lost=asked.why)
        else:
            made = sha256(program_of(prompt, asked.handed_on, rules) or "")
            idea = idea_of(reply.text) or asked.told.idea
            asked.told = replace(asked.told, idea=idea, child=made, lost="", handed_on=asked.handed_on)
            asked.parsed, asked.why = True, ""
            return asked
        if number or not reply.answered or stop.is_set() or not may_ask_again(asked.usage):
            return asked
        asked.told = replace(asked.told, refused=(*asked.told.refused, {"reply": reply.raw, "why": asked.why}))
        messages = _again(messages, reply.text or "", asked.why)
    return asked


def _child(base: str, prompt: Prompt, reply: str, rules: Rules, author: Author) -> str:
    child = child_of(base, reply, rules.max_code_length)
    child = child.rstrip() + prompt.program[len(prompt.program.rstrip()) :]  # what no diff reaches is OpenEvolve's
    child = within_blocks(prompt.program, child, rules)
    if known := author.number_of(child):
        raise Unusable(f"This is the program of {known}, which has been measured already.")
    return child


def _again(messages: list[Message], reply: str, why: str) -> list[Message]:
    quoted = clip(reply, _MOST_QUOTED) or "(nothing)"
    return [*messages, {"role": "assistant", "content": quoted}, {"role": "user", "content": why + _AGAIN}]
