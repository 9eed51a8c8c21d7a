"""What an endpoint says, in one short line that a terminal can show: its error's words, or why it cannot be reached."""

import errno
import html
import json
import re
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from eplb_evolve.gateway.proxies import proxy_variable
from eplb_evolve.hostile_text import sentence

_NAMES = (
    "message",
    "msg",
    "detail",
    "error",
    "errors",
    "error_description",
    "reason",
    "title",
    "description",
    "status_msg",
    "base_resp",
)
"""Where servers put the words of an error, the likeliest first."""


def is_page(text: str) -> bool:
    """Whether this is a web page: a sign-in, a gateway's error, anything that is not an API."""
    return bool(re.match(r"\s*<(!doctype|!--|html|head|\?xml)", text, re.IGNORECASE))


def error_words(text: str) -> str:
    """The words of an error's body in any form: OpenAI's, Gemini's list, FastAPI's, Ollama's, a page, plain text."""
    try:
        found = _words(json.loads(text))
    except (ValueError, RecursionError):
        found = _page_words(text) if is_page(text) else text
    return sentence(found) or "it gives no reason"


def _words(body: Any) -> str:
    if isinstance(body, list):
        return "; ".join(filter(None, map(_words, body[:3])))
    if isinstance(body, dict):
        for name in _NAMES:
            if body.get(name) and (found := _words(body[name])):
                return found
        return json.dumps(body) if body else ""
    return body if isinstance(body, str) else ""


def _page_words(page: str) -> str:
    title = re.search(r"<title[^>]*>(.*?)</title>", page, re.IGNORECASE | re.DOTALL)
    text = title[1] if title else re.sub(r"<(script|style).*?</\1>|<[^>]*>", " ", page, flags=re.DOTALL)
    return f"a web page, '{' '.join(html.unescape(text).split())[:100]}'"


@dataclass(frozen=True)
class Unreachable:
    """Why there is no connection. final: whether that will be so until somebody mends it."""

    why: str
    final: bool


def unreachable(error: BaseException, url: str) -> Unreachable:
    """What a failed connection to `url` means, and what to do."""
    for cause in _causes(error):
        found = _meaning(cause, url)
        if found is not None:
            return found
    first = error.__cause__ or error
    return Unreachable(sentence(f"the connection failed: {str(first) or type(first).__name__}"), final=False)


def _meaning(cause: BaseException, url: str) -> Unreachable | None:
    proxy = proxy_variable(url)
    at = f" at the proxy of {proxy}" if proxy else ""
    if isinstance(cause, ConnectionRefusedError):
        return Unreachable(f"the connection is refused{at}: nothing listens there; start it, or mend api_base", True)
    if isinstance(cause, socket.gaierror):
        return Unreachable(f"the host's name is unknown{at}; mend api_base, or the network", True)
    if isinstance(cause, ssl.SSLCertVerificationError):
        why = f"its certificate is not trusted ({cause.verify_message})"
        return Unreachable(f"{why}; set SSL_CERT_FILE to a file that holds the authority's certificate", True)
    if isinstance(cause, ssl.SSLError) and "WRONG_VERSION_NUMBER" in str(cause):
        return Unreachable("the server does not speak TLS there; api_base begins with http://, not https://", True)
    if isinstance(cause, OSError) and cause.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH):
        return Unreachable(f"the host cannot be reached{at}; mend api_base, or the network", True)
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, what caused it, and the members of groups, each once."""
    waiting, seen = [error], set()
    while waiting:
        cause = waiting.pop(0)
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        waiting += [*getattr(cause, "exceptions", ()), *filter(None, (cause.__cause__, cause.__context__))]
