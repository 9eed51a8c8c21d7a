"""What an answer with status 200 holds: a text of use, or what is wrong with it, in words.

Endpoints that call themselves compatible with OpenAI's answer in many forms. Each that means something is read here.
"""

import json
import math
import re
from dataclasses import dataclass
from typing import Any

from eplb_evolve.gateway.drafts import without_drafts
from eplb_evolve.gateway.streamed import assembled, streamed
from eplb_evolve.gateway.words import error_words, is_page
from eplb_evolve.hostile_text import sentence

_CUT = ("length", "max_tokens", "max_output_tokens", "model_length")
_REFUSED = ("content_filter", "safety", "refusal", "prohibited_content", "recitation", "blocklist", "sensitive")
_SHORT = 300
"""Characters of an answer that nobody will have been charged for."""


@dataclass(frozen=True)
class Reply:
    """A read answer.

    Attributes:
        body: the chat completion, for the client: its message's content is `text`; None if there is none
        text: what the model answers, without drafts; None if that is nothing
        why: what is wrong where text is None
        cut: whether the model was stopped at its limit of tokens
        doubt: what to say of a text of which no program can be made; "" where the text itself says enough
        status: what the answer's own words make of its status; 502 where it is nothing known
        again: whether another try may bring more, at no further cost
        raw: the message's text as it came
        answered: whether a model has answered, with whatever, and has not refused: words may bring it to more
    """

    body: Any = None
    text: str | None = None
    why: str = ""
    cut: bool = False
    doubt: str = ""
    status: int = 200
    again: bool = False
    raw: str = ""
    answered: bool = False


def read_reply(text: str, limit: int | None = None) -> Reply:
    """Read an answer's text; never raises. limit: of tokens, as the request stated it."""
    try:
        body = _clean(assembled(text, _joined) if streamed(text) else _first_json(text))
    except (ValueError, RecursionError):
        if is_page(text):
            return Reply(why=f"the endpoint answers with {error_words(text)}; mend api_base", status=404)
        return Reply(why=f"the answer is not JSON: {sentence(text[:80]) or 'nothing'}", status=502, again=_free(text))
    if isinstance(body, list) and len(body) == 1:
        body = body[0]
    choice = _choice(body)
    for place in (body, choice):
        if isinstance(place, dict) and place.get("error"):
            return _stated_error(place["error"], body)
    if not isinstance(body, dict) or not isinstance(choice, dict):
        return _no_choice(body, _free(text))
    return _read_choice(body, choice, limit)


def _read_choice(body: dict[str, Any], choice: dict[str, Any], limit: int | None) -> Reply:
    message = choice.get("message")
    message = message if isinstance(message, dict) else {}
    reason = str(choice.get("finish_reason") or "").lower()
    cut = reason in _CUT
    content, thought, refusal = _joined(message.get("content")), _reasoning(message), _refusal(message)
    if not content and isinstance(choice.get("text"), str):
        content = choice["text"]
    text, doubt = without_drafts(content), ""
    if not text and thought and not (cut or refusal or content):  # some servers take the whole answer for reasoning
        text, doubt = without_drafts(thought), "the reply holds reasoning alone, no answer"
    if cut:
        doubt = f"the reply is cut at max_tokens = {limit}" if limit else "the reply is cut at the endpoint's own limit"
    if text:
        whole = body | {"choices": [choice | {"message": {**message, "role": "assistant", "content": text}}]}
        return Reply(whole, text, cut=cut, doubt=doubt, raw=content or thought, answered=True)
    if cut and (content or thought):
        doubt += ", before the reasoning came to an answer"
    answered = not refusal and reason not in _REFUSED
    why = doubt or _nothing(refusal, reason, bool(content or thought))
    return Reply(body, why=why, cut=cut, status=502, raw=content or thought, answered=answered)


def _nothing(refusal: str, reason: str, drafted: bool) -> str:
    if refusal:
        return f"the model refuses: {sentence(refusal)}"
    if reason in _REFUSED:
        return f"the model or its provider refuses (finish_reason {reason})"
    words = "holds reasoning alone, no answer" if drafted else "is empty"
    return f"the reply {words}" + (f" (finish_reason {sentence(reason)})" if reason else "")


def _no_choice(body: Any, free: bool) -> Reply:
    said = error_words(json.dumps(body)) if body else "nothing"
    kept = body if isinstance(body, dict) else None
    if kept is not None and isinstance(kept.get("choices"), list):
        return Reply(kept, why="the reply holds no choice: the model or its provider refuses", status=502)
    return Reply(kept, why=f"the answer is no chat completion: {said}", status=502, again=free)


def _free(text: str) -> bool:
    """Whether an answer without a use has cost nothing, as far as one can tell."""
    return len(text) < _SHORT and "usage" not in text.lower()


def _first_json(text: str) -> Any:
    """What an answer says in JSON, whatever stands around it: a byte order mark, comments of a stream, its end."""
    bare = re.sub(r"\A(\s*:[^\n]*\n)+", "", text.removeprefix("\ufeff")).strip()
    return json.JSONDecoder().raw_decode(bare)[0]


def _stated_error(error: Any, body: Any) -> Reply:
    """An error inside of an answer that the server calls good."""
    code = error.get("code", error.get("status")) if isinstance(error, dict) else None
    code = int(code) if isinstance(code, int | str) and re.fullmatch(r"[45]\d\d", str(code)) else None
    words = error_words(json.dumps({"error": error}))
    if code is None:
        code = 429 if re.search(r"rate.?limit|too many requests|overloaded", words, re.IGNORECASE) else 502
    return Reply(body, why=words, status=code, again=True)


def _choice(body: Any) -> Any:
    choices = body.get("choices") if isinstance(body, dict) else None
    return choices[0] if isinstance(choices, list) and choices else None


def _joined(content: Any) -> str:
    """Text of a message's content: a text, or a list of parts of which those that are text count."""
    if isinstance(content, str):
        return content if content.strip() else ""
    if isinstance(content, dict):
        content = [content]
    if not isinstance(content, list):
        return ""
    parts: list[str] = []
    for part in content:
        if isinstance(part, str):
            parts.append(part)
        elif isinstance(part, dict) and part.get("type", "text") in ("text", "output_text") and not part.get("thought"):
            text = part.get("text")
            text = text.get("value") if isinstance(text, dict) else text
            parts.append(text if isinstance(text, str) else "")
    whole = "".join(parts)
    return whole if whole.strip() else ""


def _refusal(message: dict[str, Any]) -> str:
    """A refusal beside the content, or a part of it."""
    parts = message.get("content")
    found = [part.get("refusal") for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
    return _joined(message.get("refusal")) or _joined(next(filter(None, found), None))


def _reasoning(message: dict[str, Any]) -> str:
    for name in ("reasoning_content", "reasoning", "thinking"):
        if found := _joined(message.get(name)):
            return found
    return ""


def _clean(value: Any) -> Any:
    """The same JSON in what can be written again: half characters replaced, numbers that are none left out."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, dict):
        return {_clean(name): _clean(item) for name, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
