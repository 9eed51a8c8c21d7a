"""Answers that come as server-sent events although none were asked for."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any


def streamed(text: str) -> bool:
    """Whether an answer is of that form."""
    return bool(re.match(r"\s*(:|data:|event:|id:|retry:)", text)) and bool(re.search(r"^data:", text, re.MULTILINE))


def assembled(text: str, joined: Callable[[Any], str]) -> dict[str, Any]:
    """The chat completion that the events add up to; raises ValueError when they hold none.

    joined: the text of a message's content. An event that was cut off ends the answer, as a limit of tokens would.
    """
    body: dict[str, Any] = {}
    said: dict[str, list[str]] = {"content": [], "reasoning_content": [], "refusal": []}
    reason = None
    for event in _data(text):
        if event is None:
            reason = reason or "length"
            break
        if event.get("error"):
            return event
        choices = event.pop("choices", None)
        body |= {name: value for name, value in event.items() if value is not None}
        choice = choices[0] if isinstance(choices, list) and choices else None
        if not isinstance(choice, dict):
            continue
        if choice.get("error"):
            return body | {"choices": choices}
        reason = choice.get("finish_reason") or reason
        delta = choice.get("delta") or choice.get("message") or {"content": choice.get("text")}
        delta = delta if isinstance(delta, dict) else {"content": delta}
        for name, parts in said.items():
            parts.append(_text(delta.get(name), joined))
        said["reasoning_content"].append(_text(delta.get("reasoning"), joined))
    if not body and not any(any(parts) for parts in said.values()):
        raise ValueError("no events")
    message = {name: "".join(parts) for name, parts in said.items() if any(parts)}
    choice = {"index": 0, "finish_reason": reason, "message": {"role": "assistant", "content": "", **message}}
    return body | {"object": "chat.completion", "choices": [choice]}


def _data(text: str) -> Iterator[dict[str, Any] | None]:
    """The events; None for one that was cut off, when others came before it."""
    came = False
    for row in re.split(r"\r\n|\n|\r", text):
        if not row.startswith("data:") or row[5:].strip() == "[DONE]":
            continue
        try:
            event = json.loads(row[5:])
        except ValueError:
            if not came:
                raise
            yield None
            return
        if isinstance(event, dict):
            came = True
            yield event


def _text(content: Any, joined: Callable[[Any], str]) -> str:
    return content if isinstance(content, str) else joined(content)
