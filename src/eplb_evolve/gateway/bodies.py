"""Answers and errors as OpenAI's API writes them."""

import time
from typing import Any

from starlette.responses import JSONResponse


def fail(status: int, message: str) -> JSONResponse:
    """An error in the API's form. The client is told not to try again: the gateway has tried enough."""
    body = {"error": {"message": message, "type": "invalid_request_error" if status < 500 else "server_error"}}
    return JSONResponse(body, status, {"x-should-retry": "false"})


def completion(model: str, text: str) -> dict[str, Any]:
    """A chat completion that cost nothing."""
    message = {"role": "assistant", "content": text}
    return {
        "id": f"chatcmpl-{time.time_ns()}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
    }
