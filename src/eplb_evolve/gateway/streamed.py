"""Answers that come as server-sent events although none were asked for."""

import json
import re
from collections.abc import Iterator
from typing import Any


def streamed(text: str) -> bool:
    """Whether an answer is of that form."""
    return bool(re.match(r"\s*(:|data:|event:|id:)", text)) and "data:" in text


def assembled(text: str) -> dict[str, Any]:
    """The chat completion that server-sent events add up to; raises ValueError when they hold none."""
    body: dict[str, Any] = {}
    said: dict[str, list[str]] = {"content": [], "reasoning_content": [], "refusal": []}
    reason = None
    for event in _data(text):
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
        delta = choice.get("delta") or choice.get("message") or {}
        for name, parts in said.items():
            parts.append(_text(delta.get(name)))
        said["reasoning_content"].append(_text(delta.get("reasoning")))
    if not body and not any(any(parts) for parts in said.values()):
        raise ValueError("no events")
    message = {name: "".join(parts) for name, parts in said.items() if any(parts)}
    choice = {"index": 0, "finish_reason": reason, "message": {"role": "assistant", "content": "", **message}}
    return body | {"object": "chat.completion", "choices": [choice]}


def _data(text: str) -> Iterator[dict[str, Any]]:
    for row in text.splitlines():
        if row.startswith("data:") and row[5:].strip() != "[DONE]":
            event = json.loads(row[5:])
            if isinstance(event, dict):
                yield event


def _text(content: Any) -> str:
    return content if isinstance(content, str) else ""
