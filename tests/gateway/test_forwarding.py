"""What is forwarded, tried again, passed on, counted and recorded."""

import base64
import html
import json
import re
from types import SimpleNamespace

import openai
import pytest
from gateway.conftest import KEY
from gateway.scripted_upstream import DROP, ECHO_KEY, STALL, answer, error, upstream
from proposer.programs import ALL
from proposer.test_prompt import ask

from eplb_evolve.gateway import waits
from eplb_evolve.gateway.settings import ForwardedModel, GatewaySettings
from eplb_evolve.gateway.upstream import Upstream
from eplb_evolve.gateway.waits import Backoff, asked_to_wait


def complete(client, text="improve this", **more):
    return client.chat.completions.create(model="m", messages=[{"role": "user", "content": text}], **more)


def lines(run):
    return [json.loads(line) for line in (run / "exchanges.jsonl").read_text().splitlines()]


def test_one_request_outlives_every_transient_fault(forward, tmp_path):
    steps = [
        STALL,
        DROP,
        error(429, "slow down", Retry_After="0.05"),
        error(500, "oops"),
        (503, "<html>busy</html>", {}),
        answer("the reply"),
    ]
    with upstream(*steps) as endpoint:
        reply = complete(forward(endpoint), seed=5, temperature=0.3, extra_body={"verbosity": "low"})
    assert reply.choices[0].message.content == "the reply"
    assert endpoint.bodies == [endpoint.bodies[0]] * len(steps)
    assert endpoint.bodies[0] | {"seed": 5, "temperature": 0.3, "verbosity": "low"} == endpoint.bodies[0]
    assert set(endpoint.keys) == {KEY}
    (line,) = lines(tmp_path / "run")
    assert [attempt["status"] for attempt in line["attempts"]] == [None, None, 429, 500, 503, 200]
    assert line["attempts"][2] == {"status": 429, "why": "slow down", "wait_s": 0.05}
    assert "no answer within 0.5 s" in line["attempts"][0]["why"]
    assert line["request"] == endpoint.bodies[0]
    assert line["reply"] == "the reply"


@pytest.mark.parametrize("useless", ['{"choices": [', "", '{"object": "list"}', "[]", "null"])
def test_an_answer_that_nobody_pays_for_is_asked_for_again_twice_at_most(forward, tmp_path, useless):
    step = (200, useless, {})
    with upstream(step, step, answer("now"), step) as endpoint:
        client = forward(endpoint)
        assert complete(client).choices[0].message.content == "now"
        with pytest.raises(openai.InternalServerError, match=r"(not JSON|no chat completion): .* \(3 tries\)"):
            complete(client)
        assert len(endpoint.bodies) == 6
    assert lines(tmp_path / "run")[1]["response"] == useless


@pytest.mark.parametrize("paid", [answer(""), answer(None), answer("  \n")])
def test_an_empty_reply_is_paid_once(forward, tmp_path, paid):
    with upstream(answer("now"), paid) as endpoint:
        client = forward(endpoint)
        complete(client)
        with pytest.raises(openai.InternalServerError, match=r"the reply is empty \(finish_reason stop\)"):
            complete(client)
        assert len(endpoint.bodies) == 2
    assert lines(tmp_path / "run")[1]["response"] == paid[1]


def test_the_tokens_of_every_try_count(forward, tmp_path):
    overloaded = {"error": "overloaded", "usage": {"prompt_tokens": 100, "completion_tokens": 10}}
    with upstream((200, json.dumps(overloaded), {}), answer("yes", 200, 20)) as endpoint:
        complete(forward(endpoint))
    assert lines(tmp_path / "run")[0]["usage"] == {"prompt_tokens": 300, "completion_tokens": 30}
    assert lines(tmp_path / "run")[0]["cost_usd"] == pytest.approx((300 * 1 + 30 * 10) / 1e6)


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        (error(400, "no such parameter"), openai.BadRequestError),
        (error(401, "no such key"), openai.AuthenticationError),
        (error(429, "you are out of money", "insufficient_quota"), openai.RateLimitError),
    ],
)
def test_a_final_error_passes_at_once_in_the_provider_s_words(forward, step, kind):
    with upstream(step) as endpoint:
        with pytest.raises(kind, match=json.loads(step[1])["error"]["message"]):
            complete(forward(endpoint))
        assert len(endpoint.bodies) == 1


