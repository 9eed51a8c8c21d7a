"""Each endpoint is asked for its models before a search begins; what can only fail is said in one sentence."""

import asyncio
import ssl
import subprocess

import pytest
from gateway.conftest import KEY
from gateway.scripted_upstream import STALL, answer, error, upstream

from eplb_evolve.errors import EnvironmentProblem
from eplb_evolve.gateway import lifecycle
from eplb_evolve.gateway import upstream as upstream_module
from eplb_evolve.gateway.models import known_models, near_models
from eplb_evolve.gateway.settings import ForwardedModel, GatewaySettings, Service
from eplb_evolve.gateway.upstream import Upstream


def probe(api_base, key="TEST_KEY"):
    return asyncio.run(Upstream("m", ForwardedModel(api_base, key), GatewaySettings()).probe())


@pytest.mark.parametrize(
    "models",
    [
        (200, '{"data": [{"id": "m"}]}', {}),
        (200, '{"data": []}', {}),
        (200, '{"models": [{"name": "models/m"}]}', {}),
        (200, "<html>", {}),
        (200, "", {}),
        error(404, "Not Found"),
        (405, "", {}),
        error(400, "no such thing"),
        error(403, "Missing scopes: api.model.read"),
        error(429, "slow down"),
        error(503, "loading"),
        "drop",
    ],
)
def test_what_proves_nothing_is_let_pass(models):
    with upstream(answer("a"), models=models) as endpoint:
        assert probe(endpoint.api_base) == ""
        assert not endpoint.bodies


@pytest.mark.parametrize(
    ("models", "words"),
    [
        (error(401, f"Incorrect key {KEY[:10]}"), "401: Incorrect key <key>; check the key in TEST_KEY"),
        (error(403, "No access"), "403: No access; check the key in TEST_KEY"),
        ((401, "", {}), "401: it gives no reason; check the key in TEST_KEY"),
        (STALL, "no answer within 0.2 s; the server hangs or is busy, or api_base leads elsewhere"),
    ],
)
def test_what_can_only_fail_is_said(models, words, monkeypatch):
    monkeypatch.setattr(upstream_module, "_PROBE_S", 0.2)
    with upstream(answer("a"), models=models) as endpoint:
        assert probe(endpoint.api_base) == f"the endpoint of m, {endpoint.api_base}: {words}"


def test_where_no_key_is_named_one_is_proposed():
    with upstream(answer("a"), models=error(401, "no")) as endpoint:
        assert probe(endpoint.api_base, None).endswith("401: no; it may want a key: api_key_env names its variable")


@pytest.mark.parametrize(
    ("base", "words"),
    [
        ("http://127.0.0.1:9/v1", "the connection is refused: nothing listens there; start it, or mend api_base"),
        ("http://[::1]:9/v1", "the connection is refused"),
        ("http://no-such-host.invalid/v1", "the host's name is unknown; mend api_base, or the network"),
        (
            "https://user:password@no-such-host.invalid/v1?key=secret",
            "https://no-such-host.invalid/v1: the host's name",
        ),
    ],
)
def test_an_endpoint_that_cannot_be_reached_is_said(base, words):
    said = probe(base)
    assert words in said
    assert "password" not in said
    assert "secret" not in said


def test_a_server_without_tls_is_said():
    with upstream(answer("a")) as endpoint:
        assert "does not speak TLS there" in probe(endpoint.api_base.replace("http:", "https:"))


@pytest.fixture
def self_signed(tmp_path):
    """Certificate and key of 127.0.0.1, signed by nobody else."""
    made = ["-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem", "-subj", "/CN=127.0.0.1"]
    kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    command = ["openssl", "req", *kind, "-addext", "subjectAltName=IP:127.0.0.1", *made]
    subprocess.run(command, check=True, capture_output=True)
    return tmp_path / "cert.pem", tmp_path / "key.pem"


def test_a_self_signed_certificate_says_what_to_set_and_that_works(self_signed, monkeypatch):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*self_signed)
    with upstream(answer("a"), tls=context) as endpoint:
        base = endpoint.api_base.replace("http:", "https:")
        assert "its certificate is not trusted (self-signed certificate); set SSL_CERT_FILE to a file" in probe(base)
        monkeypatch.setenv("SSL_CERT_FILE", str(self_signed[0]))
        assert probe(base) == ""


@pytest.mark.parametrize(
    ("name", "value"), [("SSL_CERT_FILE", "/no/such/file"), ("HTTPS_PROXY", "ftp://p"), ("ALL_PROXY", "http://p:port")]
)
def test_an_environment_that_the_client_cannot_use_is_named_without_its_value(name, value, monkeypatch):
    for other in ("SSL_CERT_FILE", "SSL_CERT_DIR", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, value)
    with pytest.raises(EnvironmentProblem, match=f"^{name} holds what the HTTP client cannot use") as said:
        probe("https://127.0.0.1:9/v1")
    assert value not in str(said.value)


def test_the_gateway_does_not_start_and_says_only_that_sentence(tmp_path, free_port):
    models = {"m": ForwardedModel("http://127.0.0.1:9/v1")}
    service = Service(0, run=str(tmp_path / "run"), gateway=GatewaySettings(models=models))
    with pytest.raises(
        EnvironmentProblem, match=r"^the endpoint of m, http://127.0.0.1:9/v1: the connection is refused"
    ):
        lifecycle.ensure_running(f"http://127.0.0.1:{free_port}/v1", service)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('{"data": [{"id": "a"}, {"id": "models/b"}]}', ["a", "b"]),
        ('{"models": [{"name": "a"}, {"model": "b"}]}', ["a"]),
        ('[{"id": "a"}, "b", 3]', ["a", "b"]),
        ('{"data": "a"}', []),
        ("3", []),
        ("<html>", []),
    ],
)
def test_lists_of_models_have_several_forms(text, names):
    assert known_models(text) == names


@pytest.mark.parametrize(
    ("name", "listed", "words"),
    [
        ("gpt-4.1-minni", ["o3", "gpt-4.1-mini", "gpt-4.1"], "it has gpt-4.1-mini, gpt-4.1"),
        ("Qwen2.5-Coder", ["llama3", "qwen2.5-coder:14b"], "it has qwen2.5-coder:14b"),
        ("llama3", ["qwen", "LLAMA3:8B"], "it has LLAMA3:8B"),
        ("x", ["a1", "a2", "a3", "a4", "a5", "a6", "a7"], "it has a1, a2, a3, a4, a5 and 2 more"),
        ("a", ["a", "b"], "its list has that model"),
    ],
)
def test_the_nearest_models_come_first(name, listed, words):
    assert near_models(name, listed) == words
