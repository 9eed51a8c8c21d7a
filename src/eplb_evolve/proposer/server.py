"""An OpenAI-compatible chat endpoint that answers OpenEvolve's prompts with `engine.propose`."""

import argparse
import ctypes
import errno
import json
import os
import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from .embedded import CannotAnswer, EmbeddedModel
from .lifecycle import NAME

DEFAULT_PORT = 18765
_EXIT_ENVIRONMENT = 3
_MOST_BYTES = 64 * 1024 * 1024
_PR_SET_PDEATHSIG = 1


class BadRequest(ValueError):
    """The request is not a chat request that can be answered; the message says why in one sentence."""


class Server(ThreadingHTTPServer):
    """Listens on the loopback interface only."""

    daemon_threads = True

    def __init__(self, port: int, proposer: EmbeddedModel) -> None:
        self.proposer = proposer
        super().__init__(("127.0.0.1", port), _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        if self.path == "/health":
            proposer = self.server.proposer
            health = {"name": NAME, "pid": os.getpid(), "seed": proposer.seed, "proposals": proposer.count}
            self._send(200, health)
        elif self.path == "/v1/models":
            self._send(200, {"object": "list", "data": [{"id": "embedded", "object": "model"}]})
        else:
            self._fail(404, f"there is nothing at {self.path}")

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > _MOST_BYTES:
            self.close_connection = True
            self._fail(400, f"the request needs a Content-Length of at most {_MOST_BYTES} bytes")
            return
        body = self.rfile.read(int(length))
        if self.path != "/v1/chat/completions":
            self._fail(404, f"there is nothing at {self.path}")
            return
        try:
            self._send(200, self._answer(json.loads(body)))
        except (BadRequest, CannotAnswer) as error:
            self._fail(400, str(error))
        except ValueError:
            self._fail(400, "the request's body is not JSON")

    def _answer(self, request: object) -> dict[str, Any]:
        if not isinstance(request, dict):
            raise BadRequest("the request is not a JSON object")
        text = self.server.proposer.answer(_user_text(request), request.get("seed"))
        return _completion(str(request.get("model", "embedded")), text)

    def log_message(self, format: str, *args: object) -> None:
        """Silence: each proposal has its line in the log."""

    def _fail(self, status: int, message: str) -> None:
        self._send(status, {"error": {"message": message, "type": "invalid_request_error"}})

    def _send(self, status: int, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main(arguments: list[str] | None = None) -> int:
    """Serve until killed; returns an exit code when that cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m eplb_evolve.proposer.server", description=__doc__)
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="port on 127.0.0.1 (0 = any free one)")
    parser.add_argument("--seed", type=int, default=0, help="seed of all proposals")
    parser.add_argument("--log", type=Path, default=None, help="file that gets one line per proposal")
    parser.add_argument("--parent", type=int, default=None, help="pid of the process to die with")
    options = parser.parse_args(arguments)
    if options.parent is not None and not _die_with(options.parent):
        return _EXIT_ENVIRONMENT
    try:
        server = Server(options.port, EmbeddedModel(options.seed, options.log))
    except OSError as error:
        reason = "is already in use" if error.errno == errno.EADDRINUSE else f"cannot be used: {error.strerror}"
        print(f"port {options.port} on 127.0.0.1 {reason}", file=sys.stderr)
        return _EXIT_ENVIRONMENT
    print(f"ready: {NAME} on http://127.0.0.1:{server.server_port}/v1, seed {options.seed}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()
    return 0


def _die_with(parent: int) -> bool:
    """Have the kernel kill this process when its parent ends, however it ends; False when it has ended already."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    return os.getppid() == parent


def _user_text(request: dict[str, Any]) -> str:
    messages = request.get("messages")
    if not isinstance(messages, list):
        raise BadRequest("the request has no list of messages")
    texts = [
        message["content"]
        for message in messages
        if isinstance(message, dict) and message.get("role") == "user" and isinstance(message.get("content"), str)
    ]
    if not texts:
        raise BadRequest("the request has no user message with text")
    return str(texts[-1])


def _completion(model: str, text: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    return {
        "id": f"chatcmpl-{time.time_ns()}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
    }


if __name__ == "__main__":
    sys.exit(main())
