"""An endpoint in a thread that plays a list of steps, one for each request, and keeps what it was sent."""

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def answer(content, prompt_tokens=100, completion_tokens=10):
    """A chat completion; no usage when prompt_tokens is None."""
    body = {"id": "x", "object": "chat.completion", "created": 1, "model": "m"}
    body["choices"] = [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}}]
    if prompt_tokens is not None:
        body["usage"] = {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        }
    return (200, json.dumps(body), {})


def error(status, message, code=None, **headers):
    """An error as providers write it."""
    return (status, json.dumps({"error": {"message": message, "code": code}}), headers)


MODELS = (200, json.dumps({"object": "list", "data": [{"id": "m", "object": "model"}]}), {})
STALL, DROP, ECHO_KEY = "stall", "drop", "echo key"


class Upstream(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, steps, models):
        self.steps, self.bodies, self.keys, self.models = list(steps), [], [], models
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def api_base(self):
        return f"http://127.0.0.1:{self.server_port}/v1"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.server.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.server.keys.append(self.headers["Authorization"].removeprefix("Bearer "))
        step = self.server.steps.pop(0) if len(self.server.steps) > 1 else self.server.steps[0]
        if step == ECHO_KEY:
            step = error(401, f"Incorrect API key provided: {self.server.keys[-1]}")
        self._play(step)

    def do_GET(self):
        self._play(self.server.models if self.path.endswith("/models") else error(404, "nothing here"))

    def _play(self, step):
        step = step() if callable(step) else step
        if step == STALL:
            time.sleep(1)
        if step in (STALL, DROP):
            self.close_connection = True
            return
        status, text, headers = step
        self.send_response(status)
        for name, value in {"Content-Length": str(len(text.encode())), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format, *args):
        pass


@contextmanager
def upstream(*steps, models=MODELS, tls=None):
    """models: the answer to GET /models. tls: an SSLContext to serve with."""
    server = Upstream(steps, models)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()
