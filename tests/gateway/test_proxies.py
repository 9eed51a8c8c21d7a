"""Servers on this machine are asked directly whatever proxies the environment names; remote ones through the proxy."""

import os
import subprocess
import sys

import pytest
from gateway.scripted_upstream import answer, upstream
from gateway.test_forwarding import complete
from gateway.test_probe import probe

from eplb_evolve.gateway import lifecycle
from eplb_evolve.gateway.proxies import keep_loopback_direct, proxy_variable
from eplb_evolve.gateway.settings import Service

NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy", "NO_PROXY", "no_proxy")


@pytest.fixture
def proxied():
    """Set these proxies only."""
    environment = {name: value for name, value in os.environ.items() if name not in NAMES}
    before = dict(os.environ)

    def use(**variables):
        os.environ.clear()
        os.environ.update(environment | variables)
        keep_loopback_direct()

    yield use
    os.environ.clear()
    os.environ.update(before)


VARIANTS = [
    {"HTTP_PROXY": "http://127.0.0.1:9"},
    {"http_proxy": "http://127.0.0.1:9", "no_proxy": "example.com"},
    {"ALL_PROXY": "socks5://127.0.0.1:9"},
    {"all_proxy": "socks://127.0.0.1:9/"},
    {"ALL_PROXY": "http://user:password@127.0.0.1:9", "NO_PROXY": "*.example.com, 10.0.0.1"},
]


@pytest.mark.parametrize("variables", VARIANTS)
def test_loopback_endpoints_and_the_gateway_itself_are_asked_directly(proxied, forward, free_port, variables):
    proxied(**variables)
    with upstream(answer("yes")) as endpoint:
        assert probe(endpoint.api_base) == ""
        assert complete(forward(endpoint)).choices[0].message.content == "yes"
    started = lifecycle.ensure_running(f"http://127.0.0.1:{free_port}/v1", Service(0))
    assert lifecycle.health(free_port)["pid"] == started.pid


@pytest.mark.parametrize("variables", [{"HTTP_PROXY": "{}"}, {"all_proxy": "{}"}, {"ALL_PROXY": "{}"}])
def test_a_remote_endpoint_goes_through_the_proxy(proxied, variables):
    with upstream(answer("a"), models=(401, '{"error": "the proxy was here"}', {})) as proxy:
        proxied(**{name: proxy.api_base.removesuffix("/v1") for name in variables})
        assert "the proxy was here" in probe("http://endpoint.example/v1")


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "all_proxy"])
def test_a_proxy_that_refuses_is_named_by_its_variable_alone(proxied, name):
    proxied(**{name: "http://user:password@127.0.0.1:9"})
    said = probe("http://endpoint.example/v1")
    assert f"the connection is refused at the proxy of {proxy_variable('http://endpoint.example/v1')}" in said
    assert "password" not in said


@pytest.mark.parametrize(
    ("before", "direct"),
    [
        ({"HTTP_PROXY": "http://p"}, "127.0.0.1,localhost,::1,0.0.0.0"),
        ({"HTTP_PROXY": "http://p", "no_proxy": "a, b"}, "a,b,127.0.0.1,localhost,::1,0.0.0.0"),
        ({"https_proxy": "http://p", "NO_PROXY": "localhost,b"}, "localhost,b,127.0.0.1,::1,0.0.0.0"),
        ({"https_proxy": "http://p", "NO_PROXY": "b,*"}, "*"),
        ({"HTTP_PROXY": " "}, None),
        ({}, None),
    ],
)
def test_what_is_exempt_already_stays_so(before, direct):
    environment = dict(before)
    keep_loopback_direct(environment)
    assert environment.get("NO_PROXY") == environment.get("no_proxy", environment.get("NO_PROXY")) == direct


@pytest.mark.parametrize("value", ["SOCKS://h:1", " socks5://h:1 ", "socks://h:1"])
def test_a_socks_proxy_is_written_as_the_client_takes_it(value):
    environment = {"ALL_PROXY": value}
    keep_loopback_direct(environment)
    assert environment["ALL_PROXY"] == "socks5://h:1"


def test_an_endpoint_on_this_machine_under_another_name_is_asked_directly():
    environment = {"ALL_PROXY": "http://p"}
    keep_loopback_direct(environment, ["http://127.0.0.2:8000/v1", "http://h.localhost/v1", "https://remote/v1"])
    assert environment["NO_PROXY"].endswith(",0.0.0.0,127.0.0.2,h.localhost")


def test_openevolve_s_client_can_be_made_where_a_socks_proxy_is_set():
    """It is made before OpenEvolve reads any code of ours."""
    code = "import openai; openai.AsyncOpenAI(api_key='k', base_url='http://127.0.0.1:9/v1')"
    environment = os.environ | {"ALL_PROXY": "socks5://127.0.0.1:9"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
