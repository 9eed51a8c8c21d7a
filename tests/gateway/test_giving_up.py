"""A search whose models give no programs ends, with the provider's words, and soon."""

import contextlib
import errno
import os
import signal
import threading
import time

import openai
import pytest
from gateway.scripted_upstream import DROP, answer, error, upstream
from gateway.test_forwarding import complete
from proposer.programs import ALL
from proposer.test_prompt import ask

from eplb_evolve.ending import end, read_ending
from eplb_evolve.gateway import stop
from eplb_evolve.gateway import upstream as upstream_module
from eplb_evolve.gateway.record import Recorder
from eplb_evolve.gateway.settings import ForwardedModel, GatewaySettings, Service

PROMPT = ask(ALL["grid"])
GOOD = answer(f"<<<<<<< SEARCH\n{ALL['grid'].splitlines()[0]}\n=======\nx = 1\n>>>>>>> REPLACE")
TALK = answer("I would rather not")
PAGE = (200, "<html><title>Sign in</title></html>", {})


@pytest.fixture
def searching(serve, tmp_path, monkeypatch):
    """A gateway that a search has started: the client, the run's folder and the signals that the search was sent."""
    sent = []
    monkeypatch.setattr(stop, "TAKEN_IN_S", 0.0)
    monkeypatch.setattr(os, "kill", lambda *arguments: sent.append(arguments))
    monkeypatch.setattr(upstream_module, "_FIRST_REPLY_S", 0.1)

    def start(api_base, workers=1, **settings):
        model = ForwardedModel(api_base, "TEST_KEY", 1.0, 10.0)
        gateway = GatewaySettings(**{"request_timeout_s": 0.5, "retry_seconds": 0.2, "models": {"m": model}} | settings)
        service = Service(0, run=str(tmp_path / "run"), gateway=gateway, parent=os.getppid(), workers=workers)
        url = serve(service) + "/v1"
        return openai.OpenAI(api_key="none", base_url=url, max_retries=0), tmp_path / "run", sent

    return start


def ask_until_the_end(client, run, most=20):
    """How many requests were answered before the search was told to end, that one included."""
    for number in range(1, most + 1):
        with contextlib.suppress(openai.APIStatusError):
            complete(client, PROMPT)
        if read_ending(run) is not None:
            return number
    return None


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (error(401, "Incorrect API key"), "401: Incorrect API key; check the key in TEST_KEY"),
        (error(403, "Not in your country"), "403: Not in your country"),
        (error(404, "Not Found"), "404: Not Found; mend api_base, which often ends in /v1, or the model's name"),
        ((405, "", {}), "405: it gives no reason; mend api_base"),
        (PAGE, "the endpoint answers with a web page, 'Sign in'; mend api_base"),
        (error(503, "loading the model"), "503: loading the model"),
        (error(429, "slow down"), "429: slow down"),
        (DROP, "the connection failed"),
    ],
)
def test_an_endpoint_that_never_replied_ends_the_search_at_once(searching, step, words):
    with upstream(step) as endpoint:
        client, run, sent = searching(endpoint.api_base)
        assert ask_until_the_end(client, run) == 1
    ending = read_ending(run)
    assert ending.sentence.startswith(f"the endpoint of m, {endpoint.api_base}: {words}")
    assert ending.exit_code == 3
    assert sent == [(os.getppid(), signal.SIGTERM)]


def test_so_does_one_that_is_gone(searching):
    with upstream(GOOD) as endpoint:
        base = endpoint.api_base
    client, run, _ = searching(base)
    assert ask_until_the_end(client, run) == 1
    assert "the connection is refused" in read_ending(run).sentence


@pytest.mark.parametrize(
    ("steps", "requests", "words"),
    [
        ([TALK], 5, "the reply makes no program (failed_replies/)"),
        ([answer(None)], 5, "the reply is empty"),
        ([error(400, "maximum context length is 8192")], 5, "400: maximum context length is 8192"),
        ([error(429, "no money", "insufficient_quota")], 5, "429: no money"),
        ([error(429, "in an hour", Retry_After="3600")], 5, "429: in an hour (2 tries)"),
        ([GOOD, error(401, "key revoked")], 6, "401: key revoked"),
        ([GOOD, error(503, "down")], 6, "503: down"),
        ([GOOD, TALK, TALK, TALK, TALK, GOOD, TALK], 11, "the reply makes no program"),
    ],
)
def test_five_requests_in_a_row_without_a_program_end_it(searching, steps, requests, words):
    with upstream(*steps) as endpoint:
        client, run, _ = searching(endpoint.api_base)
        assert ask_until_the_end(client, run) == requests
    sentence = read_ending(run).sentence
    assert sentence.startswith("5 requests in a row brought no program (give_up_after); the last: the endpoint of m, ")
    assert words in sentence


