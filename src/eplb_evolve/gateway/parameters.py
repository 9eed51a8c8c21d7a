"""Parameters that an endpoint refuses: which one its error names, and the request without it."""

import json
import re
from typing import Any

_OTHERWISE = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
_OPTIONAL = ("temperature", "top_p", "seed", "reasoning_effort", "verbosity")
_REFUSES = re.compile(r"unsupported|not support|unrecognized|unknown|unexpected|extra|not permitted|not allowed")


def refused_parameter(request: dict[str, Any], error: str) -> str | None:
    """The parameter of a request that an error's body refuses, of those that a request can do without; else None."""
    try:
        body = json.loads(error)
        stated = body["error"]["param"]
    except (ValueError, RecursionError, TypeError, KeyError):
        stated = None
    if not _REFUSES.search(error.lower()):
        return None
    names = [name for name in (*_OTHERWISE, *_OPTIONAL) if name in request]
    if stated in names:
        return str(stated)
    said = (name for name in names if re.search(rf"\b{name}\b", error))
    return next(said, None)


def adapted(request: dict[str, Any], refused: set[str]) -> dict[str, Any]:
    """The request without what an endpoint has refused; the limit of tokens goes by its other name."""
    return {
        _OTHERWISE.get(name, name) if name in refused else name: value
        for name, value in request.items()
        if name not in refused or name in _OTHERWISE
    }
