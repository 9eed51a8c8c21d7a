"""Errors as OpenAI's API writes them."""

from starlette.responses import JSONResponse


def fail(status: int, message: str) -> JSONResponse:
    """An error in the API's form. The client is told not to try again: the gateway has tried enough."""
    body = {"error": {"message": message, "type": "invalid_request_error" if status < 500 else "server_error"}}
    return JSONResponse(body, status, {"x-should-retry": "false"})