def test_trying_again_ends_with_retry_seconds(forward):
    """What asks for a longer wait is waited for as long as that, and asked once more."""
    with upstream(error(429, "come back in an hour", Retry_After="3600")) as endpoint:
        with pytest.raises(openai.RateLimitError, match=r"429: come back in an hour \(2 tries\)"):
            complete(forward(endpoint, retry_seconds=0.3))
        assert len(endpoint.bodies) == 2


@pytest.mark.parametrize(
    "echoed", [base64.b64encode(f"Bearer {KEY}".encode()).decode(), KEY[:12], KEY.encode().hex(), f"{KEY}{KEY}"]
)
def test_nor_is_a_piece_of_the_key_or_another_spelling(forward, tmp_path, echoed):
    with upstream(answer(f"your key is {echoed}.")) as endpoint:
        assert echoed not in complete(forward(endpoint)).choices[0].message.content
    assert not [file for file in tmp_path.rglob("*") if file.is_file() and echoed in file.read_text()]


def streamed(*parts):
    events = [{"choices": [{"delta": {"content": part}}]} for part in parts]
    return (200, "".join(f"data: {json.dumps(event)}\n\n" for event in events), {})


@pytest.mark.parametrize(
    "step",
    [
        streamed(*(KEY[at : at + 5] for at in range(0, len(KEY), 5))),
        answer([{"type": "text", "text": KEY[at : at + 6]} for at in range(0, len(KEY), 6)]),
        answer(f"{KEY[:7]}<think>x</think>{KEY[7:]}"),
        (401, '{"error": "' + "".join(f"\\u{ord(letter):04x}" for letter in KEY) + '"}', {}),
        (400, "<html>" + "".join(f"&#{ord(letter)};" for letter in KEY), {}),
        (200, json.dumps({"error": {"message": KEY[:9]}}).replace(KEY[1], f"\\u{ord(KEY[1]):04x}"), {}),
        (200, json.dumps({"choices": [{"message": {"refusal": f"not with {KEY}"}}]}), {}),
    ],
)
def test_what_decoding_joins_is_scrubbed_as_well(forward, tmp_path, capfd, step):
    said = ""
    with upstream(step) as endpoint:
        try:
            said = complete(forward(endpoint, retry_seconds=0.1)).choices[0].message.content
        except openai.APIStatusError as error:
            said = str(error)
    texts = [said, *(file.read_text() for file in tmp_path.rglob("*") if file.is_file()), *capfd.readouterr()]
    plain = [re.sub(r"\\u([0-9a-f]{4})", lambda found: chr(int(found[1], 16)), text) for text in texts]
    for at in range(len(KEY) - 7):
        assert not [text for text in plain if KEY[at : at + 8] in html.unescape(text)]


def test_the_key_is_written_nowhere_even_when_the_endpoint_echoes_it(forward, tmp_path, capfd):
    with upstream(ECHO_KEY, answer(f"your key is {KEY}")) as endpoint:
        client = forward(endpoint)
        with pytest.raises(openai.AuthenticationError, match="Incorrect API key provided: <key>"):
            complete(client)
        assert complete(client).choices[0].message.content == "your key is <key>"
        assert endpoint.keys == [KEY, KEY]
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert {file.name for file in files} >= {"exchanges.jsonl", "usage.json"}
    assert not [file for file in files if KEY in file.read_text()]
    assert KEY not in "".join(capfd.readouterr())


def test_totals_add_up_and_survive_a_restart(forward, tmp_path):
    with upstream(answer("a", 1000, 100), answer("b", None), answer("c", 500, 50)) as endpoint:
        client = forward(endpoint)
        complete(client)
        complete(client)
        client = forward(endpoint)
        complete(client)
    totals = json.loads((tmp_path / "run" / "usage.json").read_text())
    model = totals["models"]["m"]
    assert (model["exchanges"], model["exchanges_without_usage"]) == (3, 1)
    assert (model["prompt_tokens"], model["completion_tokens"]) == (1500, 150)
    assert totals["cost_usd"] == model["cost_usd"] == pytest.approx((1500 + 1500) / 1e6)
    assert client.get("/usage", cast_to=object) == totals
    assert [line["number"] for line in lines(tmp_path / "run")] == [1, 2, 3]


