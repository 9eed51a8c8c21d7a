"""A gateway in a thread, and the client that OpenEvolve uses."""

import threading
import time

import openai
import pytest
import support

from eplb_evolve.gateway import lifecycle
from eplb_evolve.gateway.app import Gateway
from eplb_evolve.gateway.server import listen, server
from eplb_evolve.gateway.settings import ForwardedModel, GatewaySettings, Service
from eplb_evolve.gateway.upstream import Upstream
from eplb_evolve.gateway.waits import Backoff

KEY = "sk-very-secret-0123456789"
QUICK = Backoff(first_s=0.01, longest_s=0.02)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    monkeypatch.delenv(lifecycle.RUNNING, raising=False)
    monkeypatch.setenv("TEST_KEY", KEY)


@pytest.fixture
def free_port():
    return support.free_port()


@pytest.fixture
def serve():
    """Serve a Service in a thread, with short waits; its address."""
    servers = []

    def start(service, author=None):
        settings = service.gateway
        upstreams = {name: Upstream(name, model, settings, QUICK) for name, model in settings.models.items()}
        listener = listen(0)
        running = server(Gateway(service, upstreams, author=author))
        thread = threading.Thread(target=running.run, args=([listener],), daemon=True)
        thread.start()
        while not running.started:
            time.sleep(0.005)
        servers.append((running, thread))
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    for running, thread in servers:
        running.should_exit = True
        thread.join()


@pytest.fixture
def forward(serve, tmp_path):
    """Serve the model `m` of a scripted upstream; the client of the gateway."""

    def start(endpoint, run=tmp_path / "run", prices=(1.0, 10.0), author=None, name="m", **settings):
        model = ForwardedModel(endpoint.api_base, "TEST_KEY", *prices)
        gateway = GatewaySettings(**{"request_timeout_s": 0.5, "models": {name: model}} | settings)
        url = serve(Service(0, run=str(run), gateway=gateway), author)
        return openai.OpenAI(api_key="none", base_url=url + "/v1", max_retries=3)

    return start