def test_how_many_can_be_set(searching):
    with upstream(TALK) as endpoint:
        client, run, sent = searching(endpoint.api_base, give_up_after=2)
        assert ask_until_the_end(client, run) == 2
        with pytest.raises(openai.InternalServerError, match="2 requests in a row brought no program"):
            complete(client, PROMPT)
        assert len(endpoint.bodies) == 2
    assert len(sent) == 1


def test_a_search_that_another_process_has_ended_pays_for_no_further_reply(searching):
    with upstream(GOOD) as endpoint:
        client, run, sent = searching(endpoint.api_base)
        complete(client, PROMPT)
        run.mkdir(exist_ok=True)
        (run / "ledger.jsonl").write_text("{}\n")
        assert not sent
        end(run, "at the floor", 0)
        with pytest.raises(openai.InternalServerError, match="the search ends"):
            complete(client, PROMPT)
        assert len(endpoint.bodies) == 1
    assert sent == [(os.getppid(), signal.SIGTERM)]


def test_a_cut_reply_that_makes_no_program_is_named(searching):
    step = (200, TALK[1].replace('"stop"', '"length"'), {})
    with upstream(step) as endpoint:
        client, _, _ = searching(endpoint.api_base)
        with pytest.raises(openai.InternalServerError, match="the reply is cut at max_tokens = 7"):
            complete(client, PROMPT, max_tokens=7)
        assert len(endpoint.bodies) == 1


def test_a_cut_rewrite_is_no_program_unless_its_code_is_whole(searching):
    rewrite = ask(ALL["grid"], diff=False)
    half, whole = answer("```python\nx = 1"), answer("```python\nx = 1\n```\nNow I exp")
    steps = [(200, step[1].replace('"stop"', '"length"'), {}) for step in (whole, half)]
    with upstream(*steps) as endpoint:
        client, _, _ = searching(endpoint.api_base)
        assert complete(client, rewrite).choices[0].message.content.startswith("```python")
        with pytest.raises(openai.InternalServerError, match="the reply is cut at the endpoint's own limit"):
            complete(client, rewrite)


@pytest.mark.parametrize("kept", ["ledger", "record"])
def test_no_idle_worker_is_waited_for(searching, kept):
    """Two workers, and only one has anything left to do."""
    with upstream(GOOD, TALK) as endpoint:
        client, run, sent = searching(endpoint.api_base, give_up_after=1, workers=2)
        complete(client, PROMPT)
        run.mkdir(exist_ok=True)
        waiting = threading.Thread(target=ask_until_the_end, args=(client, run, 1))
        waiting.start()
        while read_ending(run) is None:
            time.sleep(0.01)
        if kept == "record":  # the first reply's program is still being evaluated
            time.sleep(0.3)
            assert not sent
        (run / "ledger.jsonl").write_text("{}\n")
        waiting.join(60)
        assert len(sent) == 1


def test_a_paid_reply_on_its_way_is_delivered_before_the_cap_ends_the_search(searching):
    """Two workers: one spends the money and comes back, while the other's request is still being answered."""
    arrived, go_on, replies = threading.Event(), threading.Event(), []

    def slow():
        arrived.set()
        assert go_on.wait(60)
        return GOOD

    with upstream(slow, GOOD) as endpoint:
        client, run, sent = searching(endpoint.api_base, workers=2, max_cost=1e-4, request_timeout_s=60.0)
        other = threading.Thread(target=lambda: replies.append(complete(client, PROMPT)))
        other.start()
        assert arrived.wait(60)
        complete(client, PROMPT)
        (run / "ledger.jsonl").write_text("{}\n")
        back = threading.Thread(target=ask_until_the_end, args=(client, run, 1))
        back.start()
        time.sleep(0.5)
        assert not sent
        go_on.set()
        other.join(60)
        assert len(replies) == 1
        (run / "ledger.jsonl").write_text("{}\n{}\n")
        back.join(60)
        assert len(sent) == 1