def test_a_cost_without_prices_is_unknown(forward, tmp_path):
    with upstream(answer("a")) as endpoint:
        complete(forward(endpoint, prices=(None, None)))
    assert json.loads((tmp_path / "run" / "usage.json").read_text())["models"]["m"]["cost_usd"] is None


def test_the_reply_that_crosses_the_cap_is_delivered_and_the_next_is_refused(forward):
    with upstream(answer("dear", 1_000_000, 0)) as endpoint:
        client = forward(endpoint, max_cost=0.5)
        assert complete(client).choices[0].message.content == "dear"
        with pytest.raises(openai.APIStatusError, match=r"1\.00 USD are spent, max_cost is 0\.50") as refused:
            complete(client)
        assert refused.value.status_code == 402
        assert len(endpoint.bodies) == 1


DIFF = "<<<<<<< SEARCH\n{}\n=======\nx = 1\n>>>>>>> REPLACE"
LINE = ALL["grid"].splitlines()[0]


@pytest.mark.parametrize(
    ("prompt", "reply", "parsed"),
    [
        (ask(ALL["grid"]), DIFF.format(LINE), True),
        (ask(ALL["grid"]), DIFF.format("no such line"), False),
        (ask(ALL["grid"]), "I would rather not", False),
        (ask(ALL["grid"]), DIFF.format(LINE) + "\n=======", False),
        (ask(ALL["grid"], diff=False), "```python\nx = 1\n```", True),
        (ask(ALL["grid"], diff=False), f"```python\n{ALL['grid'].strip()}\n```", True),  # less a line end
        (ask(ALL["grid"], diff=False), "```python\n\n```", False),
        ("no prompt of OpenEvolve's", "anything", None),
    ],
)
def test_a_reply_of_which_openevolve_makes_nothing_is_kept_raw(forward, tmp_path, prompt, reply, parsed):
    with upstream(answer(reply)) as endpoint:
        complete(forward(endpoint), prompt)
    assert lines(tmp_path / "run")[0]["parsed"] is parsed
    kept = {file.name: file.read_text() for file in (tmp_path / "run").glob("failed_replies/*")}
    assert kept == ({"0001.txt": reply} if parsed is False else {})


def test_nothing_is_recorded_where_that_is_not_wanted(forward, tmp_path):
    with upstream(answer("a")) as endpoint:
        complete(forward(endpoint, record=False))
    assert [file.name for file in (tmp_path / "run").iterdir()] == ["usage.json"]


@pytest.mark.parametrize(("host", "seed"), [("generativelanguage.googleapis.com", None), ("api.example.com", 5)])
def test_gemini_gets_no_seed(host, seed):
    endpoint = Upstream("m", ForwardedModel(f"https://{host}/v1"), GatewaySettings())
    assert endpoint.request({"model": "m", "messages": [], "seed": 5}).get("seed") == seed


@pytest.mark.parametrize(("failures", "most_s"), [(1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (40, 60)])
def test_waits_double_up_to_a_minute_less_a_random_quarter(failures, most_s):
    waits = [Backoff().wait(failures) for _ in range(200)]
    assert 0.75 * most_s <= min(waits) < 0.85 * most_s
    assert 0.9 * most_s < max(waits) <= most_s


def test_retry_after_may_be_a_date(monkeypatch):
    date = {"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}
    assert asked_to_wait(date) is None
    monkeypatch.setattr(waits, "time", SimpleNamespace(time=lambda: 1445412480.0 - 90))
    assert asked_to_wait(date) == 90
    assert asked_to_wait({"retry-after": "Wed, 21 Oct 2015 07:28:00"}) == 90


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({"retry-after": "7"}, "", 7),
        ({"retry-after": "0.5"}, "", 0.5),
        ({"retry-after-ms": "250", "retry-after": "1"}, "", 0.25),
        ({}, '[{"error": {"details": [{"retryDelay": "3s"}]}}]', 3),
        ({}, "", None),
        ({"retry-after": "0"}, "", None),
        ({"retry-after": "soon"}, "", None),
        ({"retry-after": "nan"}, "", None),
        ({"retry-after": "-5"}, "", None),
        ({"retry-after": "Wed, 99 Oct 2015 07:28:00 GMT"}, "", None),
    ],
)
def test_an_endpoint_asks_for_a_wait_in_several_ways(headers, body, seconds):
    assert asked_to_wait(headers, body) == seconds