@pytest.mark.parametrize(
    "step",
    [
        (200, '{"choices": [{"message": {"content": "a"}}]}', {"Content-Type": "application/json; charset=hex"}),
        pytest.param((500, "[" * 100_000, {}), id="deep"),
        pytest.param((200, '{"usage": {"prompt_tokens": 1' + "0" * 400 + "}}", {}), id="large"),
        (200, 'data: {"choices": [{"delta": [3]}]}\n\n', {}),
    ],
)
def test_every_answer_is_recorded_and_counted(searching, step):
    with upstream(GOOD, step) as endpoint:
        client, run, _ = searching(endpoint.api_base, give_up_after=3)
        assert ask_until_the_end(client, run) == 4
    assert len((run / "exchanges.jsonl").read_text().splitlines()) == 4


def test_what_breaks_the_gateway_counts_as_well(searching, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(upstream_module, "read_reply", broken)
    with upstream(GOOD) as endpoint:
        client, run, _ = searching(endpoint.api_base, give_up_after=2)
        assert ask_until_the_end(client, run) == 2
    assert "the gateway itself failed at this request (ZeroDivisionError)" in read_ending(run).sentence
    assert len((run / "exchanges.jsonl").read_text().splitlines()) == 2


def test_a_search_that_ends_before_that_can_ask_what_came_of_it(searching):
    with upstream(TALK, TALK, GOOD) as endpoint:
        client, _, _ = searching(endpoint.api_base)
        found = []
        for _ in range(3):
            complete(client, PROMPT)
            found.append(client.get("http://" + client.base_url.netloc.decode() + "/health", cast_to=object)["in_vain"])
    assert found[0].startswith("no program came of 1 request; the last: the endpoint of m, ")
    assert found[1].startswith("no program came of 2 requests; the last: ")
    assert found[2] == ""


@pytest.mark.parametrize("after", ["0.001", "0", "1e-9"])
def test_a_tiny_wait_is_no_hot_loop(searching, after):
    with upstream(GOOD, error(429, "slow down", Retry_After=after)) as endpoint:
        client, _, _ = searching(endpoint.api_base)
        complete(client, PROMPT)
        with pytest.raises(openai.RateLimitError):
            complete(client, PROMPT)
        assert len(endpoint.bodies) < 30


def test_without_a_search_nothing_ends(serve, tmp_path):
    with upstream(error(401, "no")) as endpoint:
        gateway = GatewaySettings(models={"m": ForwardedModel(endpoint.api_base)}, give_up_after=1)
        url = serve(Service(0, run=str(tmp_path / "run"), gateway=gateway)) + "/v1"
        client = openai.OpenAI(api_key="none", base_url=url, max_retries=0)
        assert ask_until_the_end(client, tmp_path / "run", 3) is None
        assert len(endpoint.bodies) == 3


@pytest.mark.parametrize(
    ("status", "words"),
    [(404, "The model 'm' does not exist"), (400, "m is not a valid model ID"), (404, "model not found")],
)
def test_an_unknown_model_is_answered_with_those_that_there_are(searching, status, words):
    names = ["gpt-4.1", "gpt-4.1-mini", "gemma", "m-2", "o3", "embed", "whisper"]
    listed = (200, '{"data": [' + ", ".join(f'{{"id": "{name}"}}' for name in names) + "]}", {})
    with upstream(error(status, words), models=listed) as endpoint:
        client, _, _ = searching(endpoint.api_base)
        with pytest.raises(openai.APIStatusError, match=rf"{status}: {words}; it has m-2, "):
            complete(client, PROMPT)


def test_a_record_that_cannot_be_written_ends_the_search_after_the_reply(searching, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Recorder, "append", full)
    with upstream(GOOD) as endpoint:
        client, run, sent = searching(endpoint.api_base)
        assert complete(client, PROMPT).choices[0].message.content
        assert not sent
        with pytest.raises(
            openai.InternalServerError, match=r"cannot write into .*: No space left on device; make room"
        ):
            complete(client, PROMPT)
        assert len(endpoint.bodies) == len(sent) == 1
    assert read_ending(run).exit_code == 3


def test_waiting_ends_when_the_search_does(searching):
    """Another worker's request that would wait for ten minutes more."""
    with upstream(GOOD, error(429, "slow down", Retry_After="600"), TALK) as endpoint:
        client, run, _ = searching(endpoint.api_base, give_up_after=1, retry_seconds=600)
        complete(client, PROMPT)
        started = time.monotonic()
        waiting = threading.Thread(target=ask_until_the_end, args=(client, run, 1))
        waiting.start()
        while len(endpoint.bodies) < 2:
            time.sleep(0.01)
        assert ask_until_the_end(client, run) == 1
        waiting.join(60)
        assert time.monotonic() - started < 60
